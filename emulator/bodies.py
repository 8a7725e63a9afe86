"""Reading a request's body: each helper gives a value of the type that was asked for, or Azure's 400 with the property's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from emulator.errors import bad_request, invalid_content

T = TypeVar("T")

_WORDS = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    dict: "an object",
    list: "an array",
    float: "a number",
}


def get(body: Mapping[str, Any], path: str, type: type[T]) -> T | None:
    """The value at ``properties.sku.name``, ``None`` where it or what leads to it is missing or null."""
    value: Any = body
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    if value is None:
        return None
    # To Python true is an integer too; to JSON it is not.
    if not isinstance(value, type) or (isinstance(value, bool) and type is not bool):
        raise invalid_content(f"The value of '{path}' must be {_WORDS[type]}; it is {_shown(value)}.", target=path)
    return value


def need(body: Mapping[str, Any], path: str, type: type[T], *, code: str = "InvalidRequestContent") -> T:
    value = get(body, path, type)
    if value is None:
        raise bad_request(code, f"The required property '{path}' is missing.", target=path)
    return value


def choice(
    body: Mapping[str, Any],
    path: str,
    choices: Collection[str],
    *,
    default: str | None = None,
    code: str = "InvalidRequestPropertyValue",
) -> str | None:
    """One of ``choices``, compared without case and given in their spelling."""
    value = get(body, path, str)
    if value is None:
        return default
    found = next((one for one in choices if one.lower() == value.lower()), None)
    if found is None:
        raise bad_request(
            code, f"The value '{value}' of '{path}' is not one of: {', '.join(sorted(choices))}.", target=path
        )
    return found


def between(body: Mapping[str, Any], path: str, low: int, high: int, *, default: int | None = None) -> int | None:
    value = get(body, path, int)
    if value is None:
        return default
    if not low <= value <= high:
        raise bad_request(
            "InvalidRequestPropertyValue", f"The value {value} of '{path}' must be from {low} to {high}.", target=path
        )
    return value


def with_properties(body: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    """The body with some of its properties set."""
    return {**body, "properties": {**(body.get("properties") or {}), **properties}}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"

"""Combinators for a request's body: a ``Field`` is given a value and where it stands, and gives it as it is kept, or refuses it.

    record({"uri": filled}, {"mode": one_of("Upload", "Direct")})({"uri": "a", "mode": "upload"}, "properties.outputs.x")

What is wrong is a 400 ``UserError`` that names the property, its value and what would be right; what Azure has and the emulator has
not is 501 by name (``refused``). Pure, and of no type of resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator import durations
from emulator.errors import NotEmulated, user_error

Field = Callable[[Any, str], Any]  # value and where it stands -> the value as it is kept


def text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise user_error(f"{at} must be a string; it is {shown(value)}.", at)
    return value


def word(value: Any, at: str) -> str:
    """A text. A number or a truth value, which YAML has without quotes and azure-ai-ml sends as it is, is taken for its own."""
    return json.dumps(value) if isinstance(value, (bool, int, float)) else text(value, at)


def filled(value: Any, at: str) -> str:
    if not text(value, at).strip():
        raise user_error(f"{at} is required and must not be empty.", at)
    return str(value)


def boolean(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise user_error(f"{at} must be true or false; it is {shown(value)}.", at)
    return value


def integer(low: int, high: int) -> Field:
    def field(value: Any, at: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise user_error(f"{at} must be an integer from {low} to {high}; it is {shown(value)}.", at)
        return value

    return field


def one_of(*names: str) -> Field:
    """One of ``names``, compared without case and kept as Azure spells it."""
    known = {name.lower(): name for name in names}

    def field(value: Any, at: str) -> str:
        found = known.get(text(value, at).lower())
        if found is None:
            raise user_error(f"{at} must be one of {', '.join(names)}; it is {shown(value)}.", at)
        return found

    return field


def matching(expression: str, words: str) -> Field:
    def field(value: Any, at: str) -> str:
        if not re.fullmatch(expression, text(value, at)):
            raise user_error(f"{at} must be {words}; it is {shown(value)}.", at)
        return str(value)

    return field


def anything(value: Any, at: str) -> Any:
    return value


def texts(value: Any, at: str) -> list[str]:
    if not isinstance(value, list):
        raise user_error(f"{at} must be a list of strings; it is {shown(value)}.", at)
    return [text(item, f"{at}[{index}]") for index, item in enumerate(value)]


def mapping(field: Field, name: re.Pattern[str] | None = None, words: str = "") -> Field:
    """An object of any names (that match ``name``, put in ``words``), each value of one kind; nulls are left out."""

    def each(value: Any, at: str) -> dict[str, Any]:
        members = _object(value, at)
        for key in members:
            if name and not name.fullmatch(key):
                raise user_error(f"{at} has the name {shown(key)}; it must be {words}.", at)
        return {key: field(member, f"{at}.{key}") for key, member in members.items() if member is not None}

    return each


def record(required: Mapping[str, Field], optional: Mapping[str, Field]) -> Field:
    """An object of known names; one that is not known is refused, one that is null is as if not sent."""

    def all(value: Any, at: str) -> dict[str, Any]:
        members = {key: member for key, member in _object(value, at).items() if member is not None}
        for key in members:
            if key not in required and key not in optional:
                raise user_error(f"Could not find member '{key}' of {at}.", f"{at}.{key}")
        for key in required:
            if key not in members:
                raise user_error(f"{at}.{key} is required.", f"{at}.{key}")
        fields = {**required, **optional}
        return {key: fields[key](member, f"{at}.{key}") for key, member in members.items()}

    return all


def by_type(name: str, kinds: Mapping[str, Field]) -> Field:
    """An object whose member ``name`` says of which of ``kinds`` it is."""
    choose = one_of(*kinds)

    def chosen(value: Any, at: str) -> dict[str, Any]:
        members = _object(value, at)
        if members.get(name) is None:
            raise user_error(f"{at}.{name} is required.", f"{at}.{name}")
        kind = choose(members[name], f"{at}.{name}")
        return dict(kinds[kind]({**members, name: kind}, at))

    return chosen


def refused(what: str) -> Field:
    """A field that Azure has and this emulator does not; empty, it asks for nothing."""

    def field(value: Any, at: str) -> Any:
        if value:
            raise NotEmulated(f"{what} ({at})")
        return value

    return field


def seconds(value: Any, at: str) -> str:
    """An ISO 8601 duration of days to seconds, above zero."""
    try:
        length = durations.seconds(text(value, at))
    except ValueError:
        length = 0
    if not length:
        raise user_error(f"{at} must be an ISO 8601 duration such as PT30M, above zero; it is {shown(value)}.", at)
    return str(value)


def _object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise user_error(f"{at} must be an object; it is {shown(value)}.", at)
    return value


def shown(value: Any) -> str:
    """A value as an error quotes it."""
    text = repr(value) if isinstance(value, (str, int, float, bool)) else type(value).__name__
    return text if len(text) <= 120 else f"{text[:117]}…"

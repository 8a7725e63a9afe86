"""Small questions asked of a request's body, each with Azure's kind of answer: thing, value, what would do."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from emulator import durations
from emulator.errors import AzureError, invalid_content


def user_error(message: str, *, status: int = 400, target: str | None = None) -> AzureError:
    """What Azure ML's own services answer with (https://learn.microsoft.com/rest/api/azureml/)."""
    return AzureError(status, "UserError", message, target=target)


def properties_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body's ``properties``, which every resource of Azure ML must have."""
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid_content("The request content must have the JSON object 'properties'.", target="properties")
    return dict(properties)


def nothing_beside_properties(body: Mapping[str, Any]) -> None:
    """Assets and jobs have their tags and all else in ``properties``: what stands beside would be lost."""
    beside = next((name for name, value in body.items() if name != "properties" and value not in (None, {})), None)
    if beside is not None:
        raise user_error(
            f"Could not find member '{beside}' of the resource. What it has goes into 'properties'.", target=beside
        )


def text(holder: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    value = holder.get(name)
    if value is None or (value == "" and not required):
        if required:
            raise invalid_content(f"The property '{name}' is required.", target=name)
        return None
    if not isinstance(value, str):
        raise invalid_content(f"The property '{name}' must be a string; it is {value!r}.", target=name)
    if required and not value.strip():
        raise invalid_content(f"The property '{name}' must not be empty.", target=name)
    return value


def required(holder: Mapping[str, Any], name: str) -> str:
    value = text(holder, name, required=True)
    assert value is not None, "A required text is there, or an error was raised."
    return value


def mapping(holder: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_content(f"The property '{name}' must be a JSON object.", target=name)
    return value


def labels(holder: Mapping[str, Any], name: str) -> dict[str, str]:
    """Tags or properties: texts by name. A number or a truth value is taken for its text, as Azure ML does; the SDK itself sends
    ``hash_version`` as a number."""
    found: dict[str, str] = {}
    for key, value in (mapping(holder, name) or {}).items():
        if isinstance(value, (dict, list)):
            raise invalid_content(f"The value of '{key}' in '{name}' must be a string.", target=name)
        if value is not None:
            found[key] = value if isinstance(value, str) else json.dumps(value)
    return found


def truth(holder: Mapping[str, Any], name: str, default: bool | None = None) -> bool | None:
    """A JSON boolean, or the words that ARM templates give for one."""
    value = holder.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid_content(f"The property '{name}' must be true or false; it is {value!r}.", target=name)


def count(holder: Mapping[str, Any], name: str, default: int | None = None) -> int | None:
    value = holder.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid_content(f"The property '{name}' must be a whole number from 0 up; it is {value!r}.", target=name)
    return value


def one_of(holder: Mapping[str, Any], name: str, values: Collection[str], default: str | None = None) -> str | None:
    """One of ``values``, compared without case and given back as it is spelt there."""
    value = text(holder, name)
    if value is None:
        return default
    found = next((one for one in values if one.lower() == value.lower()), None)
    if found is None:
        raise invalid_content(f"'{value}' is not a value of '{name}'; the values are {', '.join(values)}.", target=name)
    return found


def duration(holder: Mapping[str, Any], name: str, default: str | None = None) -> str | None:
    """An ISO 8601 duration as Azure takes it: days, hours, minutes and seconds."""
    value = text(holder, name)
    if value is None:
        return default
    try:
        durations.seconds(value)
    except ValueError:
        raise invalid_content(
            f"'{value}' of '{name}' is not an ISO 8601 duration, such as PT120S.", target=name
        ) from None
    return value

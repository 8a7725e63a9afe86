"""The functions of templates that need nothing but their arguments, by lower-case name. One that is not here, and that no cloud
gives, is refused by its name, never guessed.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

from emulator.errors import AzureError
from emulator.management.expressions import invalid

# The name space of guid(), version 5 of RFC 4122:
# https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string#guid
GUID_SPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")


def member(of: Any, key: Any) -> Any:
    if isinstance(of, dict):
        found = next((name for name in of if name.lower() == str(key).lower()), None)
        if found is not None:
            return of[found]
    elif isinstance(of, list) and isinstance(key, int) and 0 <= key < len(of):
        return of[key]
    raise invalid(f"The language expression property '{key}' doesn't exist.")


def truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError(f"'{value}' is not a boolean")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _same(left: Any, right: Any) -> bool:
    """Text is compared with case, as ``equals`` does."""
    return type(left) is type(right) and bool(left == right)


def _of_ints(function: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def checked(left: Any, right: Any) -> int:
        if not (isinstance(left, int) and isinstance(right, int)) or abs(left) >= 2**63 or abs(right) >= 2**63:
            raise ValueError(f"'{left}' and '{right}' are not two integers of 64 bits")
        return function(left, right)

    return checked


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return "".join(_text(value) for value in values)


def _unique(*values: Any) -> str:
    """13 letters and digits that depend on nothing but the values. Azure's own hash is not published, so they are not Azure's."""
    digest = int.from_bytes(hashlib.sha256("-".join(map(str, values)).encode()).digest()[:9], "big")
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[digest >> 5 * place & 31] for place in range(13))


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, dict):
        return str(item).lower() in (key.lower() for key in container)
    return item in container


def _union(*values: Any) -> Any:
    if all(isinstance(value, dict) for value in values):
        return {key: item for value in values for key, item in value.items()}
    return list({json.dumps(item, sort_keys=True): item for value in values for item in value}.values())


def _intersection(*values: Any) -> Any:
    """What all have: the items of lists, the members of objects that are equal in each."""
    first, *others = values
    if isinstance(first, dict):
        return {key: item for key, item in first.items() if all(key in one and one[key] == item for one in others)}
    return [item for item in first if all(item in one for one in others)]


def _place(values: list[Any], item: Any) -> int:
    return values.index(item) if item in values else -1


def _try_get(of: Any, *keys: Any) -> Any:
    for key in keys:
        try:
            of = member(of, key)
        except AzureError:
            return None
    return of


def _format(pattern: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: _text(values[int(match.group(1))]), pattern)


def _now(pattern: str = "yyyyMMddTHHmmssZ") -> str:
    codes = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    translated = re.sub("|".join(codes), lambda match: codes[match.group()], pattern)
    return datetime.datetime.now(datetime.timezone.utc).strftime(translated)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": _of_ints(operator.add),
    "and": lambda *values: all(truth(value) for value in values),
    "array": lambda value: value if isinstance(value, list) else [value],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64tojson": lambda text: json.loads(base64.b64decode(text)),
    "base64tostring": lambda text: base64.b64decode(text).decode(),
    "bool": truth,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "div": _of_ints(lambda left, right: int(left / right)),
    "empty": lambda value: value is None or len(value) == 0,
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "equals": _same,
    "false": lambda: False,
    "flatten": lambda values: [item for value in values for item in value],
    "first": lambda value: value[0] if value else ("" if isinstance(value, str) else None),
    "format": _format,
    "greater": lambda left, right: left > right,
    "greaterorequals": lambda left, right: left >= right,
    "guid": lambda *values: str(uuid.uuid5(GUID_SPACE, "-".join(map(str, values)))),
    "indexof": lambda value, item: value.lower().find(item.lower()) if isinstance(value, str) else _place(value, item),
    "int": int,
    "intersection": _intersection,
    "items": lambda value: [{"key": key, "value": value[key]} for key in sorted(value)],
    "join": lambda values, mark: mark.join(map(str, values)),
    "json": lambda text: json.loads(text),
    "lastindexof": lambda text, item: text.lower().rfind(item.lower()),
    "last": lambda value: value[-1] if value else ("" if isinstance(value, str) else None),
    "length": len,
    "less": lambda left, right: left < right,
    "lessorequals": lambda left, right: left <= right,
    "max": lambda *values: max(values[0] if isinstance(values[0], list) else values),
    "min": lambda *values: min(values[0] if isinstance(values[0], list) else values),
    "mod": _of_ints(operator.mod),
    "mul": _of_ints(operator.mul),
    "newguid": lambda: str(uuid.uuid4()),
    "not": lambda value: not truth(value),
    "null": lambda: None,
    "objectkeys": lambda value: sorted(value),
    "or": lambda *values: any(truth(value) for value in values),
    "padleft": lambda text, width, mark=" ": _text(text).rjust(width, mark),
    "range": lambda start, count: list(range(start, start + min(count, 10_000))),
    "replace": lambda text, old, new: text.replace(old, new),
    "shallowmerge": lambda values: _union(*values),
    "skip": lambda value, count: value[max(count, 0) :],
    "split": lambda text, mark: re.split("|".join(map(re.escape, [mark] if isinstance(mark, str) else mark)), text),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _text,
    "sub": _of_ints(operator.sub),
    "substring": lambda text, start, length=None: text[start:] if length is None else text[start : start + length],
    "take": lambda value, count: value[: max(count, 0)],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "tryget": _try_get,
    "union": _union,
    "uniquestring": _unique,
    "uri": urljoin,
    "uricomponent": lambda text: quote(text, safe=""),
    "uricomponenttostring": unquote,
    "utcnow": _now,
}

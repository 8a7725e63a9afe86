"""The inputs of a pipeline as people give them: literals in their type, data by its place.

``declared`` is a component's ``inputs`` as its YAML has them: by name a mapping with ``type``, ``default``, ``optional``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import names, settings
from runner.datastore import Datastore
from runner.errors import Mistake
from runner.graph import LITERALS
from runner.paths import in_datastore

if TYPE_CHECKING:
    from runner.workspace import Workspace

Declared = Mapping[str, Mapping[str, Any]]
IN_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths/(.*)")


@dataclass(frozen=True)
class Value:
    """Of a literal ``given`` is its value, of data its address."""

    type: str
    given: str | int | float | bool

    @property
    def is_data(self) -> bool:
        return self.type not in LITERALS


def named(texts: Iterable[str], declared: Declared) -> dict[str, str]:
    """``NAME=VALUE`` by name; what has no name is for the only data input. Raises ``Mistake`` for a name that is none."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_]\w*", name):
            name, value = _only(declared, text), text
        if name not in declared:
            raise Mistake(f"There is no input '{name}'. {names.near(name, declared)}")
        found[name] = value
    return found


def read(given: Mapping[str, Any], declared: Declared) -> dict[str, Value]:
    """The values in their types; raises ``Mistake`` for all that is wrong: no such input, another type, one that is missing."""
    wrong, found = [], dict[str, Value]()
    for name, value in given.items():
        if name not in declared:
            wrong.append(f"there is no input '{name}'. {names.near(name, declared)}")
            continue
        kind = str(declared[name].get("type", "string"))
        try:
            found[name] = Value(kind, _literal(kind, value) if kind in LITERALS else _address(value))
        except ValueError:
            wrong.append(f"input '{name}' is of type {kind}, and is given {value!r}")
    for name, one in declared.items():
        if name not in given and not one.get("optional") and one.get("default") is None:
            wrong.append(f"input '{name}' ({one.get('type')}) is missing")
    if wrong:
        raise Mistake("The inputs are not those of the component:", details=wrong, next="--input NAME=VALUE")
    return found


def place(workspace: Workspace, values: Mapping[str, Value]) -> dict[str, Value]:
    """The same with the address of all data: a path is below the root of the settings' datastore. Raises ``Mistake`` for data
    that is not there, or is a folder where a file is asked for."""
    found = {}
    for name, value in values.items():
        address = str(value.given)
        known = IN_DATASTORE.fullmatch(address)
        if value.is_data and (known or "://" not in address and not address.startswith("azureml:")):
            store = Datastore.open(workspace, known[1] if known else workspace.settings[settings.DATASTORE])
            path = in_datastore(known[2] if known else address)
            store.require(path, value.type, f"input '{name}'", f"--input {name}=")
            address = store.uri(path)
        found[name] = Value(value.type, address) if value.is_data else value
    return found


def _only(declared: Declared, text: str) -> str:
    data = [name for name, one in declared.items() if one.get("type") not in LITERALS]
    needed = [name for name in data if not declared[name].get("optional")] or data
    if len(needed) != 1:
        there = ", ".join(f"{name} ({one.get('type')})" for name, one in declared.items()) or "none"
        raise Mistake(f"For which input is '{text}'? There are: {there}.", next=f"--input NAME={text}")
    return needed[0]


def _literal(kind: str, value: Any) -> str | int | float | bool:
    text = str(value).strip()
    if kind == "boolean":
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _no(text)
    return int(text) if kind == "integer" else float(text) if kind == "number" else str(value)


def _address(value: Any) -> str:
    path = value.get("path") if isinstance(value, Mapping) else value
    return path if isinstance(path, str) and path else _no(str(path))


def _no(text: str) -> Any:
    raise ValueError(text)

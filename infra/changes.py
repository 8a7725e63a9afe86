"""What the engine says that it will do, or that it found: its JSON as changes, and which of them nobody may make unasked.

Pure: the text of ``pulumi preview --json`` or ``pulumi refresh --preview-only --json`` in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KNOWN_LATER = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's word for what is known once it is applied
SECRET = "4dabf18193072939515e22adb298388d"  # the engine's mark on an object that holds a secret
STEPS = (
    "delete",
    "replace",
    "update",
    "create",
    "import",
)  # in the order in which they are shown: what is lost comes first
# Deleted, what is in them is gone, or everything that runs in them ends: never by the way.
GUARDED = {
    "machinelearningservices:Workspace": "workspace",
    "machinelearningservices:Compute": "cluster",
    "storage:StorageAccount": "storage account",
    "storage:BlobContainer": "container",
    "containerregistry:Registry": "registry",
    "keyvault:Vault": "vault",
    "resources:ResourceGroup": "resource group",
}
# What azure-native reads back otherwise than it was sent, though nobody changed it: by kind, the property, and who reported it.
NOISE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "machinelearningservices:Workspace": (
        ("managedNetwork", "https://github.com/pulumi/pulumi-azure-native/issues/3225"),
        ("systemData", "https://github.com/pulumi/pulumi-azure-native/issues/3225"),
    ),
    "storage:BlobServiceProperties": (
        ("cors", "https://github.com/pulumi/pulumi-azure-native/issues/1700"),
        ("sku", "https://github.com/pulumi/pulumi-azure-native/issues/1700"),
    ),
    "storage:BlobContainer": (
        ("defaultEncryptionScope", "https://github.com/pulumi/pulumi-azure-native/issues/2833"),
        ("denyEncryptionScopeOverride", "https://github.com/pulumi/pulumi-azure-native/issues/2833"),
    ),
}


@dataclass(frozen=True)
class Property:
    """``old`` and ``new`` are as people read them; ``replaces``: this change is why the resource is made anew."""

    path: str
    old: str
    new: str
    replaces: bool = False


@dataclass(frozen=True)
class Change:
    """``step`` is create, update, replace, delete or import; ``name`` is the program's, ``azure`` the resource's own where it is
    known; ``kind`` is ``storage:StorageAccount``."""

    step: str
    kind: str
    name: str
    azure: str
    properties: tuple[Property, ...] = ()


def planned(preview: str) -> tuple[Change, ...]:
    """What ``pulumi preview --json`` says will be done; what stays, and what is no resource of Azure's, is left out."""
    found = [_planned(step) for step in _steps(preview) if step["op"] in STEPS]
    return tuple(sorted(found, key=lambda change: (STEPS.index(change.step), change.name, change.kind)))


def drifted(refresh: str) -> tuple[Change, ...]:
    """What ``pulumi refresh --preview-only --json`` found to be otherwise than it was applied; known noise is left out."""
    found = []
    for step in sorted(_steps(refresh), key=lambda step: str(step["urn"])):
        change = _change(step)
        if step["op"] == "delete":
            found.append(change)
            continue
        old, new = _inputs(step, "oldState"), _inputs(step, "newState")
        properties = tuple(one for one in differing(old, new) if not _is_noise(change.kind, one.path))
        if properties:
            found.append(Change("update", change.kind, change.name, change.azure, properties))
    return tuple(found)


def summary(preview: str) -> dict[str, int]:
    """How many resources of Azure's there are of each step."""
    steps = [step["op"] for step in _steps(preview)]
    return {step: steps.count(step) for step in STEPS if step in steps}


def refused(changes: Sequence[Change], allowed: Collection[str] = ()) -> tuple[Change, ...]:
    """The changes that would replace or delete what is guarded, and whose resource ``allowed`` does not name, by the program's
    name or Azure's."""
    return tuple(
        change
        for change in changes
        if change.step in ("replace", "delete")
        and change.kind in GUARDED
        and not {change.name, change.azure} & {*allowed}
    )


def differing(old: Any, new: Any, path: str = "") -> Iterator[Property]:
    """Property by property, where two values are not the same."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and SECRET not in {*old, *new}:
        for key in sorted({*old, *new}):
            yield from differing(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield Property(path, shown(old), shown(new))


def shown(value: Any) -> str:
    """A value as people read it; secrets and what is known later by their names."""
    if value is None:
        return ""
    if isinstance(value, Mapping) and SECRET in value:
        return "[secret]"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text.replace(KNOWN_LATER, "known after apply")


def _planned(step: Mapping[str, Any]) -> Change:
    change = _change(step)
    old, new = _inputs(step, "oldState"), _inputs(step, "newState")
    why = set(step.get("replaceReasons") or ())
    properties = tuple(
        Property(path, shown(_at(old, path)), shown(_at(new, path)), path in why or how["kind"].endswith("-replace"))
        for path, how in sorted((step.get("detailedDiff") or {}).items())
    )
    return Change(step["op"], change.kind, change.name, change.azure, properties)


def _change(step: Mapping[str, Any]) -> Change:
    state = step.get("oldState") or step.get("newState") or {}
    azure = str(state.get("id") or "").rpartition("/")[2]
    return Change(step["op"], _kind(step["urn"]), step["urn"].rpartition("::")[2], azure)


def _steps(text: str) -> list[Mapping[str, Any]]:
    """The steps for resources of Azure's."""
    steps = json.loads(text[text.index("{") : text.rindex("}") + 1]).get("steps") or []
    return [step for step in steps if _kind(step["urn"])]


def _kind(urn: str) -> str:
    """``storage:StorageAccount`` of a resource's URN; empty for a component, a provider or the stack."""
    found = re.fullmatch(r"azure-native:(\w+)(?:/\w+)?:(\w+)", urn.split("::")[2].rpartition("$")[2])
    return f"{found[1]}:{found[2]}" if found else ""


def _inputs(step: Mapping[str, Any], state: str) -> Mapping[str, Any]:
    return (step.get(state) or {}).get("inputs") or {}


def _at(value: Any, path: str) -> Any:
    """The value at ``tags["cost centre"]`` or ``properties.list[0].name``; ``None`` where there is none."""
    for name, quoted, index in re.findall(r'([^.\[\]"]+)(?=[.\[]|$)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]', path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            value = value.get(name or quoted) if isinstance(value, Mapping) else None
    return value


def _is_noise(kind: str, path: str) -> bool:
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name, _ in NOISE.get(kind, ()))

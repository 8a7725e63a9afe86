"""Locks: what stands below one cannot be deleted, below a read-only one not changed either.

https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
"""

from __future__ import annotations

from typing import Any

from emulator import bodies
from emulator.errors import conflict
from emulator.http import Call
from emulator.management.ids import ResourceId
from emulator.store import Document, Reader

TYPE = "Microsoft.Authorization/locks"


async def check_body(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    bodies.need(body, "properties.level", str)
    level = bodies.choice(body, "properties.level", ("CanNotDelete", "ReadOnly"))
    return bodies.with_properties(body, level=level)


def check(reader: Reader, id: str, verb: str) -> None:
    """``verb`` is ``write`` or ``delete``. Deleting a group is refused for a lock inside it too."""
    target = f"{id.lower()}/"
    for lock in reader.of_type(TYPE):
        scope = f"{ResourceId.parse(lock.id).scope.lower()}/"
        holds = target.startswith(scope) or (verb == "delete" and scope.startswith(target))
        # The lock itself, and role assignments, stay in its owner's hands.
        if (
            not holds
            or "/providers/microsoft.authorization/" in target
            or (verb == "write" and lock.body["properties"]["level"] != "ReadOnly")
        ):
            continue
        raise conflict(
            "ScopeLocked",
            f"The scope '{id}' cannot perform {verb} operation because following scope(s) are locked: '{scope[:-1]}'. "
            "Please remove the lock and try again.",
        )

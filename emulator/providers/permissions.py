"""Who may do what with data: role assignments, as the data planes ask for them.

The local principal stands for a person who may do everything, as an Owner with the data roles may; every other principal (a
managed identity) may do what its assignments say, at the resource or above it, and so may the local one where a fault delays
them: somebody has to wait. What Resource Manager itself is asked for is
not decided here.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from emulator.providers.roles import DATA_ACTIONS

if TYPE_CHECKING:
    from emulator.cloud import Cloud

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DEFINITION = "Microsoft.Authorization/roleDefinitions"


def allowed(cloud: Cloud, object_id: str, scope: str, action: str) -> bool:
    """Whether the principal may do ``action`` (as a role's data actions name it) at ``scope``, a resource's id."""
    delay = cloud.faults.role_delay(scope)
    if not delay and object_id.lower() == cloud.identity.local.object_id.lower():
        return True
    settled = time.time() - delay
    for assignment in cloud.store.of_type(ASSIGNMENT):
        given = assignment.body["properties"]
        below = f"{scope}/".lower().startswith(f"{given['scope'].rstrip('/')}/".lower())
        if below and given["principalId"] == object_id.lower() and assignment.created <= settled:
            if _grants(cloud, given["roleDefinitionId"].rpartition("/")[2], action):
                return True
    return False


def _grants(cloud: Cloud, role: str, action: str) -> bool:
    if role in DATA_ACTIONS:
        return _matches(DATA_ACTIONS[role], action)
    custom = next((one for one in cloud.store.of_type(DEFINITION) if one.name.lower() == role), None)
    permissions: list[dict[str, Any]] = custom.body["properties"]["permissions"] if custom else []
    return any(
        _matches((*one.get("actions", ()), *one.get("dataActions", ())), action)
        and not _matches((*one.get("notActions", ()), *one.get("notDataActions", ())), action)
        for one in permissions
    )


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action, re.IGNORECASE) for one in patterns)

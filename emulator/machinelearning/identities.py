"""The ``identity`` of a workspace or a compute: what the caller asked for, with the ids that Azure adds.

https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces#managedserviceidentity
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from emulator.errors import bad_request, invalid_content
from emulator.http import Call

SYSTEM, USER = "SystemAssigned", "UserAssigned"
# As clients spell them: ``systemAssigned`` and ``system_assigned`` (the SDK's own template) mean the same.
KINDS = {
    "none": (),
    "systemassigned": (SYSTEM,),
    "userassigned": (USER,),
    "systemassigned,userassigned": (SYSTEM, USER),
}


def fill(call: Call, sent: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """``sent`` with ``principalId`` and ``tenantId``, and with each user-assigned identity's ids; ``None`` for none at all.

    A system-assigned identity keeps its principal for as long as it is on. A user-assigned one is looked up by its resource id:
    one that does not exist is ``FailedIdentityOperation`` (400).
    """
    if not sent:
        return None
    text = str(sent.get("type", "None")).replace("_", "").replace(" ", "").lower()
    if text not in KINDS:
        raise invalid_content(f"'{sent.get('type')}' is not a type of managed identity.", target="identity.type")
    kinds = KINDS[text]
    if not kinds:
        return {"type": "None"}
    old = old or {}
    identity: dict[str, Any] = {"type": ",".join(kinds), "tenantId": call.cloud.identity.tenant}
    if SYSTEM in kinds:
        identity["principalId"] = old.get("principalId") or str(uuid.uuid4())
    if USER in kinds:
        identity["userAssignedIdentities"] = _assigned(call, sent.get("userAssignedIdentities"))
    return identity


def _assigned(call: Call, sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise invalid_content("userAssignedIdentities must be a JSON object.", target="identity.userAssignedIdentities")
    found: dict[str, Any] = {}
    for id, value in sent.items():
        if value is None and len(sent) > 1:  # an identity that is taken away, in a PATCH
            continue
        document = call.cloud.store.get(id)
        if document is None:
            raise bad_request(
                "FailedIdentityOperation",
                f"Identity operation failed for '{id}': the user-assigned identity was not found.",
                target="identity.userAssignedIdentities",
            )
        properties = document.body.get("properties", {})
        found[document.id] = {key: properties[key] for key in ("principalId", "clientId") if key in properties}
    if not found:
        raise invalid_content("A UserAssigned identity needs at least one userAssignedIdentities.", target="identity")
    return found

"""The ``identity`` property, which any resource may have: an identity of its own, and those that are assigned to it.

https://learn.microsoft.com/azure/templates/#managed-identity-properties
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from emulator.errors import bad_request, not_found
from emulator.http import Call
from emulator.store import Document

TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"


def assign(call: Call, sent: Mapping[str, Any], old: Document | None) -> dict[str, Any]:
    """A resource's own identity is made once and kept; those that it is assigned must exist."""
    words = {word.strip().lower() for word in str(sent.get("type") or "").split(",")}
    known = {"systemassigned": "SystemAssigned", "userassigned": "UserAssigned", "none": "None"}
    if not words <= set(known):
        raise bad_request("InvalidIdentityType", f"The identity type '{sent.get('type')}' is not one that Azure has.")
    identity: dict[str, Any] = {"type": ", ".join(known[word] for word in sorted(words))}
    if "systemassigned" in words:
        before = (old.body.get("identity") or {}) if old else {}
        identity["principalId"] = before.get("principalId") or str(uuid.uuid4())
        identity["tenantId"] = call.cloud.identity.tenant
    if "userassigned" in words:
        named = sent.get("userAssignedIdentities")
        if not isinstance(named, dict) or not named:
            raise bad_request("InvalidIdentityValues", "A user-assigned identity is asked for, and none is named.")
        identity["userAssignedIdentities"] = {name: dict(_found(call, name).body["private"]) for name in named}
    return identity


def _found(call: Call, id: str) -> Document:
    document = call.cloud.store.get(id)
    if document is None or document.type != TYPE.lower():
        raise not_found(id)
    return document

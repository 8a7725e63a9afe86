"""Managed identities: those that are resources, and those that a resource has by its ``identity`` property.

https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities. A process acts as one through the endpoint that
``Identity.grant`` gives it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import bad_request, not_found
from emulator.http import Call
from emulator.identity.tenant import Principal
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"
NAME = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "The identity name '{name}' is invalid. It must have 3 to 128 letters, digits, '-' or '_', and begin with a letter or digit.",
)
CREDENTIAL_NAME = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}",
    "The federated identity credential name '{name}' is invalid. It must have 3 to 120 letters, digits, '-' or '_'.",
)


async def _check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    private = old.body["private"] if old else {"principalId": str(uuid.uuid4()), "clientId": str(uuid.uuid4())}
    return {"location": body["location"], "tags": body["tags"], "private": private}


def _render(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {"properties": {"tenantId": cloud.identity.tenant, **document.body["private"]}}


async def _check_credential(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    for name in ("issuer", "subject"):
        bodies.need(body, f"properties.{name}", str)
    bodies.need(body, "properties.audiences", list)
    return body


def assign(call: Call, sent: Mapping[str, Any], old: Document | None) -> dict[str, Any]:
    """A resource's own identity is made once and kept; those that it is assigned must exist.

    https://learn.microsoft.com/azure/templates/#managed-identity-properties
    """
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


def principal(document: Document) -> Principal:
    """Who the identity is, to roles and tokens."""
    private = document.body["private"]
    return Principal(private["principalId"], private["clientId"], document.name, document.id)


KINDS = (
    Kind(TYPE, NAME, tracked=True, check=_check, render=_render, state=False),
    Kind(f"{TYPE}/federatedIdentityCredentials", CREDENTIAL_NAME, check=_check_credential, state=False),
)

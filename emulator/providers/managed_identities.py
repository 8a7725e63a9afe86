"""Managed identities that are resources: https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities.

What a resource's ``identity`` property means is ``management.identities``' business.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.http import Call
from emulator.management.identities import TYPE
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

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


KINDS = (
    Kind(TYPE, NAME, tracked=True, check=_check, render=_render, state=False),
    Kind(f"{TYPE}/federatedIdentityCredentials", CREDENTIAL_NAME, check=_check_credential, state=False),
)

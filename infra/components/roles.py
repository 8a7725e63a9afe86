"""Role assignments, by the role's name."""

from __future__ import annotations

import uuid

import pulumi
from pulumi_azure_native import authorization

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {"Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe"}


def assign(
    name: str,
    role: str,
    *,
    scope: pulumi.Input[str],
    principal_id: pulumi.Input[str],
    principal_type: str | None = None,
    parent: pulumi.Resource,
) -> authorization.RoleAssignment:
    """Give a principal the role called ``role`` on ``scope``. ``principal_type`` spares Azure the look-up of a principal that
    was made a moment ago, and that not all of its directory knows yet."""
    return authorization.RoleAssignment(
        name,
        # An assignment's name is a GUID: derived from what it says, it is the same when the stack is applied again.
        role_assignment_name=pulumi.Output.all(scope, principal_id).apply(
            lambda parts: str(uuid.uuid5(uuid.NAMESPACE_URL, f"{parts[0]}/{parts[1]}/{ROLES[role]}".lower()))
        ),
        scope=scope,
        principal_id=principal_id,
        principal_type=principal_type,
        role_definition_id=pulumi.Output.from_input(scope).apply(
            lambda id: f"/subscriptions/{id.split('/')[2]}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}"
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )

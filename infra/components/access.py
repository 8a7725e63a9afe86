"""The roles that a principal has on the stack's resources, as ``infra.grants`` says."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization

from infra import grants


@dataclass(frozen=True)
class AccessArgs:
    """``who`` are keys of ``grants.WHO``; ``scopes`` has the ids of what there is of ``grants.SCOPES``, in ``subscription`` where
    they are not known before they are made. ``principal_type`` spares Azure the look-up of a principal that was made a moment
    ago, and that not all of its directory knows yet."""

    who: tuple[str, ...]
    principal_id: pulumi.Input[str]
    scopes: Mapping[str, pulumi.Input[str]]
    facts: frozenset[str]
    subscription: str
    principal_type: str | None = None


class Access(pulumi.ComponentResource):
    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Access", name, None, opts)
        for grant in grants.of(args.who, args.facts):
            if grant.on in args.scopes:
                self._assign(f"{name}-{grant.on}-{grant.role.lower().replace(' ', '-')}", args, grant)
        self.register_outputs({})

    def _assign(self, name: str, args: AccessArgs, grant: grants.Grant) -> None:
        scope, role = args.scopes[grant.on], grants.ROLES[grant.role]
        subscription = scope.split("/")[2] if isinstance(scope, str) else args.subscription
        authorization.RoleAssignment(
            name,
            # An assignment's name is a GUID: derived from what it says, it is the same when the stack is applied again.
            role_assignment_name=pulumi.Output.all(scope, args.principal_id).apply(
                lambda parts: str(uuid.uuid5(uuid.NAMESPACE_URL, f"{parts[0]}/{parts[1]}/{role}".lower()))
            ),
            scope=scope,
            principal_id=args.principal_id,
            principal_type=args.principal_type,
            # Known before anything is made, so that a preview can be judged (policies/access.py).
            role_definition_id=f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}",
            opts=pulumi.ResourceOptions(parent=self),
        )

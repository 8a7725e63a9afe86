"""An identity of a part of the stack, with its roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity

from infra.components.access import Access, AccessArgs
from infra.place import Place


@dataclass(frozen=True)
class IdentityArgs:
    """``who`` it is in ``infra.grants``, and the stack's ``scopes``, ``facts`` and ``subscription``, which its roles depend on."""

    place: Place
    identity_name: str
    who: str
    scopes: Mapping[str, pulumi.Input[str]]
    facts: frozenset[str]
    subscription: str


class Identity(pulumi.ComponentResource):
    """What is made with the identity depends on this component: it can then use the roles at once."""

    id: pulumi.Output[str]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Identity", name, None, opts)
        identity = managedidentity.UserAssignedIdentity(
            name,
            resource_name_=args.identity_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        Access(
            f"{name}-access",
            AccessArgs(
                who=(args.who,),
                principal_id=identity.principal_id,
                principal_type="ServicePrincipal",
                scopes=args.scopes,
                facts=args.facts,
                subscription=args.subscription,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.id = identity.id
        self.register_outputs({"id": self.id})

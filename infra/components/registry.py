"""The container registry that the images of environments are in."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerregistry

from infra.place import Door, Place


@dataclass(frozen=True)
class RegistryArgs:
    """``zones``: whether it outlives a zone of its region, where its tier can."""

    place: Place
    door: Door
    registry_name: str
    zones: bool


class Registry(pulumi.ComponentResource):
    id: pulumi.Output[str]

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Registry", name, None, opts)
        # Private endpoints and rules are what only the dearest tier has
        # (https://learn.microsoft.com/azure/container-registry/container-registry-skus).
        closed = args.door.otherwise == "Deny"
        sku = containerregistry.SkuName.PREMIUM if closed else containerregistry.SkuName.BASIC
        registry = containerregistry.Registry(
            name,
            registry_name=args.registry_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            sku=containerregistry.SkuArgs(name=sku),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=containerregistry.PublicNetworkAccess(args.door.public_access),
            network_rule_bypass_options=containerregistry.NetworkRuleBypassOptions.AZURE_SERVICES,
            network_rule_set=(
                containerregistry.NetworkRuleSetArgs(
                    default_action=containerregistry.DefaultAction.DENY,
                    ip_rules=[
                        containerregistry.IPRuleArgs(
                            i_p_address_or_range=address, action=containerregistry.Action.ALLOW
                        )
                        for address in args.door.allowed
                    ],
                )
                if closed
                else None
            ),
            zone_redundancy=containerregistry.ZoneRedundancy.ENABLED if closed and args.zones else None,
            opts=args.place.stateful(self),
        )
        self.id = registry.id
        self.register_outputs({"id": self.id})

"""The key vault that the workspace keeps its secrets in."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

from infra.place import Door, Place


@dataclass(frozen=True)
class VaultArgs:
    """``purge_protection`` cannot be taken back once a vault has it: its name is then held for 90 days after deletion.
    ``recover`` brings back the vault of this name that was deleted and still holds the name."""

    place: Place
    door: Door
    vault_name: str
    tenant_id: pulumi.Input[str]
    purge_protection: bool
    recover: bool


class Vault(pulumi.ComponentResource):
    id: pulumi.Output[str]

    def __init__(self, name: str, args: VaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Vault", name, None, opts)
        vault = keyvault.Vault(
            name,
            vault_name=args.vault_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            properties=keyvault.VaultPropertiesArgs(
                create_mode=keyvault.CreateMode.RECOVER if args.recover else None,
                tenant_id=args.tenant_id,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                # For 90 days, which is Azure's own; it could never be changed, not even when purge protection comes on later.
                enable_soft_delete=True,
                # Azure refuses `false` here: the property is sent when it is on, and not at all otherwise.
                enable_purge_protection=True if args.purge_protection else None,
                public_network_access=args.door.public_access,
                network_acls=keyvault.NetworkRuleSetArgs(
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=keyvault.NetworkRuleAction(args.door.otherwise),
                    ip_rules=[keyvault.IPRuleArgs(value=address) for address in args.door.allowed],
                ),
            ),
            opts=args.place.stateful(self),
        )
        self.id = vault.id
        self.register_outputs({"id": self.id})

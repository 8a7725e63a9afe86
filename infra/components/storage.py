"""The storage account, how its blobs are kept, and the container for the data."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

from infra.place import Door, Place, part_of


@dataclass(frozen=True)
class StorageArgs:
    """``keyless`` forbids the account's keys; ``redundancy`` is where copies are, in Azure's letters; ``retention_days`` is how
    long a deleted blob or container can be had back. ``existing`` is the id of an account that is somebody else's: only the
    container is made, there."""

    place: Place
    door: Door
    account_name: str
    container_name: str
    keyless: bool
    redundancy: str
    retention_days: int
    existing: str | None = None


class Storage(pulumi.ComponentResource):
    """``blobs_id`` is the account's blob service, which its logs come from."""

    id: pulumi.Output[str]
    blobs_id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    group_name: pulumi.Input[str]
    container_name: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Storage", name, None, opts)
        self.group_name = args.place.resource_group_name
        if args.existing is None:
            self._make(name, args)
        else:
            self.group_name = part_of(args.existing, "resourceGroups")
            self.account_name = pulumi.Output.from_input(part_of(args.existing, "storageAccounts"))
            self.id = pulumi.Output.from_input(args.existing)
        self.blobs_id = pulumi.Output.concat(self.id, "/blobServices/default")
        container = storage.BlobContainer(
            args.container_name,
            container_name=args.container_name,
            account_name=self.account_name,
            resource_group_name=self.group_name,
            public_access=storage.PublicAccess.NONE,
            opts=args.place.stateful(self),
        )
        self.container_name = container.name
        self.register_outputs({"id": self.id, "accountName": self.account_name, "containerName": self.container_name})

    def _make(self, name: str, args: StorageArgs) -> None:
        account = storage.StorageAccount(
            name,
            account_name=args.account_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=storage.SkuName(f"Standard_{args.redundancy}")),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=not args.keyless,
            default_to_o_auth_authentication=args.keyless,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            public_network_access=storage.PublicNetworkAccess(args.door.public_access),
            network_rule_set=storage.NetworkRuleSetArgs(
                bypass=storage.Bypass.AZURE_SERVICES,
                default_action=storage.DefaultAction(args.door.otherwise),
                ip_rules=[
                    storage.IPRuleArgs(i_p_address_or_range=address, action=storage.Action.ALLOW)
                    for address in args.door.allowed
                ],
            ),
            opts=args.place.stateful(self),
        )
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=args.retention_days)
        storage.BlobServiceProperties(
            f"{name}-blobs",
            blob_services_name="default",
            account_name=account.name,
            resource_group_name=args.place.resource_group_name,
            is_versioning_enabled=True,
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = account.id
        self.account_name = account.name

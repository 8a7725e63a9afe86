"""The storage account, its container, and who may read and write the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

from infra.components import roles
from infra.place import Place


@dataclass(frozen=True)
class StorageArgs:
    """``keyless`` forbids the account's keys; ``contributors`` are the object ids of who may read and write blobs."""

    place: Place
    account_name: str
    container_name: str
    keyless: bool
    contributors: Sequence[str]


class Storage(pulumi.ComponentResource):
    id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    container_name: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Storage", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        account = storage.StorageAccount(
            name,
            account_name=args.account_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            kind=storage.Kind.STORAGE_V2,
            sku=storage.SkuArgs(name=storage.SkuName.STANDARD_LRS),
            access_tier=storage.AccessTier.HOT,
            allow_shared_key_access=not args.keyless,
            default_to_o_auth_authentication=args.keyless,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            opts=own,
        )
        container = storage.BlobContainer(
            args.container_name,
            container_name=args.container_name,
            account_name=account.name,
            resource_group_name=args.place.resource_group_name,
            public_access=storage.PublicAccess.NONE,
            opts=own,
        )
        self.id = account.id
        self.account_name = account.name
        self.container_name = container.name
        for principal in args.contributors:
            roles.assign(
                f"data-{principal}",
                "Storage Blob Data Contributor",
                scope=account.id,
                principal_id=principal,
                parent=self,
            )
        self.register_outputs({"id": self.id, "accountName": self.account_name, "containerName": self.container_name})

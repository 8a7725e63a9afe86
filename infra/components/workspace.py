"""The Azure ML workspace, and the datastore that names the container in its storage account."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import storage

from infra.place import Place


@dataclass(frozen=True)
class WorkspaceArgs:
    """``keyless``: the workspace and its datastores reach storage with identities; otherwise with the account's key."""

    place: Place
    workspace_name: str
    storage_id: pulumi.Input[str]
    vault_id: pulumi.Input[str]
    application_insights_id: pulumi.Input[str]
    datastore_name: str
    account_name: pulumi.Input[str]
    container_name: pulumi.Input[str]
    keyless: bool


class Workspace(pulumi.ComponentResource):
    id: pulumi.Output[str]
    workspace_name: pulumi.Output[str]
    datastore_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Workspace", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        workspace = ml.Workspace(
            name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            identity=ml.ManagedServiceIdentityArgs(type=ml.ManagedServiceIdentityType.SYSTEM_ASSIGNED),
            friendly_name=args.workspace_name,
            storage_account=args.storage_id,
            key_vault=args.vault_id,
            application_insights=args.application_insights_id,
            system_datastores_auth_mode=(
                ml.SystemDatastoresAuthMode.IDENTITY if args.keyless else ml.SystemDatastoresAuthMode.ACCESS_KEY
            ),
            public_network_access=ml.PublicNetworkAccessType.ENABLED,
            opts=own,
        )
        datastore = ml.Datastore(
            args.datastore_name,
            name=args.datastore_name,
            workspace_name=workspace.name,
            resource_group_name=args.place.resource_group_name,
            properties=ml.AzureBlobDatastoreArgs(
                datastore_type="AzureBlob",
                account_name=args.account_name,
                container_name=args.container_name,
                endpoint="core.windows.net",
                protocol="https",
                credentials=_no_credentials() if args.keyless else _account_key(args),
                service_data_access_auth_identity=(
                    ml.ServiceDataAccessAuthIdentity.WORKSPACE_SYSTEM_ASSIGNED_IDENTITY
                    if args.keyless
                    else ml.ServiceDataAccessAuthIdentity.NONE
                ),
            ),
            opts=own,
        )
        self.id = workspace.id
        self.workspace_name = workspace.name
        self.datastore_name = datastore.name
        self.register_outputs(
            {"id": self.id, "workspaceName": self.workspace_name, "datastoreName": self.datastore_name}
        )


def _no_credentials() -> ml.NoneDatastoreCredentialsArgs:
    return ml.NoneDatastoreCredentialsArgs(credentials_type="None")


def _account_key(args: WorkspaceArgs) -> ml.AccountKeyDatastoreCredentialsArgs:
    keys = storage.list_storage_account_keys_output(
        account_name=args.account_name, resource_group_name=args.place.resource_group_name
    )
    return ml.AccountKeyDatastoreCredentialsArgs(
        credentials_type="AccountKey",
        secrets=ml.AccountKeyDatastoreSecretsArgs(
            secrets_type="AccountKey", key=pulumi.Output.secret(keys.apply(lambda found: found.keys[0].value))
        ),
    )

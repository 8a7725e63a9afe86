"""The datastore: the workspace's name for the container that the data is in."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import storage

from infra.place import Place, child


@dataclass(frozen=True)
class DatastoreArgs:
    """``keyless``: whoever uses it reaches the container as themselves; otherwise with the account's key, which it then holds.
    ``account_group`` is the resource group that the account is in."""

    place: Place
    workspace_name: pulumi.Input[str]
    datastore_name: str
    account_name: pulumi.Input[str]
    account_group: pulumi.Input[str]
    container_name: pulumi.Input[str]
    keyless: bool


class Datastore(pulumi.ComponentResource):
    datastore_name: pulumi.Output[str]

    def __init__(self, name: str, args: DatastoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Datastore", name, None, opts)
        identity = ml.ServiceDataAccessAuthIdentity
        datastore = ml.Datastore(
            args.datastore_name,
            name=args.datastore_name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            properties=ml.AzureBlobDatastoreArgs(
                datastore_type="AzureBlob",
                account_name=args.account_name,
                container_name=args.container_name,
                endpoint="core.windows.net",
                protocol="https",
                credentials=_no_credentials() if args.keyless else _account_key(args),
                service_data_access_auth_identity=(
                    identity.WORKSPACE_USER_ASSIGNED_IDENTITY if args.keyless else identity.NONE
                ),
            ),
            opts=child(self, opts),
        )
        self.datastore_name = datastore.name
        self.register_outputs({"datastoreName": self.datastore_name})


def _no_credentials() -> ml.NoneDatastoreCredentialsArgs:
    return ml.NoneDatastoreCredentialsArgs(credentials_type="None")


def _account_key(args: DatastoreArgs) -> ml.AccountKeyDatastoreCredentialsArgs:
    keys = storage.list_storage_account_keys_output(
        account_name=args.account_name, resource_group_name=args.account_group
    )
    return ml.AccountKeyDatastoreCredentialsArgs(
        credentials_type="AccountKey",
        secrets=ml.AccountKeyDatastoreSecretsArgs(
            secrets_type="AccountKey", key=pulumi.Output.secret(keys.apply(lambda found: found.keys[0].value))
        ),
    )

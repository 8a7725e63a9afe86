"""Where the data lies: storage accounts, their containers, and the datastores that name them."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Fault, Resource, Stack, must_be, rule

ACCOUNT, CONTAINER = "storage:StorageAccount", "storage:BlobContainer"
BLOB_SERVICE = "storage:BlobServiceProperties"
WORKSPACE, DATASTORE = "machinelearningservices:Workspace", "machinelearningservices:Datastore"
KEYS = "A key is whoever has it, cannot be told apart from another's use of it, and does not expire."


def _asked_for(stack: Stack) -> bool:
    """A stack may ask for account keys; one for production may not."""
    return stack.account_keys and not stack.production


@rule(
    "storage-no-shared-key",
    ACCOUNT,
    reason=KEYS,
    link="https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent",
)
def no_shared_key(account: Resource, stack: Stack) -> Iterator[Fault]:
    allowed = account.at("allowSharedKeyAccess")
    if allowed is not False and not _asked_for(stack):
        yield Fault("allowSharedKeyAccess", allowed, "set it to false, and give its users a data role")


tls = rule(
    "storage-tls",
    ACCOUNT,
    reason="Older versions of TLS can be read and changed on the way.",
    link="https://learn.microsoft.com/azure/storage/common/transport-layer-security-configure-minimum-version",
)(must_be("minimumTlsVersion", "TLS1_2", "TLS1_3", fix="set it to TLS1_2"))

https = rule(
    "storage-https",
    ACCOUNT,
    reason="Without TLS a token can be read on the way.",
    link="https://learn.microsoft.com/azure/storage/common/storage-require-secure-transfer",
)(must_be("enableHttpsTrafficOnly", True, absent=True, fix="set it to true"))


@rule(
    "storage-no-public-blobs",
    ACCOUNT,
    CONTAINER,
    reason="Anybody on the Internet reads a public container, and nobody sees who did.",
    link="https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-prevent",
)
def no_public_blobs(resource: Resource, stack: Stack) -> Iterator[Fault]:
    if resource.kind == ACCOUNT and resource.at("allowBlobPublicAccess") is not False:
        yield Fault("allowBlobPublicAccess", resource.at("allowBlobPublicAccess"), "set it to false")
    if resource.kind == CONTAINER and resource.at("publicAccess") not in (None, "None"):
        yield Fault("publicAccess", resource.at("publicAccess"), "set it to None")


@rule(
    "storage-recoverable",
    ACCOUNT,
    reason="Blobs that were overwritten or deleted by mistake come back for as long as soft delete keeps them.",
    link="https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview",
    whole=True,
    production=True,
)
def recoverable(account: Resource, stack: Stack) -> Iterator[Fault]:
    services = [
        one for one in stack.resources if one.kind == BLOB_SERVICE and account.name in one.uses.get("accountName", ())
    ]
    if not any(service.at("deleteRetentionPolicy.enabled") for service in services):
        yield Fault(
            "deleteRetentionPolicy.enabled",
            None,
            "add BlobServiceProperties with a delete retention policy to the account",
        )


@rule(
    "workspace-identity-datastores",
    WORKSPACE,
    reason=KEYS,
    link="https://learn.microsoft.com/azure/machine-learning/how-to-disable-local-auth-storage",
)
def identity_of_system_datastores(workspace: Resource, stack: Stack) -> Iterator[Fault]:
    mode = workspace.at("systemDatastoresAuthMode")
    if str(mode).lower() != "identity" and not _asked_for(stack):
        yield Fault("systemDatastoresAuthMode", mode, "set it to identity")


@rule(
    "datastore-identity",
    DATASTORE,
    reason=KEYS,
    link="https://learn.microsoft.com/azure/machine-learning/how-to-datastore",
)
def identity_of_datastores(datastore: Resource, stack: Stack) -> Iterator[Fault]:
    path = "properties.credentials.credentialsType"
    kind = datastore.at(path)
    if kind != "None" and not _asked_for(stack):
        yield Fault(path, kind, "set it to None, and give the identities that use it a data role")


RULES = (
    no_shared_key,
    tls,
    https,
    no_public_blobs,
    recoverable,
    identity_of_system_datastores,
    identity_of_datastores,
)

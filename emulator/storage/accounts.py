"""Storage accounts and their blob containers: https://learn.microsoft.com/rest/api/storagerp.

The account and the container are resources here and real ones in ``cloud.blobs``. A container may be made on either side: what
is listed is what the data plane has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import AzureError, NotEmulated, bad_request, not_found
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, names
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.routes import Route
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

ACCOUNT = "Microsoft.Storage/storageAccounts"
SERVICE = f"{ACCOUNT}/blobServices"
CONTAINER = f"{SERVICE}/containers"
SKUS = (
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
)
KINDS_OF_ACCOUNT = ("StorageV2", "Storage", "BlobStorage", "BlockBlobStorage", "FileStorage")
ACCOUNT_NAME = NameRule(
    r"[a-z0-9]{3,24}",
    "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use "
    "numbers and lower-case letters only.",
    "AccountNameInvalid",
)
CONTAINER_NAME = NameRule(
    r"\$root|\$web|\$logs|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "The specified resource name '{name}' contains invalid characters, or is not of a valid length. It must have 3 to 63 "
    "lower-case letters, digits or single dashes, and begin and end with a letter or digit.",
    "ContainerNameInvalid",
)
DEFAULT = NameRule("default", "The only blob service of an account is 'default', not '{name}'.", "InvalidResourceName")
TLS = ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3")
# Properties of an account that cannot be changed any more once it is there.
FIXED = ("isHnsEnabled", "isNfsV3Enabled")


async def _check_account(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    code = "InvalidValuesForRequestParameters"
    bodies.need(body, "sku.name", str, code=code)
    sku = bodies.choice(body, "sku.name", SKUS, code=code) or ""
    bodies.need(body, "kind", str, code=code)
    kind = bodies.choice(body, "kind", KINDS_OF_ACCOUNT, code=code)
    properties = body.get("properties") or {}
    for name in (
        "allowSharedKeyAccess",
        "allowBlobPublicAccess",
        "supportsHttpsTrafficOnly",
        "defaultToOAuthAuthentication",
        *FIXED,
    ):
        bodies.get(body, f"properties.{name}", bool)
    for path in ("networkAcls", "encryption", "encryption.services"):
        bodies.get(body, f"properties.{path}", dict)
    for service in bodies.get(body, "properties.encryption.services", dict) or {}:
        bodies.get(body, f"properties.encryption.services.{service}", dict)
    if old is None:
        _check_name_free(call, id)
    else:
        for name in FIXED:
            if name in properties and bool(properties[name]) != bool(old.body["properties"].get(name)):
                raise AzureError(
                    409,
                    "AccountPropertyCannotBeUpdated",
                    f"The property '{name}' was specified in the input, but it cannot be updated.",
                )
        if kind != old.body["kind"] and (old.body["kind"], kind) not in (
            ("Storage", "StorageV2"),
            ("BlobStorage", "StorageV2"),
        ):
            raise AzureError(
                409,
                "AccountPropertyCannotBeUpdated",
                "The property 'kind' was specified in the input, but it cannot be updated.",
            )
    before = old.body["properties"] if old else {}
    # The account before the row that names it: a crash between the two leaves nothing that a client was told of.
    await call.cloud.blobs.ensure_account(id.name)
    return {
        **body,
        "sku": {"name": sku, "tier": sku.partition("_")[0]},
        "kind": kind,
        "properties": {
            **before,
            **properties,
            "accessTier": bodies.choice(
                body,
                "properties.accessTier",
                ("Hot", "Cool", "Cold", "Premium"),
                default=before.get("accessTier", "Hot"),
            ),
            "minimumTlsVersion": bodies.choice(
                body, "properties.minimumTlsVersion", TLS, default=before.get("minimumTlsVersion", "TLS1_0")
            ),
            "publicNetworkAccess": bodies.choice(
                body,
                "properties.publicNetworkAccess",
                ("Enabled", "Disabled", "SecuredByPerimeter"),
                default=before.get("publicNetworkAccess", "Enabled"),
            ),
            "supportsHttpsTrafficOnly": properties.get(
                "supportsHttpsTrafficOnly", before.get("supportsHttpsTrafficOnly", True)
            ),
            "allowBlobPublicAccess": properties.get(
                "allowBlobPublicAccess", before.get("allowBlobPublicAccess", False)
            ),
        },
    }


def _check_name_free(call: Call, id: ResourceId) -> None:
    taken = names.holder(call, ACCOUNT, id.name)
    if taken is not None:
        raise AzureError(
            409,
            "StorageAccountInAnotherResourceGroup",
            f"The account {id.name} is already in another resource group in this subscription.",
        )


async def _account_deleting(call: Call, document: Document) -> None:
    await call.cloud.blobs.remove_account(document.name)


def _render_account(cloud: Cloud, document: Document) -> dict[str, Any]:
    name, properties = document.name, document.body["properties"]
    created = envelope.timestamp(document.created)
    encryption = properties.get("encryption") or {}
    services = {
        service: {"keyType": "Account", **(told or {}), "enabled": True, "lastEnabledTime": created}
        for service, told in {"file": {}, "blob": {}, **(encryption.get("services") or {})}.items()
    }
    return {
        "properties": {
            "creationTime": created,
            "keyCreationTime": {"key1": created, "key2": created},
            "primaryLocation": document.body["location"],
            "statusOfPrimary": "available",
            "primaryEndpoints": {
                **{
                    service: f"https://{name}.{service}.core.windows.net/"
                    for service in ("blob", "dfs", "file", "queue", "table")
                },
                "web": f"https://{name}.z6.web.core.windows.net/",
            },
            "encryption": {
                "keySource": "Microsoft.Storage",
                **encryption,
                "services": services,
            },
            "networkAcls": {
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
                **(properties.get("networkAcls") or {}),
            },
            "privateEndpointConnections": [],
        }
    }


# Keys


async def _list_keys(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    keys = call.cloud.blobs.keys(document.name)
    created = envelope.timestamp(document.created)
    return Reply(
        body={
            "keys": [
                {"creationTime": created, "keyName": name, "value": value, "permissions": "FULL"}
                for name, value in keys.items()
            ]
        }
    )


async def _regenerate_key(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    await call.cloud.blobs.rotate_key(document.name, bodies.need(call.json(), "keyName", str))
    return await _list_keys(call)


async def _no_sas(call: Call) -> Reply:
    raise NotEmulated(f"POST {ACCOUNT}/{call.path.rstrip('/').rpartition('/')[2]}: sign with a key from listKeys")


async def _name_available(call: Call) -> Reply:
    body = call.json()
    name = bodies.need(body, "name", str, code="InvalidValuesForRequestParameters")
    if not re.fullmatch(ACCOUNT_NAME.pattern, name):
        message = ACCOUNT_NAME.message.replace("{name}", name)
        return Reply(body={"nameAvailable": False, "reason": "AccountNameInvalid", "message": message})
    if names.holder(call, ACCOUNT, name) is not None:
        message = f"The storage account named {name} is already taken."
        return Reply(body={"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Reply(body={"nameAvailable": True})


# Containers


async def _check_container(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    access = bodies.choice(body, "properties.publicAccess", ("None", "Blob", "Container"), default="None")
    account = call.cloud.store.get(str(id.ancestor(1)))
    if access != "None" and not (account and account.body["properties"].get("allowBlobPublicAccess")):
        raise AzureError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    if access != "None":
        raise NotEmulated("public access to a container")
    metadata = bodies.get(body, "properties.metadata", dict) or {}
    if not all(isinstance(value, str) for value in metadata.values()):
        raise bad_request(
            "InvalidMetadata", "The metadata of a container must be strings.", target="properties.metadata"
        )
    await call.cloud.blobs.ensure_container(id.names[0], id.name)
    return {"properties": {**(body.get("properties") or {}), "publicAccess": access, "metadata": metadata}}


async def _container_deleting(call: Call, document: Document) -> None:
    account = ResourceId.parse(document.id).names[0]
    await call.cloud.blobs.remove_container(account, document.name)


def _render_container(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {
        "properties": {
            "deleted": False,
            "remainingRetentionDays": 0,
            "lastModifiedTime": envelope.timestamp(document.changed),
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "hasImmutabilityPolicy": False,
            "hasLegalHold": False,
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": False,
        }
    }


async def _get_container(call: Call) -> Reply:
    id = ResourceId.parse(call.params["id"])
    documents = {one.name: one for one in await _containers(call, id.names[0], str(id.parent))}
    if id.name not in documents:
        arm.get(call, str(id.ancestor(1)))
        raise not_found(str(id))
    document = documents[id.name]
    if call.method == "HEAD":
        return Reply(204)
    return Reply(body=envelope.render(call.cloud, document), headers={"ETag": f'"{document.etag}"'})


async def _list_containers(call: Call) -> Reply:
    parent = ResourceId.parse(call.params["parent"])
    documents = await _containers(call, parent.names[0], str(parent))
    prefix = call.option("$filter")
    if prefix:
        found = re.fullmatch(r"\s*startswith\(\s*name\s*,\s*'?([^']*?)'?\s*\)\s*", prefix, re.IGNORECASE)
        documents = [one for one in documents if one.name.startswith(found[1] if found else prefix)]
    size = envelope.number(call, "$maxpagesize")
    return envelope.page(call, documents, size=size or 5000)


async def _containers(call: Call, account: str, parent: str) -> list[Document]:
    """The account's containers by name, with a document for each that was made on the data plane."""
    store = call.cloud.store
    kept = {document.name: document for document in store.children(parent, CONTAINER)}
    real = sorted(await call.cloud.blobs.containers(account))
    missing, gone = [name for name in real if name not in kept], [name for name in kept if name not in real]

    def change(tx: Transaction) -> None:
        for name in missing:
            if tx.get(parent) is not None:
                tx.put(
                    f"{parent}/containers/{name}",
                    CONTAINER,
                    {"properties": {"publicAccess": "None", "metadata": {}}},
                    parent=parent,
                )
        for name in gone:
            tx.delete(f"{parent}/containers/{name}")

    if missing or gone:
        await store.write(change)
        kept = {document.name: document for document in store.children(parent, CONTAINER)}
    return [kept[name] for name in real if name in kept]


KINDS = (
    Kind(
        ACCOUNT,
        ACCOUNT_NAME,
        tracked=True,
        check=_check_account,
        companions=(("blobServices/default", SERVICE),),
        deleting=_account_deleting,
        render=_render_account,
        actions={
            "listKeys": _list_keys,
            "regenerateKey": _regenerate_key,
            "ListAccountSas": _no_sas,
            "ListServiceSas": _no_sas,
        },
        creates=200,
    ),
    Kind(SERVICE, DEFAULT, verbs=frozenset({"GET", "HEAD", "PUT", "LIST"}), creates=200, state=False),
    Kind(
        CONTAINER,
        CONTAINER_NAME,
        check=_check_container,
        deleting=_container_deleting,
        render=_render_container,
        get=_get_container,
        list=_list_containers,
        state=False,
    ),
)
ROUTES = (
    Route(
        "management.azure.com",
        "POST",
        "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability",
        _name_available,
        ARM,
    ),
)

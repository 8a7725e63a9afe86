"""Workspaces: the resources that one is bound to, the addresses it has, and the datastores that it comes with.

https://learn.microsoft.com/rest/api/azureml/workspaces/create-or-update
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, bad_request, conflict, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import checks, datastores, names
from emulator.management import arm, deleted, envelope, identities
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{names.PROVIDER}/workspaces"
# What a soft deletion keeps, and for how many days: https://learn.microsoft.com/azure/machine-learning/concept-soft-delete
RETENTION = 14
ENDED = ("computes", "batchendpoints", "privateendpointconnections", "providers")  # what it does not keep
ARTIFACTS, FILES, WORK = "azureml", "azureml-filestore-{guid}", "code-391ff5ac-6576-460f-ba4d-7e03433c68b6"
# What a workspace is bound to, the type of each, and whether it can do without.
BOUND = {
    "storageAccount": ("Microsoft.Storage/storageAccounts", True),
    "keyVault": ("Microsoft.KeyVault/vaults", True),
    "applicationInsights": ("Microsoft.Insights/components", False),
    "containerRegistry": ("Microsoft.ContainerRegistry/registries", False),
}
FIXED = ("storageAccount", "keyVault", "hbiWorkspace")
ISOLATIONS = ("Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound")
NETWORK_RECORDED: tuple[str, ...] = ("enableNetworkMonitor", "firewallSku", "managedNetworkKind")
AUTH_MODES = ("accessKey", "identity", "userDelegationSAS")
RECORDED_TEXT = ("description", "friendlyName", "imageBuildCompute", "primaryUserAssignedIdentity")
RECORDED_TRUTH = (
    "allowPublicAccessWhenBehindVnet",
    "allowRoleAssignmentOnRG",
    "allowRecoverSoftDeletedWorkspace",
    "enableDataIsolation",
    "softDeleteEnabled",
)
RECORDED_OBJECT = ("networkAcls", "serverlessComputeSettings")
# What Azure works out itself, and so may come back in a PUT of what GET answered.
COMPUTED = (
    "agentsEndpointUri associatedWorkspaces cosmosDbSettings discoveryUrl existingWorkspaces keyVaultIdentifier mlFlowTrackingUri "
    "notebookInfo privateEndpointConnections privateLinkCount provisioningState serviceManagedResourcesSettings "
    "serviceProvisionedResourceGroup sharedPrivateLinkResources softDeletedAt scheduledPurgeDate storageHnsEnabled tenantId "
    "workspaceHubConfig workspaceId ipAllowlist"
).split()
SPECIAL = (
    "enableServiceSideCMKEncryption encryption featureStoreSettings hbiWorkspace hubResourceId managedNetwork provisionNetworkNow "
    "publicNetworkAccess systemDatastoresAuthMode v1LegacyMode"
).split()
KNOWN = {
    name.lower(): name for name in (*BOUND, *RECORDED_TEXT, *RECORDED_TRUTH, *RECORDED_OBJECT, *COMPUTED, *SPECIAL)
}


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    kind = checks.text(body, "kind") or "Default"
    if kind.lower() != "default":
        raise NotEmulated(f"workspaces of kind '{kind}'")
    if old is None and _gone(call, id) is not None:
        raise bad_request(
            "BadRequest", "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"
        )
    sent = _known(checks.properties_of(body))
    before = old.body["properties"] if old is not None else {}
    _refuse(sent)
    properties: dict[str, Any] = {
        **{name: _bound(call, name, sent) for name in BOUND},
        **{name: checks.text(sent, name) for name in RECORDED_TEXT},
        **{name: checks.truth(sent, name) for name in RECORDED_TRUTH if name in sent},
        **{name: checks.mapping(sent, name) for name in RECORDED_OBJECT if sent.get(name)},
        "hbiWorkspace": checks.truth(sent, "hbiWorkspace", False),
        "publicNetworkAccess": checks.one_of(sent, "publicNetworkAccess", ("Enabled", "Disabled"), "Enabled"),
        "systemDatastoresAuthMode": checks.one_of(sent, "systemDatastoresAuthMode", AUTH_MODES, AUTH_MODES[0]),
        "managedNetwork": _managed_network(id, sent, before),
        "provisionNetworkNow": False,
        "v1LegacyMode": False,
        "workspaceId": before.get("workspaceId") or str(uuid.uuid4()),
    }
    for name in FIXED if old is not None else ():
        if str(properties[name]).lower() != str(before[name]).lower():
            raise conflict(
                "PropertyChangeNotAllowed",
                f"Changing property '{name}' of the workspace '{id.name}' from '{before[name]}' to '{properties[name]}' is not "
                "allowed.",
                target=name,
            )
    stored = {
        "location": body["location"],
        "tags": body["tags"],
        "kind": "Default",
        "sku": checks.mapping(body, "sku") or {"name": "Basic", "tier": "Basic"},
        "identity": body.get("identity") or identities.assign(call, {"type": "SystemAssigned"}, old),
        "properties": properties,
        "run": old.body["run"] if old else {"notebookKeys": [secrets.token_hex(32), secrets.token_hex(32)]},
    }
    await _stores(call, id, properties, old)
    return stored


def _known(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The properties by their proper spelling; a name that no API version has is refused, as Azure does."""
    unknown = [name for name, value in sent.items() if value is not None and name.lower() not in KNOWN]
    if unknown:
        raise invalid_content(
            f"Could not find member '{unknown[0]}' on object of type 'WorkspaceProperties'.", target=unknown[0]
        )
    return {KNOWN[name.lower()]: value for name, value in sent.items() if value is not None}


def _refuse(sent: Mapping[str, Any]) -> None:
    """What Azure can do and the emulator cannot; values that ask for nothing pass."""
    if (checks.mapping(sent, "managedNetwork") or {}).get("outboundRules"):
        raise NotEmulated("outbound rules of managed networks")
    if checks.truth(sent, "provisionNetworkNow", False):
        raise NotEmulated("provisioning of managed networks")
    encryption = checks.mapping(sent, "encryption") or {}
    if str(encryption.get("status") or "Disabled").lower() != "disabled":
        raise NotEmulated("encryption of workspaces with customer-managed keys")
    if checks.truth(sent, "enableServiceSideCMKEncryption", False):
        raise NotEmulated("service-side encryption with customer-managed keys")
    if _says_something(sent.get("featureStoreSettings")):
        raise NotEmulated("feature stores")
    if sent.get("hubResourceId") or sent.get("associatedWorkspaces"):
        raise NotEmulated("hubs and their projects")
    if checks.truth(sent, "v1LegacyMode", False):
        raise NotEmulated("workspaces in v1 legacy mode")


def _managed_network(id: ResourceId, sent: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """How isolated the nodes are: more with time, and never less
    (https://learn.microsoft.com/azure/machine-learning/how-to-managed-network#configure-a-managed-virtual-network-to-allow-internet-outbound).
    """
    old = (before.get("managedNetwork") or {}).get("isolationMode", ISOLATIONS[0])
    network = checks.mapping(sent, "managedNetwork") or {}
    mode = checks.one_of(network, "isolationMode", ISOLATIONS, old)
    assert mode is not None, "A default was given."
    if ISOLATIONS.index(mode) < ISOLATIONS.index(old):
        raise bad_request(
            "ValidationError",
            f"The isolation mode of the managed network of the workspace '{id.name}' cannot be changed from '{old}' to '{mode}'.",
            target="managedNetwork.isolationMode",
        )
    kept = {name: network[name] for name in NETWORK_RECORDED if name in network}
    isolated = {"status": {"status": "Inactive", "sparkReady": False}} if mode != ISOLATIONS[0] else {}
    return {"isolationMode": mode, **kept, **isolated}


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_says_something(item) for item in value.values())
    return value not in (None, "", [])


def _bound(call: Call, name: str, sent: Mapping[str, Any]) -> str | None:
    """The id of a resource that the workspace is bound to: it must exist, and be what it is taken for."""
    type, needed = BOUND[name]
    id = checks.text(sent, name)
    if id is None:
        if needed:
            raise bad_request("ValidationError", f"Missing dependent resources in workspace json: {name}.", target=name)
        return None
    if ResourceId.parse(id).type.lower() != type.lower():
        raise bad_request("ValidationError", f"'{id}' of '{name}' is not the id of a {type}.", target=name)
    document = call.cloud.store.get(id)
    if document is None:
        raise bad_request(
            "InvalidResourceReference",
            f"Resource {id} referenced by '{name}' of the workspace was not found. Please make sure that the referenced resource "
            "exists.",
            target=name,
        )
    if name == "storageAccount" and (document.body.get("properties") or {}).get("isHnsEnabled"):
        # https://learn.microsoft.com/azure/machine-learning/how-to-manage-workspace#prerequisites
        raise bad_request(
            "ValidationError",
            f"The storage account '{document.name}' has a hierarchical namespace, and so cannot be a workspace's "
            "default storage account.",
            target=name,
        )
    return document.id


async def _stores(call: Call, id: ResourceId, properties: Mapping[str, Any], old: Document | None) -> None:
    """The containers and the datastores of a workspace, before the workspace is told of: none is ever seen without them."""
    mode = properties["systemDatastoresAuthMode"]
    there = call.cloud.store.get(str(id)) is not None  # which one that is recovered is not yet
    if there and old is not None and old.body["properties"]["systemDatastoresAuthMode"] == mode:
        return
    account, guid = ResourceId.parse(properties["storageAccount"]).name, properties["workspaceId"]
    containers = {
        "workspaceblobstore": f"azureml-blobstore-{guid}",
        "workspaceartifactstore": ARTIFACTS,
        "workspacefilestore": FILES.format(guid=guid),
        "workspaceworkingdirectory": WORK,
    }
    for name in ("workspaceblobstore", "workspaceartifactstore"):
        await call.cloud.blobs.ensure_container(account, containers[name])

    def write(tx: Transaction) -> None:
        for name, container in containers.items():
            key = str(id.child("datastores", name))
            before = tx.get(key)
            body = datastores.system(name, account, container, mode)
            if before is not None and old is not None:
                body["properties"]["isDefault"] = before.body["properties"]["isDefault"]
            tx.put(key, datastores.TYPE, body, parent=str(id), by=arm.author(call))

    await call.cloud.store.write(write)


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    id = ResourceId.parse(document.id)
    location, guid = document.body["location"], document.body["properties"]["workspaceId"]
    return {
        "properties": {
            "discoveryUrl": f"https://{location}.api.azureml.ms/discovery",
            "mlFlowTrackingUri": f"azureml://{location}.api.azureml.ms/mlflow/v1.0{id}",
            "notebookInfo": {
                "fqdn": f"ml-{id.name.lower()}-{location}-{guid}.{location}.notebooks.azure.net",
                "isPrivateLinkEnabled": False,
                "resourceId": guid.replace("-", ""),
                "notebookPreparationError": None,
            },
            "privateEndpointConnections": [],
            "privateLinkCount": 0,
            "serviceProvisionedResourceGroup": "",
            "storageHnsEnabled": False,
            "tenantId": cloud.identity.tenant,
        }
    }


def _storage_key(cloud: Cloud, document: Document) -> str:
    return str(cloud.blobs.key(ResourceId.parse(document.body["properties"]["storageAccount"]).name))


async def list_keys(call: Call) -> Reply:
    """https://learn.microsoft.com/rest/api/azureml/workspaces/list-keys"""
    document = arm.get(call, call.params["id"])
    properties = document.body["properties"]
    insights = call.cloud.store.get(properties["applicationInsights"] or "")
    key = envelope.render(call.cloud, insights)["properties"]["InstrumentationKey"] if insights else None
    return Reply(
        body={
            "userStorageKey": _storage_key(call.cloud, document),
            "userStorageArmId": properties["storageAccount"],
            "userStorageResourceId": properties["storageAccount"],
            "appInsightsInstrumentationKey": key,
            "containerRegistryCredentials": None,
            "notebookAccessKeys": _notebook_keys(document),
        }
    )


def _notebook_keys(document: Document) -> dict[str, str]:
    first, second = document.body["run"]["notebookKeys"]
    return {
        "primaryAccessKey": base64.b64encode(first.encode()).decode(),
        "secondaryAccessKey": base64.b64encode(second.encode()).decode(),
    }


async def list_storage_account_keys(call: Call) -> Reply:
    return Reply(body={"userStorageKey": _storage_key(call.cloud, arm.get(call, call.params["id"]))})


async def list_notebook_keys(call: Call) -> Reply:
    return Reply(body=_notebook_keys(arm.get(call, call.params["id"])))


async def resync_keys(call: Call) -> Reply:
    """The workspace reads its account's keys whenever it needs them, so there is nothing left to do."""
    done = await call.cloud.operations.done(call, call.params["id"])
    return Reply(202, headers=done.headers)


async def diagnose(call: Call) -> Reply:
    """What is wrong with the resources that the workspace is bound to: those that are gone."""
    document = arm.get(call, call.params["id"])
    results = {"storageAccount": "storageAccountResults", "keyVault": "keyVaultResults"}
    results.update(
        {"applicationInsights": "applicationInsightsResults", "containerRegistry": "containerRegistryResults"}
    )
    value: dict[str, Any] = {
        name: []
        for name in (*results.values(), "userDefinedRouteResults", "networkSecurityRuleResults", "resourceLockResults")
    }
    value.update({"dnsResolutionResults": [], "otherResults": []})
    for name, result in results.items():
        id = document.body["properties"][name]
        if id and call.cloud.store.get(id) is None:
            value[result].append(
                {"code": "ResourceNotFound", "level": "Error", "message": f"The resource {id} does not exist."}
            )
    return Reply(body={"value": value})


async def deleting(call: Call, document: Document) -> None:
    """What lies below the workspace ends with it: its jobs are stopped by those who run them."""
    for child in reversed(call.cloud.store.below(document.id)):
        kind = call.cloud.kinds.get(child.type)
        if kind is not None and kind.deleting is not None:
            await kind.deleting(call, child)


def removed(call: Call, tx: Transaction, document: Document) -> None:
    """Unless it is purged, its history, assets, datastores and connections stay with it."""
    if not _purges(call):
        below = len(document.id) + 1
        content = (one for one in tx.below(document.id) if one.id[below:].lower().split("/")[0] not in ENDED)
        deleted.keep(tx, document, RETENTION, content)


async def put(call: Call) -> Reply:
    """``allowRecoverSoftDeletedWorkspace`` has one back that was deleted, changed by what else is sent. API version
    2022-01-01-preview documents it, and the template of azure-ai-ml sends it; what it does with a body that is not whole is ours.
    """
    id = ResourceId.parse(call.params["id"])
    gone = _gone(call, id)
    if gone is None or not checks.truth(checks.properties_of(call.json()), "allowRecoverSoftDeletedWorkspace", False):
        return await arm.put(call, KIND, id)
    # Refused, if it is, before anything is had back.
    arm.check_writable(call, id, gone.was)
    await arm.check(call, KIND, id, arm.merge(gone.body, call.json()), gone.was)
    await call.cloud.store.write(lambda tx: deleted.restore(tx, gone))
    return await arm.patch(call, KIND, id)


async def delete(call: Call) -> Reply:
    """``forceToPurge`` is for one that was deleted before, too: its name is free then."""
    id = ResourceId.parse(call.params["id"])
    reply = await arm.delete(call, KIND, id)
    if reply.status != 204 or not _purges(call) or _gone(call, id) is None:
        return reply
    await call.cloud.store.write(lambda tx: deleted.forget(tx, str(id)))
    return Reply(200)


def _purges(call: Call) -> bool:
    return (call.option("forceToPurge") or "").lower() == "true"


def _gone(call: Call, id: ResourceId) -> deleted.Deleted | None:
    found = deleted.of_type(call.cloud.store, TYPE)
    return next((one for one in found if one.id.lower() == str(id).lower()), None)


KIND = Kind(
    TYPE,
    name=names.WORKSPACE,
    tracked=True,
    long=True,
    check=check,
    render=render,
    deleting=deleting,
    removed=removed,
    put=put,
    delete=delete,
    actions={
        "listKeys": list_keys,
        "listStorageAccountKeys": list_storage_account_keys,
        "listNotebookKeys": list_notebook_keys,
        "resyncKeys": resync_keys,
        "diagnose": diagnose,
    },
)

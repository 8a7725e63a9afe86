"""Computes: clusters that grow and shrink (AmlCompute) and instances (ComputeInstance).

A compute here is a promise about size and number; what runs on it are processes of this machine, which the jobs room starts. Other
kinds of compute (attached or of other services) are refused by name.
https://learn.microsoft.com/rest/api/azureml/compute/create-or-update
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator import arm
from emulator.errors import AzureError, NotEmulated, bad_request, conflict, invalid_content, not_found
from emulator.http import Call, Reply
from emulator.ids import ResourceId
from emulator.kinds import Kind
from emulator.machinelearning import checks, names, vm_sizes
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{names.PROVIDER}/workspaces/computes"
CLUSTER, INSTANCE = "AmlCompute", "ComputeInstance"
NOT_EMULATED = (
    "AKS",
    "DataFactory",
    "DataLakeAnalytics",
    "Databricks",
    "HDInsight",
    "Kubernetes",
    "SynapseSpark",
    "VirtualMachine",
)
INSTANCE_NAME = re.compile(r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}")
MAX_NODES = 65000  # https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
BUSY = ("Preparing", "Running", "Finalizing", "CancelRequested")
FIXED = ("vmSize", "vmPriority", "subnet", "remoteLoginPortPublicAccess", "enableNodePublicIp")


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    properties = checks.properties_of(body)
    kind = checks.one_of(properties, "computeType", (CLUSTER, INSTANCE, *NOT_EMULATED))
    if kind is None:
        raise invalid_content("The property 'computeType' is required.", target="computeType")
    if kind in NOT_EMULATED:
        raise NotEmulated(f"{kind} computes")
    if old is not None and old.body["properties"]["computeType"] != kind:
        raise conflict(
            "ComputeTypeChangeNotAllowed", f"The compute '{id.name}' is a {old.body['properties']['computeType']}."
        )
    inner = dict(checks.mapping(properties, "properties") or {})
    before = old.body["properties"]["properties"] if old is not None else {}
    workspace = arm.get(call, id.ancestor(1))
    inner = _cluster(inner, before) if kind == CLUSTER else _instance(id, inner, before)
    stored = {
        "computeType": kind,
        "computeLocation": _location(body, properties, workspace),
        "description": checks.text(properties, "description"),
        "disableLocalAuth": checks.truth(properties, "disableLocalAuth", True),
        "isAttachedCompute": False,
        "properties": {**inner, **_fixed(id, inner, before)},
    }
    result: dict[str, Any] = {
        "location": _location(body, properties, workspace),
        "tags": body.get("tags") or {},
        "properties": stored,
    }
    return {**result, "identity": body["identity"]} if body.get("identity") else result


def _location(body: Mapping[str, Any], properties: Mapping[str, Any], workspace: Document) -> str:
    sent = checks.text(body, "location") or checks.text(properties, "computeLocation")
    return (sent or str(workspace.body["location"])).replace(" ", "").lower()


def _fixed(id: ResourceId, inner: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What a compute keeps for life: left out it stays, changed it is refused."""
    kept: dict[str, Any] = {}
    for name in FIXED:
        if name not in before:
            continue
        sent = inner.get(name)
        if sent is not None and sent != before[name]:
            raise conflict(
                "PropertyChangeNotAllowed",
                f"Changing property '{name}' of compute '{id.name}' from '{before[name]}' to '{sent}' is not allowed. "
                "Delete the compute and create it anew.",
                target=name,
            )
        kept[name] = before[name]
    return kept


def _size(inner: Mapping[str, Any], before: Mapping[str, Any], owner: str) -> str:
    """The size in Azure's spelling, upper case; its words for one that it has not list those that it has."""
    name = checks.text(inner, "vmSize") or before.get("vmSize")
    if name is None:
        raise invalid_content("The property 'vmSize' is required.", target="vmSize")
    size = vm_sizes.find(name)
    if size is None:
        near = vm_sizes.near(name)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        listed = ",".join(size.name.upper() for size in vm_sizes.table().values())
        # Azure's words, and the details in which it lists every size:
        # https://github.com/Azure/MachineLearningNotebooks/issues/1169
        raise AzureError(
            400,
            "InvalidPropertyValue",
            f"The specified value {name} for property {owner}.Properties.VMSize is not a supported VM size.{hint} "
            "See additional details for supported VM sizes.",
            target="vmSize",
            details=[{"code": "SupportedVMSizes", "message": listed}],
        )
    return size.name.upper()


def _cluster(inner: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    scale = dict(checks.mapping(inner, "scaleSettings") or before.get("scaleSettings") or {})
    least = checks.count(scale, "minNodeCount", 0)
    most = checks.count(scale, "maxNodeCount")
    if most is None:
        raise invalid_content("The property 'scaleSettings.maxNodeCount' is required.", target="maxNodeCount")
    assert least is not None, "A default was given."
    if not least <= most <= MAX_NODES:
        raise bad_request(
            "InvalidPropertyValue",
            f"The specified values {least} and {most} for properties Cluster.Properties.ScaleSettings.MinNodeCount and "
            f"MaxNodeCount are invalid: the least must not be above the most, and the most not above {MAX_NODES}.",
            target="scaleSettings",
        )
    account = checks.mapping(inner, "userAccountCredentials")
    account = before.get("userAccountCredentials") if account is None else account
    return {
        "vmSize": _size(inner, before, "Cluster"),
        "vmPriority": checks.one_of(
            inner, "vmPriority", ("Dedicated", "LowPriority"), before.get("vmPriority", "Dedicated")
        ),
        "osType": checks.one_of(inner, "osType", ("Linux", "Windows"), "Linux"),
        "scaleSettings": {
            "minNodeCount": least,
            "maxNodeCount": most,
            "nodeIdleTimeBeforeScaleDown": checks.duration(scale, "nodeIdleTimeBeforeScaleDown", "PT120S"),
        },
        "remoteLoginPortPublicAccess": checks.one_of(
            inner,
            "remoteLoginPortPublicAccess",
            ("Enabled", "Disabled", "NotSpecified"),
            before.get("remoteLoginPortPublicAccess", "NotSpecified"),
        ),
        "enableNodePublicIp": checks.truth(inner, "enableNodePublicIp", before.get("enableNodePublicIp", True)),
        "isolatedNetwork": checks.truth(inner, "isolatedNetwork", False),
        "subnet": checks.mapping(inner, "subnet"),
        "userAccountCredentials": (
            {"adminUserName": checks.required(account, "adminUserName")} if account is not None else None
        ),
        "allocationStateTransitionTime": before.get("allocationStateTransitionTime") or _now(),
    }


def _instance(id: ResourceId, inner: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    if not INSTANCE_NAME.fullmatch(id.name):
        raise bad_request(
            "InvalidComputeName",
            f"Compute instance name '{id.name}' is invalid. It must have 3 to 24 letters, digits and dashes, start with a letter, "
            "and not end with a dash and a number.",
        )
    kept = {
        name: inner[name]
        for name in (
            "applicationSharingPolicy",
            "computeInstanceAuthorizationType",
            "customServices",
            "personalComputeInstanceSettings",
            "schedules",
            "setupScripts",
            "subnet",
        )
        if inner.get(name) is not None
    }
    ssh = dict(checks.mapping(inner, "sshSettings") or {})
    return {
        "applicationSharingPolicy": "Shared",
        "computeInstanceAuthorizationType": "personal",
        **kept,
        "vmSize": _size(inner, before, "ComputeInstance"),
        "enableNodePublicIp": checks.truth(inner, "enableNodePublicIp", before.get("enableNodePublicIp", True)),
        "enableSSO": checks.truth(inner, "enableSSO", True),
        "idleTimeBeforeShutdown": checks.duration(inner, "idleTimeBeforeShutdown"),
        "sshSettings": {"sshPublicAccess": "Disabled", "adminUserName": "azureuser", "sshPort": 22, **ssh},
        "state": before.get("state", "Running"),
        "lastOperation": before.get("lastOperation") or _operation("Create"),
    }


def _now() -> str:
    return arm.timestamp(time.time())


def _operation(name: str) -> dict[str, Any]:
    return {
        "operationName": name,
        "operationTime": _now(),
        "operationStatus": "Succeeded",
        "operationTrigger": "User",
    }


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    """What Azure adds: when, and for a cluster how many nodes there are and what they do."""
    properties = document.body["properties"]
    inner = dict(properties["properties"])
    if properties["computeType"] == CLUSTER:
        inner.update(_nodes(cloud, document))
    else:
        inner.update(
            {
                "applications": [],
                "errors": [],
                "connectivityEndpoints": None,
                "createdBy": {"userObjectId": document.author},
            }
        )
    return {
        "properties": {
            "createdOn": arm.timestamp(document.created),
            "modifiedOn": arm.timestamp(document.changed),
            "provisioningErrors": None,
            "resourceId": None,
            "properties": inner,
        }
    }


def nodes(cloud: Cloud, document: Document) -> list[dict[str, Any]]:
    """The nodes of a cluster: those that jobs run on, and idle ones up to its least number."""
    running: list[str] = []
    for job in cloud.store.children(document.parent, f"{names.PROVIDER}/workspaces/jobs"):
        properties = job.body.get("properties", {})
        if properties.get("status") not in BUSY or not _on(properties.get("computeId"), document):
            continue
        running += [job.name] * int((properties.get("resources") or {}).get("instanceCount") or 1)
    least = document.body["properties"]["properties"]["scaleSettings"]["minNodeCount"]
    idle = max(0, least - len(running))
    letter = "p" if document.body["properties"]["properties"]["vmPriority"] == "LowPriority" else "d"
    return [
        {
            "nodeId": f"tvmps_{number:08x}_{letter}",
            "privateIpAddress": "127.0.0.1",
            "publicIpAddress": None,
            "port": 22,
            "nodeState": "running" if job else "idle",
            "runId": job or None,
        }
        for number, job in enumerate([*running, *[""] * idle])
    ]


def _on(compute: Any, document: Document) -> bool:
    return isinstance(compute, str) and compute.lower() in (document.id.lower(), document.name.lower())


def _nodes(cloud: Cloud, document: Document) -> dict[str, Any]:
    found = nodes(cloud, document)
    busy = sum(1 for node in found if node["runId"])
    return {
        "allocationState": "Steady",
        "currentNodeCount": len(found),
        "targetNodeCount": len(found),
        "nodeStateCounts": {
            "preparingNodeCount": 0,
            "runningNodeCount": busy,
            "idleNodeCount": len(found) - busy,
            "unusableNodeCount": 0,
            "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        },
        "errors": None,
    }


async def delete(call: Call) -> Reply:
    """Detach leaves what is attached; a compute that Azure ML made is deleted, so the action must say so."""
    id = ResourceId.parse(call.params["id"])
    action = call.option("underlyingResourceAction")
    if action is None or action.lower() not in ("delete", "detach"):
        raise bad_request(
            "InvalidQueryParameterValue",
            f"The query parameter 'underlyingResourceAction' must be Delete or Detach; it is '{action or ''}'.",
        )
    if action.lower() == "detach" and call.cloud.store.get(str(id)) is not None:
        raise bad_request(
            "DetachNotSupported", f"The compute '{id.name}' was made by Azure ML: it can be deleted, not detached."
        )
    return await arm.delete(call, replace(KIND, delete=None), id)


async def list_nodes(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    if document.body["properties"]["computeType"] != CLUSTER:
        raise _not_for(document, "listNodes")
    return Reply(body={"nodes": nodes(call.cloud, document), "nextLink": None})


def _not_for(document: Document, operation: str) -> AzureError:
    kind = document.body["properties"]["computeType"]
    return bad_request(
        "OperationNotSupportedOnCompute", f"'{operation}' is not an operation of the {kind} '{document.name}'."
    )


def _move(operation: str, state: str) -> Any:
    """A handler that brings an instance into ``state``, as a long operation that is already done."""

    async def handler(call: Call) -> Reply:
        document = arm.get(call, call.params["id"])
        if document.body["properties"]["computeType"] != INSTANCE:
            raise _not_for(document, operation.lower())
        change = {"state": state, "lastOperation": _operation(operation)}
        await _set(call, document, change)
        done = await call.cloud.operations.done(call, document.id)
        return Reply(202, headers=done.headers)

    return handler


async def _set(call: Call, document: Document, change: Mapping[str, Any]) -> None:
    def write(tx: Any) -> None:
        now = tx.get(document.id)
        if now is None:
            raise not_found(document.id)
        body = arm.merge(now.body, {"properties": {"properties": dict(change)}})
        tx.put(document.id, document.type, body, parent=document.parent, by=arm.author(call))

    await call.cloud.store.write(write)


async def enable_sso(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    if document.body["properties"]["computeType"] != INSTANCE:
        raise _not_for(document, "enableSso")
    await _set(call, document, {"enableSSO": checks.truth(call.json(), "enableSSO", True)})
    return Reply(200)


async def idle_shutdown(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    if document.body["properties"]["computeType"] != INSTANCE:
        raise _not_for(document, "updateIdleShutdownSetting")
    await _set(call, document, {"idleTimeBeforeShutdown": checks.duration(call.json(), "idleTimeBeforeShutdown")})
    return Reply(200)


KIND = Kind(
    TYPE,
    name=names.COMPUTE,
    long=True,
    check=check,
    render=render,
    delete=delete,
    actions={
        "start": _move("Start", "Running"),
        "stop": _move("Stop", "Stopped"),
        "restart": _move("Restart", "Running"),
        "listNodes": list_nodes,
        "enableSso": enable_sso,
        "updateIdleShutdownSetting": idle_shutdown,
    },
)

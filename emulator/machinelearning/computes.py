"""Computes: clusters that grow and shrink (AmlCompute) and instances (ComputeInstance).

A compute here is a promise about size and number; what runs on it are processes of this machine, which the jobs room starts. Other
kinds of compute (attached or of other services) are refused by name.
https://learn.microsoft.com/rest/api/azureml/compute/create-or-update
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, bad_request, conflict, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import checks, clusters, instances, names
from emulator.management import arm, envelope, namespaces
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
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
MEMBERS = {CLUSTER: clusters.MEMBERS, INSTANCE: instances.MEMBERS}
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
    for name, value in inner.items():
        if value is not None and name in ("virtualMachineImage", "propertyBag"):
            raise NotEmulated(f"the property '{name}' of {kind} computes")
        if value is not None and name not in MEMBERS[kind]:
            raise invalid_content(
                f"Could not find member '{name}' in the properties of a compute of type {kind}.", target=name
            )
    before = old.body["properties"]["properties"] if old is not None else {}
    workspace = arm.get(call, id.ancestor(1))
    inner = clusters.read(inner, before) if kind == CLUSTER else instances.read(id, inner, before)
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
    sent = (
        checks.text(body, "location") or checks.text(properties, "computeLocation") or str(workspace.body["location"])
    )
    location = namespaces.location(sent)
    if location is None:
        raise bad_request(
            "LocationNotAvailableForResourceType", f"The provided location '{sent}' is not available for computes."
        )
    return location


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


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    """What Azure adds: when, and for a cluster how many nodes there are and what they do."""
    properties = document.body["properties"]
    inner = dict(properties["properties"])
    if properties["computeType"] == CLUSTER:
        inner.update(clusters.state(cloud, document))
    else:
        inner.update(instances.state(document))
    return {
        "properties": {
            "createdOn": envelope.timestamp(document.created),
            "modifiedOn": envelope.timestamp(document.changed),
            "provisioningErrors": None,
            "resourceId": None,
            "properties": inner,
        }
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
    return await arm.delete(call, KIND, id)


async def list_nodes(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    if document.body["properties"]["computeType"] != CLUSTER:
        raise instances.not_for(document, "listNodes")
    return Reply(body={"nodes": clusters.nodes(call.cloud, document), "nextLink": None})


KIND = Kind(
    TYPE,
    name=names.COMPUTE,
    long=True,
    check=check,
    render=render,
    delete=delete,
    actions={
        "start": instances.move("Start", "Running"),
        "stop": instances.move("Stop", "Stopped"),
        "restart": instances.move("Restart", "Running"),
        "listNodes": list_nodes,
        "enableSso": instances.enable_sso,
        "updateIdleShutdownSetting": instances.idle_shutdown,
    },
)

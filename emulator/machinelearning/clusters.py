"""Clusters (AmlCompute): a size, a scale, and the nodes that there are now.

https://learn.microsoft.com/rest/api/azureml/compute/create-or-update#amlcompute
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator import arm
from emulator.errors import bad_request, invalid_content
from emulator.machinelearning import checks, names, vm_sizes
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MAX_NODES = 65000  # https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
BUSY = ("Preparing", "Running", "Finalizing", "CancelRequested")
# What a body may say: what is checked below, and what Azure adds itself.
MEMBERS = frozenset(
    "vmSize vmPriority osType scaleSettings remoteLoginPortPublicAccess enableNodePublicIp isolatedNetwork subnet "
    "userAccountCredentials allocationState allocationStateTransitionTime errors currentNodeCount targetNodeCount "
    "nodeStateCounts".split()
)


def read(inner: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a cluster's inner properties; ``before`` is what was stored already."""
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
        "vmSize": vm_sizes.read(inner, before, "Cluster"),
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
        "allocationStateTransitionTime": before.get("allocationStateTransitionTime") or arm.timestamp(time.time()),
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


def state(cloud: Cloud, document: Document) -> dict[str, Any]:
    """What Azure adds: how many nodes there are and what they do."""
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

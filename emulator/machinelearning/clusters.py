"""Clusters (AmlCompute): a size, a scale, and the nodes that there are now.

https://learn.microsoft.com/rest/api/azureml/compute/create-or-update#amlcompute
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator import durations
from emulator.errors import bad_request, invalid_content
from emulator.machinelearning import checks, vm_sizes
from emulator.management import envelope
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

MAX_NODES = 65000  # https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
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
        "remoteLoginPortPublicAccess": _remote_login(inner, before),
        "enableNodePublicIp": checks.truth(inner, "enableNodePublicIp", before.get("enableNodePublicIp", True)),
        "isolatedNetwork": checks.truth(inner, "isolatedNetwork", False),
        "subnet": checks.mapping(inner, "subnet"),
        "userAccountCredentials": (
            {"adminUserName": checks.required(account, "adminUserName")} if account is not None else None
        ),
        "allocationStateTransitionTime": before.get("allocationStateTransitionTime") or envelope.timestamp(time.time()),
    }


def _remote_login(inner: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """``NotSpecified`` is a question of when it is made: from then on the port is open or closed, closed in a network of one's own
    (https://learn.microsoft.com/rest/api/azureml/compute/create-or-update#remoteloginportpublicaccess)."""
    sent = checks.one_of(inner, "remoteLoginPortPublicAccess", ("Enabled", "Disabled", "NotSpecified"), "NotSpecified")
    assert sent is not None, "A default was given."
    if sent != "NotSpecified":
        return sent
    return str(before.get("remoteLoginPortPublicAccess") or ("Disabled" if inner.get("subnet") else "Enabled"))


def nodes(cloud: Cloud, document: Document) -> list[dict[str, Any]]:
    """The nodes that a cluster has: those that jobs run on, unused ones whose idle time is not over, and its least number."""
    inner = document.body["properties"]["properties"]
    scale = inner["scaleSettings"]
    idle = durations.seconds(scale["nodeIdleTimeBeforeScaleDown"])
    letter = "p" if inner["vmPriority"] == "LowPriority" else "d"
    return [
        {
            "nodeId": f"tvmps_{node.index:08x}_{letter}",
            "privateIpAddress": "127.0.0.1",
            "publicIpAddress": None,
            "port": 22,
            "nodeState": node.state,
            "runId": node.job or None,
        }
        for node in cloud.jobs.nodes(document.id, scale["minNodeCount"], scale["maxNodeCount"], idle)
    ]


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

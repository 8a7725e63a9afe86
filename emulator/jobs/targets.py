"""Where a job runs: a cluster, a compute instance, serverless, or the SDK's ``local``; each a pool of nodes.

https://learn.microsoft.com/azure/machine-learning/how-to-train-model, …/how-to-use-serverless-compute
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, user_error
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SERVERLESS_NODES = 8  # of a workspace at a time: a laptop's stand-in for the subscription's quota
LOCAL_NODES = 1
IS_LOCAL = "IsLocal"  # how azure-ai-ml says compute="local": a property of the job's resources


@dataclass(frozen=True)
class Target:
    """``key`` names the pool; ``compute`` is the id of a compute, empty for the two that are not resources."""

    key: str
    type: str
    name: str
    capacity: int
    compute: str = ""
    size: str = ""


def target(cloud: Cloud, workspace: ResourceId, job: Mapping[str, Any]) -> Target:
    """Raises ``UserError`` for a compute that is not there or too small, ``NotImplemented`` for a kind that runs nothing here."""
    resources = job.get("resources", {})
    reference = str(job.get("computeId") or "")
    name = reference.rstrip("/").rpartition("/")[2].removeprefix("azureml:")
    if IS_LOCAL in resources.get("properties", {}) or name.lower() == "local":
        return _fits(Target(f"{workspace}/local", "local", "local", LOCAL_NODES), resources)
    if not name or name.lower() == "serverless":
        size = resources.get("instanceType", "")
        return _fits(
            Target(f"{workspace}/serverless", "Serverless", "serverless", SERVERLESS_NODES, size=size), resources
        )
    id = workspace.child("computes", name)
    if reference.startswith("/") and ResourceId.parse(reference).ancestor(1).name.lower() != workspace.name.lower():
        raise user_error(
            f"The compute '{reference}' is not in the job's workspace '{workspace.name}'.", "properties.computeId"
        )
    found = cloud.store.get(str(id))
    if found is None:
        there = sorted(document.name for document in cloud.store.children(str(workspace), id.type))
        raise user_error(
            f"The compute '{name}' was not found in the workspace '{workspace.name}'. It has: {', '.join(there) or 'none'}.",
            "properties.computeId",
        )
    return _fits(of_compute(found.id, found.body), resources)


def of_compute(id: str, body: Mapping[str, Any]) -> Target:
    compute = body.get("properties", {})
    details = compute.get("properties") or {}
    type = compute.get("computeType", "")
    if type not in ("AmlCompute", "ComputeInstance"):
        raise NotEmulated(f"jobs on a compute of type {type or 'unknown'}")
    nodes = (details.get("scaleSettings") or {}).get("maxNodeCount", 1) if type == "AmlCompute" else 1
    return Target(id, type, id.rpartition("/")[2], int(nodes), id, details.get("vmSize", ""))


def open_nodes(id: str, body: Mapping[str, Any]) -> int:
    """How many nodes of a compute can run jobs now: none of an instance that is stopped, whose jobs wait."""
    found = of_compute(id, body)
    details = body["properties"].get("properties") or {}
    stopped = found.type == "ComputeInstance" and details.get("state", "Running") != "Running"
    return 0 if stopped else found.capacity


def _fits(target: Target, resources: Mapping[str, Any]) -> Target:
    wanted = resources.get("instanceCount", 1)
    if wanted > target.capacity:
        raise user_error(
            f"The job asks for {wanted} instances; '{target.name}' has {target.capacity} at most.",
            "properties.resources.instanceCount",
        )
    return target

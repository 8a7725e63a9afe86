"""Workspaces and what computes in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

from policies import allowed
from policies.rule import Fault, Resource, Stack, must_be, rule

WORKSPACE, COMPUTE = "machinelearningservices:Workspace", "machinelearningservices:Compute"
CLUSTER, INSTANCE = "AmlCompute", "ComputeInstance"
OWN = "properties.properties"  # of a compute: what its type has, below what all computes have
SCALE = f"{OWN}.scaleSettings"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

no_legacy = rule(
    "workspace-no-v1-legacy",
    WORKSPACE,
    reason="A workspace in v1 legacy mode refuses the v2 clients that this project submits with.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-configure-network-isolation-with-v2",
)(must_be("v1LegacyMode", False, absent=True, fix="set it to false"))


@rule(
    "cluster-scales-to-zero",
    COMPUTE,
    reason="A node that is always there is paid for while there is no job.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-optimize-cost#configure-training-clusters-for-autoscaling",
)
def scales_to_zero(compute: Resource, stack: Stack) -> Iterator[Fault]:
    least = compute.at(f"{SCALE}.minNodeCount")
    if _is(compute, CLUSTER) and least not in (None, 0):
        yield Fault(f"{SCALE}.minNodeCount", least, "set it to 0: in the stack's file, compute.minInstances")


@rule(
    "cluster-idle-limit",
    COMPUTE,
    reason="A node is paid for until it has been idle for this long.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster",
)
def idle_limit(compute: Resource, stack: Stack) -> Iterator[Fault]:
    path, most = f"{SCALE}.nodeIdleTimeBeforeScaleDown", allowed.limits().idle_minutes
    idle = compute.at(path)
    if _is(compute, CLUSTER) and not 0 <= _seconds(idle) <= most * 60:
        yield Fault(path, idle, f"set it to at most PT{most}M: in the stack's file, compute.idleSeconds")


@rule(
    "instance-shuts-down",
    COMPUTE,
    reason="An instance that nobody uses is paid for until somebody stops it.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-create-compute-instance#configure-idle-shutdown",
)
def shuts_down(compute: Resource, stack: Stack) -> Iterator[Fault]:
    path = f"{OWN}.idleTimeBeforeShutdown"
    if _is(compute, INSTANCE) and not compute.at(path):
        yield Fault(path, compute.at(path), "set it, such as PT60M")


@rule(
    "compute-no-ssh",
    COMPUTE,
    reason="A node that takes SSH from outside is one more door, with accounts of its own.",
    link="https://learn.microsoft.com/azure/machine-learning/concept-enterprise-security",
)
def no_ssh(compute: Resource, stack: Stack) -> Iterator[Fault]:
    if _is(compute, CLUSTER) and compute.at(f"{OWN}.remoteLoginPortPublicAccess") != "Disabled":
        path = f"{OWN}.remoteLoginPortPublicAccess"
        yield Fault(path, compute.at(path), "set it to Disabled")
    if _is(compute, INSTANCE) and compute.at(f"{OWN}.sshSettings.sshPublicAccess") not in (None, "Disabled"):
        path = f"{OWN}.sshSettings.sshPublicAccess"
        yield Fault(path, compute.at(path), "set it to Disabled")


@rule(
    "compute-no-local-accounts",
    COMPUTE,
    reason="Only Entra's identities can be taken back in one place.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-integrate-azure-policy#disable-local-authentication",
)
def no_local_accounts(compute: Resource, stack: Stack) -> Iterator[Fault]:
    off = compute.at("properties.disableLocalAuth")
    if (_is(compute, CLUSTER) or _is(compute, INSTANCE)) and off is not True:
        yield Fault("properties.disableLocalAuth", off, "set it to true")


@rule(
    "compute-allowed-size",
    COMPUTE,
    reason="Sizes are a decision about money, and some exist in few regions or need a quota first.",
    link="https://learn.microsoft.com/azure/machine-learning/concept-compute-target#supported-vm-series-and-sizes",
)
def allowed_size(compute: Resource, stack: Stack) -> Iterator[Fault]:
    size, patterns = compute.at(f"{OWN}.vmSize"), allowed.limits().sizes
    if size is not None and not any(fnmatch(str(size).lower(), pattern.lower()) for pattern in patterns):
        yield Fault(f"{OWN}.vmSize", size, f"take one of {', '.join(patterns)}, or allow it in {allowed.NAME}")


def _is(compute: Resource, type: str) -> bool:
    return bool(compute.at("properties.computeType") == type)


def _seconds(duration: object) -> int:
    """Of an ISO 8601 duration; -1 for what is none."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) and duration[1:] else None
    if found is None:
        return -1
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


RULES = (
    no_legacy,
    scales_to_zero,
    idle_limit,
    shuts_down,
    no_ssh,
    no_local_accounts,
    allowed_size,
)

"""What holds for whatever there is: where it is, what it is called by, who sees what happens to it, whether it can get lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies import allowed
from policies.rule import Fault, Resource, Stack, rule

STATEFUL = (
    "storage:StorageAccount",
    "storage:BlobContainer",
    "keyvault:Vault",
    "machinelearningservices:Workspace",
    "containerregistry:Registry",
)
WATCHED = (
    "storage:StorageAccount",
    "keyvault:Vault",
    "machinelearningservices:Workspace",
    "containerregistry:Registry",
)
DIAGNOSTICS = "monitor:DiagnosticSetting"


@rule(
    "allowed-region",
    reason="Where data lies is a decision with the law on one side and the price on the other.",
    link="https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-setup-guide/regions",
)
def allowed_region(resource: Resource, stack: Stack) -> Iterator[Fault]:
    location, regions = resource.at("location"), allowed.limits().regions
    if location is not None and str(location).replace(" ", "").lower() not in (*regions, "global"):
        yield Fault("location", location, f"take one of {', '.join(regions)}, or allow it in {allowed.NAME}")


@rule(
    "tags",
    reason="Bills and alarms are sorted by tags, and Azure ML's endpoints refuse empty ones.",
    link="https://github.com/Azure/azure-sdk-for-python/issues/41586",
)
def tags(resource: Resource, stack: Stack) -> Iterator[Fault]:
    """What has a location can be tagged; a child or an extension of another resource has neither."""
    there = resource.at("tags")
    there = there if isinstance(there, Mapping) else {}
    for name in allowed.limits().tags if resource.at("location") is not None else ():
        if name not in there:
            yield Fault(f"tags.{name}", None, "give it a value")
    for name, value in there.items():
        if not str(value).strip():
            yield Fault(f"tags.{name}", value, "give it a value, or leave the tag out")


@rule(
    "diagnostic-settings",
    *WATCHED,
    reason="Who read or changed what is known afterwards only if it was being written down.",
    link="https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings",
    whole=True,
    laptop=False,  # nobody looks after it
)
def watched(resource: Resource, stack: Stack) -> Iterator[Fault]:
    settings = [one for one in stack.resources if one.kind == DIAGNOSTICS]
    if not any(resource.name in setting.uses.get("resourceUri", ()) for setting in settings):
        yield Fault("diagnosticSettings", None, "add a DiagnosticSetting that sends its logs to Log Analytics")


@rule(
    "protect",
    *STATEFUL,
    reason="A change that would replace a resource deletes what is in it first; Pulumi refuses that for a protected one.",
    link="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
    production=True,
)
def protected(resource: Resource, stack: Stack) -> Iterator[Fault]:
    if not resource.protect:
        yield Fault("protect", False, "declare it with ResourceOptions(protect=True)")


RULES = (allowed_region, tags, watched, protected)

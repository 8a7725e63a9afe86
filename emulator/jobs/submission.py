"""A job's PUT: what a new one becomes, with everything that it names looked up, and what of an existing one may change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, user_error
from emulator.http import Call
from emulator.jobs.lifecycle import Status
from emulator.jobs.schema import command_job, unheeded
from emulator.jobs.targets import target
from emulator.machinelearning import assets, datastores
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.pipelines import plan
from emulator.pipelines.request import pipeline_job
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NOT_RUN = ("AutoML", "FineTuning", "Labeling", "Spark", "Sweep", "Distillation")
MUTABLE = ("description", "displayName", "tags", "isArchived")
COMPUTED = ("status", "services", "parameters", "outputs", "properties")
DEFAULT_EXPERIMENT = "Default"


def created(call: Call, id: ResourceId, properties: Any) -> dict[str, Any]:
    """The body that is stored for a new job; raises ``UserError`` (400, 404) or ``NotImplemented`` (501)."""
    kind = properties.get("jobType") if isinstance(properties, dict) else None
    known = next((name for name in NOT_RUN if isinstance(kind, str) and name.lower() == kind.lower()), None)
    if known is not None:
        raise NotEmulated(f"{known} jobs")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in ("command", "pipeline")):
        raise user_error(f"properties.jobType must be Command or Pipeline; it is {kind!r}.", "properties.jobType")
    workspace = id.ancestor(1)
    arm.get(call, workspace)
    if kind is not None and kind.lower() == "pipeline":
        return plan.body(call.cloud, workspace, id.name, properties)
    job = command(call.cloud, workspace, id.name, properties)
    return {"properties": {**job, "status": Status.STARTING.value}, "run": {"revision": 1, "request": properties}}


def command(
    cloud: Cloud, workspace: ResourceId, name: str, properties: Any, datastore: str | None = None
) -> dict[str, Any]:
    """A command job's properties with everything that they name looked up; ``datastore`` is where outputs go that do not say."""
    job = {**command_job(properties), "jobType": "Command"}
    place = target(cloud, workspace, job)
    if place.compute:
        job["computeId"] = place.compute
    job["environmentId"] = assets.resolve(cloud, workspace, job["environmentId"], "environments").id
    if job.get("codeId"):
        job["codeId"] = assets.resolve(cloud, workspace, job["codeId"], "codes").id
    for told in job["inputs"].values():
        if told["jobInputType"] != "literal" and "datastores/" in told["uri"]:
            datastores.locate(cloud, workspace, told["uri"])
    for output, told in job["outputs"].items():
        told["uri"] = output_uri(cloud, workspace, name, output, told, datastore)
    described(cloud, workspace, name, job)
    job["properties"] = {
        **job.get("properties", {}),
        "_azureml.ComputeTargetType": {"AmlCompute": "amlctrain", "ComputeInstance": "amlcdsi"}.get(
            place.type, place.type.lower()
        ),
        "_azureml.ClusterName": place.name,
        **({"ContentSnapshotId": ResourceId.parse(job["codeId"]).names[1]} if job.get("codeId") else {}),
    }
    return job


def described(cloud: Cloud, workspace: ResourceId, name: str, job: dict[str, Any]) -> None:
    """What every job has, whether it was sent or not; the parent that it names must be there."""
    parent = job.get("parentJobName")
    if parent and cloud.store.get(str(workspace.child("jobs", parent))) is None:
        raise user_error(f"The parent job '{parent}' was not found.", "properties.parentJobName", status=404)
    job.setdefault("experimentName", DEFAULT_EXPERIMENT)
    job.setdefault("displayName", name)
    job.setdefault("tags", {})


def output_uri(
    cloud: Cloud, workspace: ResourceId, job: str, name: str, told: Mapping[str, Any], datastore: str | None = None
) -> str:
    """Where an output goes: where it says, ``${{name}}`` and ``${{output_name}}`` filled in, else Azure ML's own place for it.

    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command#attributes-of-the-outputs-key
    """
    store = datastore or default_datastore(cloud, workspace)
    slash = "" if told["jobOutputType"] == "uri_file" else "/"
    uri = told.get("uri") or f"azureml://datastores/{store}/paths/azureml/{job}/{name}{slash}"
    known = {"name": job, "output_name": name, "default_datastore": store}

    def value(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise user_error(
                f"The path of the output '{name}' has the expression {found[0]}; it can have "
                f"{', '.join('${{' + one + '}}' for one in known)}.",
                f"properties.outputs.{name}.uri",
            )
        return known[found[1]]

    uri = re.sub(r"\$\{\{\s*([^{}]*?)\s*\}\}", value, uri)
    datastores.locate(cloud, workspace, uri)
    return uri


def default_datastore(cloud: Cloud, workspace: ResourceId) -> str:
    stores = cloud.store.children(str(workspace), datastores.TYPE)
    return next((one.name for one in stores if one.body["properties"].get("isDefault")), "workspaceblobstore")


def changed(old: Document, properties: Any) -> dict[str, Any]:
    """The existing job with what may change of it; all else must be as it is, or left out."""
    before, request = old.body["properties"], old.body["run"]["request"]
    read = pipeline_job if before["jobType"] == "Pipeline" else command_job
    sent = read({**request, **properties}) if isinstance(properties, dict) else read(properties)
    asked = read(request)
    for name in {**sent, **asked}:
        if name in (*MUTABLE, *COMPUTED):
            continue
        value = sent.get(name)
        if value is not None and value != before.get(name) and value != asked.get(name):
            raise user_error(
                "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
                f"trying to update an existing job, the existing job's {name} cannot be changed. Only description, displayName, "
                "tags, and isArchived can be updated.",
                f"properties.{name}",
            )
    given = {name: sent[name] for name in MUTABLE if properties.get(name) is not None}
    known, added = before["properties"], sent.get("properties", {})
    clash = next((name for name, value in added.items() if known.get(name, value) != value), None)
    if clash is not None:
        raise user_error(
            f"The existing job's property '{clash}' cannot be changed; properties can only be added.",
            "properties.properties",
        )
    return {**before, **given, "properties": {**known, **added}}


def parameters(job: Mapping[str, Any]) -> dict[str, str]:
    """The literal inputs: MLflow's parameters of the job."""
    return {name: told["value"] for name, told in job["inputs"].items() if told["jobInputType"] == "literal"}


def warnings(job: Mapping[str, Any]) -> list[dict[str, str]]:
    """What of the request makes no difference here, as run history's warnings; ``jobs.stream`` prints them."""
    return [{"source": "emulator", "message": sentence} for sentence in unheeded(job)]

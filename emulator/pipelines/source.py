"""A pipeline component made from a pipeline job: what azure-ai-ml registers for a deployment's ``job_definition``.

The job's steps are the component's; its inputs are too, a literal one with the job's value as its default. To azure-ai-ml each of
these components is ``azureml_anonymous``, version 1; here each has a version of its own, whose id is the answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import user_error
from emulator.http import Call
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud


def version(call: Call, id: ResourceId) -> ResourceId:
    """The id under which the component that ``call`` would register as ``id`` is registered."""
    spec: Any = call.json()
    for name in ("properties", "componentSpec"):
        spec = spec.get(name) if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not spec.get("sourceJobId") or spec.get("jobs"):
        return id
    job = _job(call.cloud, id.ancestor(1), spec["sourceJobId"])
    return id.ancestor(2).child("versions", uuid.uuid5(uuid.NAMESPACE_URL, f"{job.id.lower()} {job.created}").hex)


def specification(cloud: Cloud, workspace: ResourceId, spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` itself, or, where it names a job by ``sourceJobId``, that of the job. Raises ``UserError`` (400, 404)."""
    reference = spec.get("sourceJobId")
    if not reference or spec.get("jobs"):
        return dict(spec)
    job = _job(cloud, workspace, reference).body["properties"]
    whole: Mapping[str, Any] = {"jobs": job.get("jobs"), "inputs": {}, "outputs": {}}
    if not job.get("jobs"):
        whole = assets.resolve(cloud, workspace, job["componentId"], "components").body["properties"]["componentSpec"]
    inputs, outputs = dict(whole.get("inputs") or {}), dict(whole.get("outputs") or {})
    for one, told in job["inputs"].items():
        if told["jobInputType"] == "literal":
            inputs[one] = {"type": "string", **inputs.get(one, {}), "default": told["value"]}
        else:
            inputs[one] = {"type": told["jobInputType"], **inputs.get(one, {})}
    for one, told in job["outputs"].items():
        outputs.setdefault(one, {"type": told["jobOutputType"]})
    return {**spec, "type": "pipeline", "jobs": whole["jobs"], "inputs": inputs, "outputs": outputs}


def _job(cloud: Cloud, workspace: ResourceId, reference: Any) -> Document:
    name = str(reference).rstrip("/").rpartition("/")[2].removeprefix("azureml:")
    found = cloud.store.get(str(workspace.child("jobs", name)))
    if found is None:
        raise user_error(
            f"The job '{name}', of which a component is to be made, was not found.", "sourceJobId", status=404
        )
    kind = found.body["properties"]["jobType"]
    if kind != "Pipeline":
        raise user_error(f"The job '{name}' is a {kind} job; a component can be made of a pipeline job.", "sourceJobId")
    return found

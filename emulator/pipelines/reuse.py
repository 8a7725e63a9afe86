"""Which earlier step one is the same as, so that it need not run again.

Two steps are the same when they run the same command with the same code, environment, variables and ranks on the same inputs, and
their outputs go to the same places: compared by a digest of the content of all that, not by names and versions. What another step
made is the same when that very step made it. Data that was not made by a step is known by its blobs' names and ETags, so that
a file which was written anew is read anew.
https://learn.microsoft.com/azure/machine-learning/how-to-debug-pipeline-reuse
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.data import bindings
from emulator.errors import AzureError
from emulator.jobs.lifecycle import Status
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = "emulator/reuse"
RUNS_ON = ("image", "condaFile", "build", "osType")  # what makes an environment, of an environment version
Made = Mapping[str, tuple[str, str]]  # by input: the job that really made it, and as which output


async def digest(cloud: Cloud, workspace: ResourceId, step: Document, inputs: Mapping[str, Any], made: Made) -> str:
    """What the step is, in one word; empty for one that must run whatever was before.

    ``inputs`` are the step's with what their makers made, ``made`` those of them that steps made.
    """
    job, facts = step.body["properties"], step.body["private"]["step"]
    if not facts["deterministic"]:
        return ""
    try:
        read = {}
        for name, told in inputs.items():
            known = await _input(cloud, workspace, told, made.get(name))
            if not known:
                return ""
            read[name] = [told["jobInputType"], told.get("mode"), known]
        environment = assets.resolve(cloud, workspace, job["environmentId"], "environments").body["properties"]
        code = assets.resolve(cloud, workspace, job["codeId"], "codes") if job.get("codeId") else None
    except (AzureError, bindings.DataFailed):  # something is missing: the step runs, and says what
        return ""
    content = {
        "command": job["command"],
        "code": code and (code.body["properties"].get("properties", {}).get("hash_sha256") or [code.id, code.etag]),
        "environment": {name: environment.get(name) for name in RUNS_ON},
        "variables": job.get("environmentVariables", {}),
        "distribution": job.get("distribution"),
        "instances": job.get("resources", {}).get("instanceCount", 1),
        "inputs": read,
        "outputs": {
            name: [
                told["jobOutputType"],
                told.get("mode"),
                told.get("assetName"),
                told.get("assetVersion"),
                facts["places"].get(name),
            ]
            for name, told in job["outputs"].items()
        },
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find(cloud: Cloud, workspace: ResourceId, word: str) -> Document | None:
    """The completed job of an earlier step that is the same."""
    known = cloud.store.get(_id(cloud, workspace, word)) if word else None
    job = cloud.store.get(known.body["job"]) if known is not None else None
    return job if job is not None and job.body["properties"]["status"] == Status.COMPLETED.value else None


def begin(tx: Transaction, id: str, inputs: Mapping[str, Any], original: Document | None) -> Document | None:
    """The step as it begins: Starting, or Completed with what the ``original`` made; as it is where it was canceled meanwhile."""
    job = tx.get(id)
    if job is None or job.body["properties"]["status"] != Status.NOT_STARTED.value:
        return job
    told, run = {**job.body["properties"], "inputs": inputs, "status": Status.STARTING.value}, job.body["run"]
    if original is not None:
        told |= {"status": Status.COMPLETED.value, "properties": {**told["properties"], **properties(original)}}
        now, outputs = time.time(), original.body["run"].get("outputs", {})
        run = {**run, "outputs": outputs, "origin": original.name, "started": now, "ended": now}
    run = {**run, "revision": run["revision"] + 1}
    return tx.put(job.id, job.type, {**job.body, "properties": told, "run": run}, parent=job.parent)


async def keep(cloud: Cloud, workspace: ResourceId, word: str, job: Document) -> None:
    """Remember what the completed ``job`` is."""
    id = _id(cloud, workspace, word)
    await cloud.store.write(lambda tx: tx.put(id, TYPE, {"job": job.id}))


def forget(tx: Transaction) -> None:
    """Drop what is known of jobs that are gone."""
    for document in tx.of_type(TYPE):
        if tx.get(document.body["job"]) is None:
            tx.delete(document.id)


def properties(original: Document) -> dict[str, str]:
    """What a step's run says that was reused: https://learn.microsoft.com/azure/machine-learning/how-to-debug-pipeline-reuse"""
    told = original.body["properties"]["properties"]
    pipeline = told.get("azureml.pipelinerunid", "")
    return {
        "azureml.isreused": "true",
        "azureml.reusedrunid": original.name,
        "azureml.reusednodeid": told.get("azureml.nodeid", ""),
        "azureml.reusedpipeline": pipeline,
        "azureml.reusedpipelinerunid": pipeline,
    }


async def _input(cloud: Cloud, workspace: ResourceId, told: Mapping[str, Any], made: tuple[str, str] | None) -> Any:
    if told["jobInputType"] == "literal":
        return ["literal", told["value"]]
    if told.get("mode") == "ReadWriteMount":
        return None  # it may change what it reads
    return list(made) if made is not None else await bindings.identity(cloud, workspace, told)


def _id(cloud: Cloud, workspace: ResourceId, word: str) -> str:
    """Not below the workspace, whose children are Azure's."""
    document = cloud.store.get(str(workspace))
    of = f"{workspace} {document.created if document else ''}".lower()
    return f"/emulator/reuse/{hashlib.sha256(of.encode()).hexdigest()[:32]}/{word}"

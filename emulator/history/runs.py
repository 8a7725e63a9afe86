"""A run: how run history shows a job. Rendered from the job's document; nothing is kept here.

The shapes are the models ``Run`` and ``RunDetails`` of the run history client inside azure-ai-ml
(azure/ai/ml/_restclient/runhistory/models).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from emulator.http import Call
from emulator.jobs import submission
from emulator.management import envelope
from emulator.store import Document

ASSET_TYPES = {"custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"}


def experiment_id(workspace: str, name: str) -> str:
    """One experiment, one id, for ever."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace.lower()}/experiments/{name}"))


def root(job: Document) -> str:
    """The run at the top of the job's tree: its outermost pipeline, its parent, or itself."""
    step = job.body.get("private", {}).get("step") or {}
    return str(step.get("root") or job.body["properties"].get("parentJobName") or job.name)


def lineage(job: Document) -> dict[str, str]:
    """The tags by which MLflow's own page and searches know a run's parent."""
    parent = job.body["properties"].get("parentJobName")
    return {"mlflow.parentRunId": parent, "mlflow.rootRunId": root(job)} if parent else {}


def run(call: Call, job: Document) -> dict[str, Any]:
    """https://learn.microsoft.com/python/api/azure-ai-ml: the model ``Run`` of the run history client."""
    properties, facts = job.body["properties"], job.body["run"]
    compute = {
        "target": facts.get("target"),
        "targetType": properties["properties"].get("_azureml.ComputeTargetType"),
        "vmSize": facts.get("size"),
        "instanceCount": properties.get("resources", {}).get("instanceCount", 1),
    }
    return {
        **common(call, job),
        "runNumber": job.sequence,
        "rootRunId": root(job),
        "experimentId": experiment_id(job.parent, properties["experimentName"]),
        "displayName": properties.get("displayName"),
        "description": properties.get("description"),
        "hidden": bool(properties.get("isArchived")),
        "runType": properties["properties"].get("azureml.runsource", "azureml.scriptrun"),
        "runTypeV2": {
            "orchestrator": "Execution",
            "traits": [],
            "attribution": None,
            "computeType": compute["targetType"],
        },
        "cancelationReason": facts.get("cancelationReason"),
        "createdUtc": envelope.timestamp(job.created),
        "lastModifiedUtc": envelope.timestamp(job.changed),
        "lastModifiedBy": _user(call, job.editor),
        "dataContainerId": f"dcid.{job.name}",
        "compute": compute if facts.get("target") else None,
        "computeRequest": {"nodeCount": compute["instanceCount"], "gpuCount": 0},
        "duration": _duration(facts),
    }


def details(call: Call, job: Document, logs: Mapping[str, str]) -> dict[str, Any]:
    """The model ``RunDetails``: the run with ``logFiles``, each log's name and a link that reads it."""
    return {
        **common(call, job),
        "createdTimeUtc": envelope.timestamp(job.created),
        "logFiles": dict(logs),
        "runDefinition": definition(job),
        "submittedBy": job.author,
        "duration": _duration(job.body["run"]),
    }


def common(call: Call, job: Document) -> dict[str, Any]:
    properties, facts = job.body["properties"], job.body["run"]
    return {
        "runId": job.name,
        "runUuid": str(uuid.uuid5(uuid.NAMESPACE_URL, job.id.lower())),
        "parentRunId": properties.get("parentJobName"),
        "target": facts.get("target") or properties["properties"].get("_azureml.ClusterName"),
        "status": properties["status"],
        "revision": facts["revision"],
        "startTimeUtc": moment(facts.get("started")),
        "endTimeUtc": moment(facts.get("ended")),
        "createdBy": _user(call, job.author),
        "userId": job.author,
        "error": facts.get("error"),
        "warnings": _warnings(properties, facts),
        "tags": properties.get("tags", {}),
        "properties": properties["properties"],
        "parameters": submission.parameters(properties),
        "services": {},
        "inputs": {
            name: {"assetId": told["uri"], "type": ASSET_TYPES.get(told["jobInputType"], told["jobInputType"])}
            for name, told in properties["inputs"].items()
            if told["jobInputType"] != "literal"
        },
        "outputs": {
            name: {"assetId": told["assetId"], "type": ASSET_TYPES.get(told["type"], told["type"])}
            for name, told in facts.get("outputs", {}).items()
            if told["assetId"]
        },
        "inputDatasets": [],
        "outputDatasets": [],
    }


def definition(job: Document) -> dict[str, Any]:
    """What the run was asked to do, in the names of a run definition."""
    properties = job.body["properties"]
    resources = properties.get("resources", {})
    if properties["jobType"] == "Pipeline":
        return {"experimentName": properties["experimentName"], "displayName": properties.get("displayName")}
    return {
        "command": properties["command"],
        "useAbsolutePath": False,
        "target": properties["properties"].get("_azureml.ClusterName"),
        "nodeCount": resources.get("instanceCount", 1),
        "instanceTypes": [resources["instanceType"]] if resources.get("instanceType") else [],
        "environment": {
            "id": properties["environmentId"],
            "environmentVariables": properties.get("environmentVariables", {}),
        },
        "environmentVariables": properties.get("environmentVariables", {}),
        "experimentName": properties["experimentName"],
        "displayName": properties.get("displayName"),
    }


def _warnings(properties: Mapping[str, Any], facts: Mapping[str, Any]) -> list[dict[str, str]]:
    reason = facts.get("cancelationReason")
    return [*submission.warnings(properties), *([{"source": "limits", "message": reason}] if reason else [])]


def _user(call: Call, id: str) -> dict[str, Any]:
    return {"userObjectId": id, "userTenantId": call.cloud.identity.tenant, "userName": id or "local"}


def moment(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") if seconds else None


def _duration(facts: Mapping[str, Any]) -> str | None:
    """``hh:mm:ss.ffffff``, of a run that ended."""
    if not facts.get("started") or not facts.get("ended"):
        return None
    seconds = facts["ended"] - facts["started"]
    return f"{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:09.6f}"

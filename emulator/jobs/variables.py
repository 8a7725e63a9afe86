"""What a job's process finds in its environment, and nothing else: no variable of whoever started the emulator is handed on.

Names as Azure ML's runtime sets them, ``AZURE_ML_INPUT_…`` as in
https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2; those that only Azure's own tools on a node read are
left out. What the job's request sets wins over everything but what ties the process to this emulator.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.history.runs import experiment_id
from emulator.jobs.processes import MARKER, marker
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from emulator.cloud import Cloud

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOKEN_LIFE = 7 * 86400  # seconds: a job may run for long, and its token is not renewed
AUDIENCE = "https://ml.azure.com"


@dataclass(frozen=True)
class Place:
    """Folders of one node. ``python`` is the environment's executable."""

    python: Path
    work: Path
    logs: Path
    home: Path
    temporary: Path


def of_job(cloud: Cloud, workspace: ResourceId, job: Mapping[str, Any], name: str, root: str) -> dict[str, str]:
    """The same for every process of the job; ``job`` is its stored properties, ``root`` the outermost pipeline's name."""
    document = cloud.store.get(str(workspace))
    assert document is not None, "A job's workspace outlives the job."
    service = f"https://{document.body['location']}.api.azureml.ms"
    token = cloud.identity.token(AUDIENCE, lifetime=TOKEN_LIFE)
    experiment = job["experimentName"]
    id = experiment_id(str(workspace), experiment)
    return {
        "AZUREML_RUN_ID": name,
        "AZUREML_ROOT_RUN_ID": root,
        "AZUREML_EXPERIMENT_NAME": experiment,
        "AZUREML_EXPERIMENT_ID": id,
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
        "AZUREML_ARM_RESOURCEGROUP": workspace.group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_WORKSPACE_ID": document.body["properties"]["workspaceId"],
        "AZUREML_WORKSPACE_SCOPE": str(workspace),
        "AZUREML_EXPERIMENT_SCOPE": f"{workspace}/experiments/{experiment}",
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time()) + TOKEN_LIFE),
        "AZUREML_SERVICE_ENDPOINT": service,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service}/discovery",
        "AZ_BATCHAI_CLUSTER_NAME": str(job.get("computeId") or "serverless").rpartition("/")[2],
        "AZ_BATCHAI_JOB_NAME": name,
        "MLFLOW_TRACKING_URI": cloud.tracking.uri(workspace),
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": name,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        **cloud.environment(),
        MARKER: marker(cloud.home.root, name),
    }


def of_node(place: Place) -> dict[str, str]:
    return {
        "PATH": f"{place.python.parent}:{SYSTEM_PATH}",
        "VIRTUAL_ENV": str(place.python.parent.parent),
        "CONDA_DEFAULT_ENV": "azureml",
        "HOME": str(place.home),
        "TMPDIR": str(place.temporary),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(place.work),
        "AZUREML_CR_HT_CAP_user_logs_PATH": str(place.logs),
        "AZUREML_LOGDIRECTORY_PATH": str(place.work / "logs"),
        "AZ_BATCHAI_JOB_TEMP": str(place.temporary),
        # Python holds back what it prints to a file: without this nothing could be streamed while the job runs.
        "PYTHONUNBUFFERED": "1",
    }


def of_data(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """Values of inputs and outputs under the names that Azure gives them; ``AZUREML_PARAMETER_…`` as azure-ai-ml's ``CommandJob``
    documents it, and what Microsoft's own components read."""
    return {
        **{f"AZUREML_PARAMETER_{name}": value for name, value in (*inputs.items(), *outputs.items())},
        **{f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()},
        **{f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()},
    }


def together(job: Mapping[str, Any], *parts: Mapping[str, str]) -> dict[str, str]:
    """One process's environment: ``parts`` in order, then the request's own variables, then what must hold."""
    environment: dict[str, str] = {}
    for part in parts:
        environment.update(part)
    kept = {name: environment[name] for name in (MARKER, "AZUREML_RUN_ID") if name in environment}
    environment.update(job.get("environmentVariables", {}))
    environment.update(kept)
    return environment

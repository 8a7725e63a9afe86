"""MLflow models without a scoring script: the environment that Azure ML derives from what lies in the model.

https://learn.microsoft.com/azure/machine-learning/how-to-mlflow-batch
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import yaml
from azure.core.exceptions import ResourceNotFoundError

from emulator.data import places
from emulator.data.transfer import DataFailed
from emulator.errors import AzureError, user_error
from emulator.http import Call
from emulator.machinelearning import requests
from emulator.management.ids import ResourceId
from emulator.store import Document

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
ANONYMOUS = "CliV2AnonymousEnvironment"  # as azure-ai-ml calls what is registered along with something else


async def environment(call: Call, workspace: ResourceId, model: Document) -> str:
    """The id of an environment with what the model's own conda file lists; registered once for each content.

    Raises ``UserError`` (400) for what is no MLflow model, or one that no Python function loads.
    """
    content = await _file(call, workspace, model, "MLmodel")
    try:
        flavor = yaml.safe_load(content)["flavors"]["python_function"]
        env: Any = flavor.get("env") or "conda.yaml"
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise user_error(
            f"The model '{model.id}' has no flavor python_function in its file MLmodel. Give the deployment a scoring script.",
            "properties.model",
        ) from None
    file = env.get("conda", "conda.yaml") if isinstance(env, dict) else str(env)
    conda = (await _file(call, workspace, model, file)).decode("utf-8", "replace")
    version = hashlib.sha256(conda.encode()).hexdigest()[:32]
    id = workspace.child("environments", ANONYMOUS).child("versions", version)
    return await requests.registered(call, id, {"image": IMAGE, "condaFile": conda, "isAnonymous": True})


async def _file(call: Call, workspace: ResourceId, model: Document, name: str) -> bytes:
    uri = str(model.body["properties"]["modelUri"])
    try:
        place = places.locate(call.cloud, workspace, uri)

        def read() -> bytes:
            with places.opened(call.cloud, place) as client:
                return client.download_blob(f"{place.path.strip('/')}/{name}").readall()

        return await asyncio.to_thread(read)
    except (ResourceNotFoundError, DataFailed, AzureError):
        raise user_error(
            f"The model '{model.id}' has no file '{name}' at {uri}, which an mlflow_model has.", "properties.model"
        ) from None

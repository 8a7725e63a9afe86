"""What the tests of batch endpoints share: a workspace with a cluster, a model that needs no training, and what waits."""

from __future__ import annotations

import uuid
from pathlib import Path

import yaml
from azure.ai.ml import MLClient, load_component
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import AmlCompute, BatchEndpoint, Environment, Model

from emulator import Emulator
from tests.conftest import Arm, new_workspace

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
# The content that other tests build too, so that it is built once for all of them.
CONDA = Path(__file__).parents[2] / "jobs" / "batch_single_step" / "environment" / "conda.yaml"
CLUSTER = "cluster"


def workspace(azure: Emulator) -> MLClient:
    """A workspace with a cluster of two nodes and an environment of no packages, ``plain:1``."""
    client: MLClient = new_workspace(Arm(azure))
    client.compute.begin_create_or_update(AmlCompute(name=CLUSTER, size="Standard_DS3_v2", max_instances=2)).result()
    client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))
    return client


def endpoint(client: MLClient) -> str:
    """The name of a new endpoint."""
    name = f"e-{uuid.uuid4().hex[:12]}"
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
    return name


def mlflow_model(folder: Path, *, flavor: str = "python_function") -> Path:
    """An MLflow model that adds up a row's numbers."""
    model = folder / "model"
    (model / "code").mkdir(parents=True)
    (model / "code" / "adder.py").write_text(
        "class Adder:\n"
        "    def predict(self, data):\n"
        "        return data[['a', 'b']].sum(axis=1)\n\n\n"
        "def _load_pyfunc(path):\n"
        "    return Adder()\n"
    )
    (model / "MLmodel").write_text(
        f"flavors:\n  {flavor}:\n    loader_module: adder\n    code: code\n    env:\n      conda: conda.yaml\n"
    )
    (model / "conda.yaml").write_text(CONDA.read_text())
    return model


def register(client: MLClient, path: Path, name: str, kind: str = "mlflow_model") -> Model:
    model: Model = client.models.create_or_update(Model(name=name, version="1", path=str(path), type=kind))
    return model


def default(client: MLClient, endpoint: str, deployment: str) -> None:
    found = client.batch_endpoints.get(endpoint)
    found.defaults.deployment_name = deployment  # type: ignore[union-attr]
    client.batch_endpoints.begin_create_or_update(found).result()


def component_file(folder: Path, version: str, command: str) -> Path:
    """The file of a version of the pipeline component ``whole``: one step, which runs ``command``."""
    inputs = {
        "text": {"type": "string", "default": "said"},
        "share": {"type": "number", "default": 0.5},
        "rows": {"type": "uri_file", "optional": True},
    }
    outputs = {"scores": {"type": "uri_folder"}}
    step = {
        "type": "command",
        "command": command,
        "environment": "azureml:plain:1",
        "inputs": inputs,
        "outputs": outputs,
    }
    job = {
        "type": "command",
        "component": {**step, "name": "score", "version": version},
        "inputs": {name: f"${{{{parent.inputs.{name}}}}}" for name in inputs},
        "outputs": {"scores": "${{parent.outputs.scores}}"},
    }
    whole = {"type": "pipeline", "name": "whole", "version": version, "inputs": inputs, "outputs": outputs}
    path = folder / f"whole-{version}.yml"
    path.write_text(yaml.safe_dump({**whole, "jobs": {"score": job}}, sort_keys=False))
    return path


def component(client: MLClient, folder: Path, version: str, command: str) -> str:
    """The id of such a version, registered."""
    return str(client.components.create_or_update(load_component(component_file(folder, version, command))).id)


def forget_deployment() -> None:
    """What azure-ai-ml 1.35 does not do by itself: after ``invoke(deployment_name=…)`` every later ``invoke`` of the process goes
    to that deployment, because the headers that it fills in are those of all calls."""
    EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)

"""What azure-ai-ml 1.35.2 does to those who call it for batch endpoints, shown; and that the runner's callers do not meet it.

When one of these fails because azure-ai-ml has become better, what runner/endpoint.py does about it can go.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_batch_deployment, load_component
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import AmlCompute, Environment, PipelineComponentBatchDeployment
from marshmallow.exceptions import ValidationError

from runner import component, settings
from runner.endpoint import Endpoint, full
from runner.errors import Mistake
from runner.history import History
from runner.inputs import Value
from runner.settings import Settings
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.runner.conftest import PIPELINE
from tests.waiting import ENDED, until

DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponentBatchDeployment.schema.json
name: v-1
endpoint_name: flowers
type: pipeline
component: azureml:trial_pipeline:1
settings: {default_compute: cpu-cluster}
"""


def test_a_deployment_of_a_file_is_refused_for_its_settings() -> None:
    with pytest.raises(ValidationError, match="Unknown field"):
        load_batch_deployment(io.StringIO(DEPLOYMENT))


def test_a_deployment_loses_its_environment_variables() -> None:
    made = PipelineComponentBatchDeployment(
        name="v-1", endpoint_name="e", component="/id", settings={}, environment_variables={"LEVEL": "high"}
    )
    assert "LEVEL" not in str(made._to_rest_object("westeurope").as_dict())


def test_the_settings_of_a_component_do_not_reach_its_job(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    step = "{s: {type: command, component: 'azureml:c:1'}}"
    file.write_text(f"type: pipeline\nname: x\nsettings: {{force_rerun: true}}\njobs: {step}\n")
    made: Any = load_component(file)
    assert made().settings._to_dict() == {}


def test_a_tag_without_a_value_is_not_sent() -> None:
    assert full({"commit": "", "release": "1"}) == {"release": "1"}


def test_invoked_by_name_and_read_as_it_is(place: dict[str, str], pipeline: Path, arm: Arm) -> None:
    place[settings.ENDPOINT] = f"t-{place[settings.WORKSPACE].partition('-')[2]}"
    workspace = Workspace(Settings(place, {}))
    client = workspace.client
    client.environments.create_or_update(Environment(name="trial-environment", version="1", image="python:3"))
    client.compute.begin_create_or_update(AmlCompute(name="cpu-cluster", size="Standard_DS3_v2")).result()
    endpoint = Endpoint(workspace)
    endpoint.make()
    read = component.read(pipeline / "pipeline.yml", "e1", lambda *label: "1")
    id = component.register(workspace, read, "azureml:trial-environment:1")
    endpoint.deploy("v-old", id, "old")

    # Given as an object, what is registered under its name and version is deployed, whatever the object has.
    (pipeline / "pipeline.yml").write_text(PIPELINE["pipeline.yml"].replace("how: well", "how: badly"))
    changed: Any = load_component(pipeline / "pipeline.yml", params_override=[{"version": read.version}])
    by_object = PipelineComponentBatchDeployment(
        name="v-new", endpoint_name=endpoint.name, component=changed, settings={"default_compute": "cpu-cluster"}
    )
    client.batch_deployments.begin_create_or_update(by_object).result()
    there = endpoint.deployments()
    assert there["v-new"].component == there["v-old"].component == id and "badly" not in str(
        component.spec(workspace, id)
    )
    newer = component.read(pipeline / "pipeline.yml", "e1", lambda *label: "1")
    assert newer.version != read.version
    other = component.register(workspace, newer, "azureml:trial-environment:1")
    with pytest.raises(Mistake, match="has a deployment 'v-old' already, of .*trial_pipeline") as taken:
        endpoint.deploy("v-old", other, "newer")
    assert "az ml batch-deployment delete --name v-old" in str(taken.value.next)

    # azure-ai-ml's own answer does not tell which component is deployed.
    assert id not in str(vars(client.batch_deployments.get("v-old", endpoint.name)))

    # A literal as it is, is sent in a form that the service does not take.
    sample = Value("uri_file", "https://example.com/flowers.csv")
    with pytest.raises(Exception, match="(?i)seed|input|invalid|400"):
        client.batch_endpoints.invoke(endpoint.name, deployment_name="v-old", inputs={"data": 0.3})

    # The name of a deployment stays in a header that all invocations share. (The failed one has left it there.)
    assert EndpointInvokeFields.DEFAULT_HEADER.get(EndpointInvokeFields.MODEL_DEPLOYMENT) == "v-old"
    endpoint.switch(History("v-new"))
    job = endpoint.invoke("v-new", {"data": sample}, {})
    assert EndpointInvokeFields.MODEL_DEPLOYMENT not in EndpointInvokeFields.DEFAULT_HEADER
    client.jobs.begin_cancel(job)
    until(lambda: client.jobs.get(job).status in ENDED)

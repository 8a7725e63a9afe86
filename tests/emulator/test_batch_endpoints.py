"""Batch endpoints and deployments as resources: what may be said of them, and which can go."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient, load_component
from azure.ai.ml.entities import (
    BatchEndpoint,
    CodeConfiguration,
    Environment,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
    Workspace,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator import batch
from tests.emulator.machinelearning import put_version, workspace_id
from tests.waiting import until


@pytest.fixture(scope="module")
def client(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> MLClient:
    client, folder = batch.workspace(azure), tmp_path_factory.mktemp("models")
    batch.register(client, batch.mlflow_model(folder), "adder")
    batch.register(client, batch.mlflow_model(folder / "other", flavor="sklearn"), "unloadable")
    (folder / "file.txt").write_text("1")
    batch.register(client, folder / "file.txt", "file", "custom_model")
    batch.component(client, folder, "1", "echo ${{inputs.text}}")
    step = {"type": "command", "command": "true", "environment": "azureml:plain:1"}
    put = put_version(Arm(azure), client, "components", "step", "1", {"componentSpec": step})
    assert put.status_code == 201, put.text
    return client


def deployment(name: str, endpoint: str, **changes: Any) -> ModelBatchDeployment:
    options: dict[str, Any] = {"model": "adder:1", "compute": batch.CLUSTER, **changes}
    settings = ModelBatchDeploymentSettings(mini_batch_size=2, **options.pop("settings", {}))
    return ModelBatchDeployment(name=name, endpoint_name=endpoint, settings=settings, **options)


def test_an_endpoint(client: MLClient, arm: Arm) -> None:
    name = f"e-{uuid.uuid4().hex[:12]}"
    made = client.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name=name, description="d", tags={"a": "b"}, properties={"p": "1"})
    ).result()
    assert made.scoring_uri == f"https://{name}.westeurope.inference.ml.azure.com/jobs"
    found = client.batch_endpoints.get(name)
    assert (found.auth_mode, found.description, found.tags) == ("aad_token", "d", {"a": "b"})
    assert found.provisioning_state == "Succeeded" and found.defaults.deployment_name is None  # type: ignore[union-attr]
    assert name in [one.name for one in client.batch_endpoints.list()]
    id = f"{workspace_id(client)}/batchEndpoints/{name}"
    assert arm.patch(id, {"tags": {"c": "d"}}).json()["tags"] == {"c": "d"}
    assert arm.post(f"{id}/listkeys").status_code == 400
    assert "cannot be altered" in arm.patch(id, {"properties": {"properties": {"p": "2"}}}).text
    client.batch_endpoints.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        client.batch_endpoints.get(name)


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "a_bc", "abc-", "a.bc"])
def test_a_bad_name_of_an_endpoint_or_a_deployment(client: MLClient, arm: Arm, name: str) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "AADToken"}}
    answer = arm.put(f"{workspace_id(client)}/batchEndpoints/{name}", body)
    assert answer.status_code == 400 and f"'{name}' is not one for an endpoint" in answer.json()["error"]["message"]
    answer = arm.put(f"{workspace_id(client)}/batchEndpoints/{batch.endpoint(client)}/deployments/{name}", body)
    assert answer.status_code == 400 and f"'{name}' is not one for a deployment" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"properties": {"authMode": "Key"}}, "authMode 'Key' is not supported"),
        ({"properties": {}}, "properties.authMode is required"),
        ({"properties": {"authMode": "AADToken", "more": 1}}, "Could not find member 'more'"),
        ({"properties": {"authMode": "AADToken", "defaults": {"deploymentName": "none"}}}, "'none' does not exist"),
        ({"tags": {"a": ""}}, "Tag values must not be null or empty"),
        ({"location": "northeurope"}, "must be its workspace's, 'westeurope'"),
    ],
)
def test_an_endpoint_that_is_refused(client: MLClient, arm: Arm, change: Any, said: str) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "AADToken"}, **change}
    id = f"{workspace_id(client)}/batchEndpoints/e-refused"
    answer = arm.put(id, body)
    assert answer.status_code == 400 and said in answer.json()["error"]["message"], answer.text
    assert arm.get(id).status_code == 404


def test_a_name_is_taken_in_its_region_alone(client: MLClient) -> None:
    name = batch.endpoint(client)
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name, description="again")).result()
    for region in ("westeurope", "northeurope"):
        other = MLClient(client._credential, client.subscription_id, client.resource_group_name, f"w-{region}")
        other.workspaces.begin_create(Workspace(name=f"w-{region}", location=region)).result()
        if region == "northeurope":
            other.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
            continue
        with pytest.raises(HttpResponseError, match="Endpoint names must be unique within the region"):
            other.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()


def test_deployments_and_the_default(client: MLClient, arm: Arm) -> None:
    endpoint, _ = batch.endpoint(client), batch.endpoint(client)
    page = arm.get(f"{workspace_id(client)}/batchEndpoints", query={"count": "1"}).json()
    assert len(page["value"]) == 1 and arm.get(page["nextLink"], version=None).json()["value"] != page["value"]
    for name in ("blue", "green"):
        made = client.batch_deployments.begin_create_or_update(deployment(name, endpoint)).result()
        assert made.name == name and made.provisioning_state == "Succeeded"
    found = client.batch_deployments.get("blue", endpoint)
    assert (found.mini_batch_size, found.output_action, found.output_file_name) == (2, "append_row", "predictions.csv")
    assert (found.error_threshold, found.max_concurrency_per_instance, found.logging_level) == (-1, 1, "Info")
    assert (found.retry_settings.max_retries, found.retry_settings.timeout) == (3, 30)
    assert str(found.compute).endswith(f"/computes/{batch.CLUSTER}") and str(found.model).endswith("/adder/versions/1")
    assert [one.name for one in client.batch_deployments.list(endpoint)] == ["blue", "green"]
    batch.default(client, endpoint, "blue")
    with pytest.raises(HttpResponseError, match="'blue' is the default") as refused:
        client.batch_deployments.begin_delete("blue", endpoint).result()
    assert refused.value.status_code == 409
    batch.default(client, endpoint, "green")
    client.batch_deployments.begin_delete("blue", endpoint).result()
    assert [one.name for one in client.batch_deployments.list(endpoint)] == ["green"]
    client.batch_endpoints.begin_delete(endpoint).result()
    with pytest.raises(ResourceNotFoundError):
        client.batch_deployments.get("green", endpoint)


def test_a_default_deployment_goes_with_its_workspace(workspace: MLClient, arm: Arm, tmp_path: Path) -> None:
    workspace.environments.create_or_update(Environment(name="plain", version="1", image=batch.IMAGE))
    batch.component(workspace, tmp_path, "1", "true")
    endpoint = batch.endpoint(workspace)
    made = PipelineComponentBatchDeployment(name="one", endpoint_name=endpoint, component="whole:1")
    workspace.batch_deployments.begin_create_or_update(made).result()
    batch.default(workspace, endpoint, "one")
    id = workspace_id(workspace)
    assert arm.delete(f"{id}/batchEndpoints/{endpoint}/deployments/one").status_code == 409
    assert arm.delete(id).status_code == 202
    until(lambda: arm.get(id).status_code == 404)


def test_a_deployment_of_a_pipeline_component(client: MLClient, arm: Arm, tmp_path: Path) -> None:
    endpoint = batch.endpoint(client)
    settings: Any = {"default_compute": batch.CLUSTER, "continue_on_step_failure": False}
    made = client.batch_deployments.begin_create_or_update(
        PipelineComponentBatchDeployment(name="one", endpoint_name=endpoint, component="whole:1", settings=settings)
    ).result()
    assert made.settings == settings and str(made.component).endswith("/components/whole/versions/1")  # type: ignore[attr-defined]
    assert client.batch_deployments.get("one", endpoint).properties["default_compute"] == batch.CLUSTER
    without = PipelineComponentBatchDeployment(name="two", endpoint_name=endpoint, component="whole:1")
    client.batch_deployments.begin_create_or_update(without).result()
    client.batch_deployments.get("two", endpoint)
    loaded = load_component(batch.component_file(tmp_path, "9", "true"))
    from_file = PipelineComponentBatchDeployment(name="three", endpoint_name=endpoint, component=loaded)
    made = client.batch_deployments.begin_create_or_update(from_file).result()
    assert str(made.component).endswith("/components/whole/versions/9")  # type: ignore[attr-defined]
    id = f"{workspace_id(client)}/batchEndpoints/{endpoint}/deployments/one"
    told = arm.get(id, version="2024-01-01-preview").json()["properties"]["deploymentConfiguration"]
    assert told["componentId"]["assetId"].endswith("/components/whole/versions/1")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"component": "step:1"}, 400, "is of type command"),
        ({"settings": {"default_compute": "nowhere"}}, 400, "The compute 'nowhere' was not found"),
        ({"settings": {"default_datastore": "nowhere"}}, 404, "nowhere"),
        ({"settings": {"continue_on_step_failure": "maybe"}}, 400, "must be true or false"),
        ({"settings": {"something": "1"}}, 400, "Could not find member 'something'"),
    ],
)
def test_a_pipeline_component_deployment_that_is_refused(
    client: MLClient, changes: Any, status: int, said: str
) -> None:
    options = {"component": "whole:1", **changes}
    refused = PipelineComponentBatchDeployment(name="bad", endpoint_name=batch.endpoint(client), **options)
    with pytest.raises(HttpResponseError, match=said) as raised:
        client.batch_deployments.begin_create_or_update(refused).result()
    assert raised.value.status_code == status


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "unloadable:1"}, "has no flavor python_function"),
        ({"model": "file:1"}, "needs properties.codeConfiguration"),
        ({"settings": {"instance_count": 3}}, "asks for 3 instances; 'cluster' has 2 at most"),
        ({"settings": {"output_file_name": "../up.csv"}}, "must be the name of a file"),
        ({"code_configuration": True}, "environmentId is required"),
    ],
)
def test_a_model_deployment_that_is_refused(client: MLClient, tmp_path: Path, changes: Any, said: str) -> None:
    if changes.get("code_configuration"):
        (tmp_path / "score.py").write_text("def init(): ...\ndef run(batch): return batch\n")
        changes = {"code_configuration": CodeConfiguration(code=str(tmp_path), scoring_script="score.py")}
    with pytest.raises(HttpResponseError, match=said) as raised:
        client.batch_deployments.begin_create_or_update(deployment("bad", batch.endpoint(client), **changes)).result()
    assert raised.value.status_code == 400


@pytest.mark.parametrize(
    ("properties", "status", "said"),
    [
        ({"compute": "cluster"}, 400, "properties.model is required"),
        ({"model": {"referenceType": "Id", "assetId": "adder:1"}}, 400, "properties.compute is required"),
        ({"model": {"referenceType": "Id", "assetId": "none:1"}, "compute": "cluster"}, 404, "'none'"),
        ({"model": {"referenceType": "Id", "assetId": "adder:1"}, "compute": "none"}, 400, "'none' was not found"),
        ({"model": {"referenceType": "DataPath", "path": "a"}, "compute": "cluster"}, 501, "by a data path"),
        ({"miniBatchSize": 0}, 400, "properties.miniBatchSize must be an integer"),
    ],
)
def test_what_azure_ai_ml_would_not_send(client: MLClient, arm: Arm, properties: Any, status: int, said: str) -> None:
    id = f"{workspace_id(client)}/batchEndpoints/{batch.endpoint(client)}/deployments/bad"
    answer = arm.put(id, {"location": "westeurope", "properties": properties})
    assert answer.status_code == status and said in answer.json()["error"]["message"], answer.text


@pytest.mark.parametrize("kind", ["onlineEndpoints", "serverlessEndpoints"])
def test_other_endpoints_are_not_emulated_by_name(client: MLClient, arm: Arm, kind: str) -> None:
    answer = arm.put(f"{workspace_id(client)}/{kind}/e", {"location": "westeurope", "properties": {}})
    assert answer.status_code == 501 and kind.lower() in answer.json()["error"]["message"].lower()

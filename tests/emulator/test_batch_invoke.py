"""Invocations of batch endpoints, through ``MLClient`` and with plain requests: which deployment answers, and how often."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import Job, PipelineComponentBatchDeployment
from azure.core.exceptions import HttpResponseError

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator import batch
from tests.emulator.machinelearning import workspace_id
from tests.waiting import ENDED, until

WRITE = (
    "echo ${{inputs.text}} ${{inputs.share}} > ${{outputs.scores}}/s.txt; "
    "$[[cat ${{inputs.rows}} >> ${{outputs.scores}}/s.txt;]] true"
)


@pytest.fixture(scope="module")
def client(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> MLClient:
    client, folder = batch.workspace(azure), tmp_path_factory.mktemp("components")
    batch.component(client, folder, "1", WRITE)
    return client


@pytest.fixture(autouse=True)
def headers() -> Iterator[None]:
    batch.forget_deployment()
    yield
    batch.forget_deployment()


@pytest.fixture(scope="module")
def endpoint(client: MLClient) -> str:
    """An endpoint with the deployments ``blue``, the default, and ``green``."""
    name = batch.endpoint(client)
    for deployment in ("blue", "green"):
        deploy(client, name, deployment)
    batch.default(client, name, "blue")
    return name


def deploy(client: MLClient, endpoint: str, name: str, **options: Any) -> None:
    options.setdefault("settings", {"default_compute": batch.CLUSTER})
    if "job_definition" not in options:
        options.setdefault("component", "whole:1")
    made = PipelineComponentBatchDeployment(name=name, endpoint_name=endpoint, **options)
    client.batch_deployments.begin_create_or_update(made).result()


def ended(client: MLClient, name: str, status: str = "Completed") -> Job:
    until(lambda: client.jobs.get(name).status in ENDED, 120)
    found: Job = client.jobs.get(name)
    assert found.status == status
    return found


def of(client: MLClient, job: Any) -> str:
    return str(client.jobs.get(job.name).properties["azureml.deploymentname"])


class Caller:
    """Plain requests to an endpoint's host."""

    def __init__(
        self, azure: Emulator, client: MLClient, endpoint: str, scope: str = "https://ml.azure.com/.default"
    ) -> None:
        self.uri = f"https://{endpoint}.westeurope.inference.ml.azure.com/jobs"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {azure.token(scope)}"

    def post(self, properties: Any, **headers: str) -> Any:
        named = {name.replace("_", "-").replace("--", "_"): value for name, value in headers.items()}
        return self.session.post(self.uri, json={"properties": properties}, headers=named, timeout=30)


def test_the_default_and_a_deployment_by_its_name(client: MLClient, endpoint: str) -> None:
    assert of(client, client.batch_endpoints.invoke(endpoint)) == "blue"
    assert of(client, client.batch_endpoints.invoke(endpoint, deployment_name="green")) == "green"
    # The trap: azure-ai-ml 1.35 goes on sending the header, so that a check of the default is one of ``green``.
    assert of(client, client.batch_endpoints.invoke(endpoint)) == "green"
    batch.forget_deployment()
    assert of(client, client.batch_endpoints.invoke(endpoint)) == "blue"
    assert of(client, client.batch_endpoints.invoke(endpoint, deployment_name="blue")) == "blue"


def test_inputs_outputs_and_what_becomes_of_them(client: MLClient, endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2\n")
    place = f"azureml://datastores/workspaceblobstore/paths/mine/{uuid.uuid4().hex}/"
    inputs = {
        "text": Input(type="string", default="hello"),
        "share": Input(type="number", default=0.25),
        "rows": Input(type="uri_file", path=str(tmp_path / "rows.csv")),
    }
    told = client.batch_endpoints.invoke(
        endpoint, inputs=inputs, outputs={"scores": Output(type="uri_folder", path=place)}, experiment_name="mine"
    )
    assert (told.name is not None and told.status) and "/batchEndpoints/" in str(told.id)
    job = ended(client, str(told.name))
    assert job.experiment_name == "mine" and job.outputs["scores"].path.endswith(place.rpartition("/paths/")[2])
    client.jobs.download(str(job.name), download_path=tmp_path, output_name="scores")
    assert (tmp_path / "named-outputs" / "scores" / "s.txt").read_text() == "hello 0.25\n1,2\n"
    (step,) = client.jobs.list(parent_job_name=str(job.name))
    assert step.properties["azureml.moduleName"] == "score"
    plain = client.batch_endpoints.invoke(endpoint)
    assert ended(client, str(plain.name)).experiment_name == endpoint


def test_jobs_of_an_endpoint_and_of_a_deployment(azure: Emulator, client: MLClient) -> None:
    endpoint = batch.endpoint(client)
    assert list(client.batch_endpoints.list_jobs(endpoint)) == []
    for name in ("one", "two"):
        deploy(client, endpoint, name)
    jobs = [client.batch_endpoints.invoke(endpoint, deployment_name=name).name for name in ("one", "two", "two")]
    assert [job.name for job in client.batch_endpoints.list_jobs(endpoint)] == jobs[::-1]
    assert [job.name for job in client.batch_deployments.list_jobs(endpoint, name="one")] == jobs[:1]
    with pytest.raises(HttpResponseError, match="three"):
        client.batch_deployments.list_jobs(endpoint, name="three")
    caller = Caller(azure, client, endpoint)
    one = caller.session.get(f"{caller.uri}/{jobs[0]}", timeout=30).json()
    assert (one["name"], one["id"].endswith(f"/deployments/one/jobs/{jobs[0]}")) == (jobs[0], True)
    assert caller.session.get(f"{caller.uri}/nothing", timeout=30).status_code == 404
    assert len(caller.session.get(caller.uri, timeout=30).json()["value"]) == 3
    assert "/jobs" in caller.session.get(caller.uri.replace("/jobs", "/swagger.json"), timeout=30).json()["paths"]
    client.batch_endpoints.begin_delete(endpoint).result()
    assert caller.post({}).status_code == 404
    batch.endpoint(client)
    assert client.jobs.get(str(jobs[0])).name == jobs[0], "A job stays when its endpoint goes."


def test_the_same_request_makes_one_job(azure: Emulator, client: MLClient, endpoint: str) -> None:
    caller, number = Caller(azure, client, endpoint), str(uuid.uuid4())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: caller.post({}, repeatability__request_id=number), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    names = {answer.json()["name"] for answer in answers}
    assert len(names) == 1
    other = caller.post({}, repeatability__request_id=str(uuid.uuid4())).json()["name"]
    assert other not in names and caller.post({}).json()["name"] not in names
    refused = caller.post(
        {"inputData": {"none": {"jobInputType": "Literal", "value": 1}}}, repeatability__request_id="r"
    )
    assert refused.status_code == 400
    assert caller.post({}, repeatability__request_id="r").status_code == 201, "Nothing was made of the first."


def test_bodies_with_capital_letters_and_a_name(azure: Emulator, client: MLClient, endpoint: str, arm: Arm) -> None:
    caller, name = Caller(azure, client, endpoint), f"mine-{uuid.uuid4().hex[:8]}"
    body = {"Name": name, "InputData": {"text": {"JobInputType": "Literal", "Value": True}}}
    assert caller.post(body).json()["name"] == name
    told = arm.get(f"{workspace_id(client)}/jobs/{name}").json()["properties"]["inputs"]
    assert told["text"]["value"] == "True"
    again = caller.post(body)
    assert again.status_code == 409 and name in again.json()["error"]["message"]


def test_who_is_not_let_in_and_what_is_not_there(azure: Emulator, client: MLClient, endpoint: str) -> None:
    caller = Caller(azure, client, endpoint)
    assert requests.post(caller.uri, json={"properties": {}}, timeout=30).status_code == 401
    assert Caller(azure, client, endpoint, "https://management.azure.com/.default").post({}).status_code == 401
    assert Caller(azure, client, "nobodys").post({}).status_code == 404
    missing = caller.post({}, azureml_model_deployment="red")
    assert missing.status_code == 404 and "It has: blue, green." in missing.json()["error"]["message"]
    empty = Caller(azure, client, batch.endpoint(client)).post({})
    assert empty.status_code == 404 and "No valid deployments to route to." in empty.json()["error"]["message"]


@pytest.mark.parametrize(
    ("properties", "status", "said"),
    [
        ({"inputData": {"share": 0.3}}, 400, "properties.inputData.share must be an object"),
        ({"inputData": {"share": {"jobInputType": "Literal", "value": "much"}}}, 400, "share"),
        ({"inputData": {"more": {"jobInputType": "Literal", "value": "1"}}}, 400, "more"),
        ({"inputData": {"rows": {"jobInputType": "UriFile", "uri": "azureml:none:1"}}}, 404, "none"),
        ({"inputData": {"rows": {"jobInputType": "UriFile", "uri": "azureml://datastores/d/paths/a"}}}, 404, "d"),
        ({"outputData": {"more": {"jobOutputType": "UriFolder"}}}, 400, "more"),
        ({"miniBatchSize": 2}, 400, "properties.miniBatchSize is not for a deployment of a pipeline component"),
        ({"unknown": 2}, 400, "Could not find member 'unknown'"),
        ({"dataset": "x"}, 501, "version 1 data sets"),
        ([], 400, "properties must be an object"),
    ],
)
def test_an_invocation_that_is_refused_makes_no_job(
    azure: Emulator, client: MLClient, endpoint: str, properties: Any, status: int, said: str
) -> None:
    before = len(list(client.batch_endpoints.list_jobs(endpoint)))
    answer = Caller(azure, client, endpoint).post(properties)
    assert answer.status_code == status and said in answer.json()["error"]["message"], answer.text
    assert len(list(client.batch_endpoints.list_jobs(endpoint))) == before


def test_a_failing_step_fails_the_job(client: MLClient, endpoint: str, tmp_path: Path) -> None:
    batch.component(client, tmp_path, "broken", "echo gone wrong; exit 3")
    deploy(client, endpoint, "broken", component="whole:broken")
    told = client.batch_endpoints.invoke(endpoint, deployment_name="broken")
    ended(client, str(told.name), "Failed")


def test_a_deployment_of_a_finished_job(client: MLClient, endpoint: str, tmp_path: Path) -> None:
    for number, text in enumerate(("one", "two")):
        first = client.batch_endpoints.invoke(endpoint, inputs={"text": Input(type="string", default=text)})
        deploy(client, endpoint, f"from-job-{number}", job_definition=str(ended(client, str(first.name)).name))
        batch.forget_deployment()
    share = {"share": Input(type="number", default=0.25)}
    told = client.batch_endpoints.invoke(endpoint, deployment_name="from-job-0", inputs=share)
    ended(client, str(told.name))
    client.jobs.download(str(told.name), download_path=tmp_path, output_name="scores")
    assert (tmp_path / "named-outputs" / "scores" / "s.txt").read_text() == "one 0.25\n"
    with pytest.raises(HttpResponseError, match="The job 'nobody', of which a component is to be made, was not found"):
        deploy(client, endpoint, "from-nothing", job_definition="nobody")


def test_a_request_is_known_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    azure = Emulator(tmp_path / "home", port=0)
    found = azure.start(detached=True)
    try:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        client, number = batch.workspace(azure), str(uuid.uuid4())
        batch.component(client, tmp_path, "1", "sleep 60")
        endpoint = batch.endpoint(client)
        deploy(client, endpoint, "one")
        batch.default(client, endpoint, "one")
        first = Caller(azure, client, endpoint).post({}, repeatability__request_id=number).json()["name"]
        os.kill(found.pid, signal.SIGKILL)
        Emulator(tmp_path / "home", port=found.port).start(detached=True)
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        again = Caller(azure, client, endpoint).post({}, repeatability__request_id=number).json()["name"]
        other = Caller(azure, client, endpoint).post({}, repeatability__request_id=str(uuid.uuid4())).json()["name"]
        assert again == first and other != first
        assert [job.name for job in client.batch_endpoints.list_jobs(endpoint)] == [other, first]
    finally:
        azure.stop()

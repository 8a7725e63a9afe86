"""MLflow's own client against a workspace's tracking URI: with Azure's plugin, and without it."""

import uuid
from pathlib import Path

import mlflow
import pytest
import requests
from azure.ai.ml import command
from azure.ai.ml.entities import Environment
from azure.identity import EnvironmentCredential
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException, RestException

from tests.emulator.machinelearning import workspace_id
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType", "ignore::FutureWarning:mlflow")


@pytest.fixture
def tracked(workspace, monkeypatch):
    """The workspace's tracking URI, set as any user of Azure ML sets it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # MLflow sets them, and they must not outlive the test
    uri = workspace.workspaces.get(workspace.workspace_name).mlflow_tracking_uri
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("iris")
    yield uri
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(None)


def token(audience="https://management.azure.com"):
    return EnvironmentCredential().get_token(f"{audience}/.default").token


def rest(uri, call, body=None, *, bearer=None, method=None):
    url = f"{uri.replace('azureml://', 'https://')}/api/2.0/mlflow/{call}"
    headers = {"Authorization": f"Bearer {bearer or token()}"}
    return requests.request(
        method or ("POST" if body is not None else "GET"), url, json=body, headers=headers, timeout=60
    )


def test_params_metrics_with_steps_and_tags(tracked):
    with mlflow.start_run(run_name="first", tags={"team": "flowers"}) as run:
        mlflow.log_params({"depth": 3, "rate": 0.1})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metric("accuracy", 0.9)
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("inner", 1)

    client = mlflow.MlflowClient()
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "first"
    assert found.data.params == {"depth": "3", "rate": "0.1"} and found.data.tags["team"] == "flowers"
    assert found.data.metrics == {"loss": pytest.approx(0.2), "accuracy": 0.9}
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] == [
        (step, pytest.approx(1 / (step + 1))) for step in range(5)
    ]
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    experiment = client.get_experiment_by_name("iris")
    assert {one.info.run_id for one in client.search_runs([experiment.experiment_id])} == {
        run.info.run_id,
        child.info.run_id,
    }


def test_artifacts_images_and_models_lie_in_blob_storage(tracked, workspace, tmp_path):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with mlflow.start_run() as run:
        mlflow.log_text("a note", "notes/one.txt")
        mlflow.log_dict({"a": 1}, "two words & more.json")
        mlflow.log_artifact(str(Path(__file__)), "source")
        logged = mlflow.sklearn.log_model(
            model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
        )
    assert run.info.artifact_uri.startswith("azureml://")

    client = mlflow.MlflowClient()
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {
        "notes",
        "two words & more.json",
        "source",
    }
    assert [file.path for file in client.list_artifacts(run.info.run_id, "notes")] == ["notes/one.txt"]
    local = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes", dst_path=str(tmp_path))
    assert (Path(local) / "one.txt").read_text() == "a note"
    assert list(mlflow.pyfunc.load_model(logged.model_uri).predict([[0.0], [1.0]])) == [0, 1]

    store = workspace.datastores.get("workspaceartifactstore")
    blobs = container(store)
    names = {blob.name for blob in blobs.list_blobs(name_starts_with=f"ExperimentRun/dcid.{run.info.run_id}/")}
    assert f"ExperimentRun/dcid.{run.info.run_id}/notes/one.txt" in names
    assert any(name.endswith("/MLmodel") for name in names)

    with pytest.raises(MlflowException, match="two.txt"):
        mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="notes/two.txt", dst_path=str(tmp_path)
        )


def container(store):
    from azure.storage.blob import ContainerClient

    url = f"https://{store.account_name}.blob.core.windows.net"
    return ContainerClient(url, store.container_name, credential=EnvironmentCredential())


def test_a_client_without_the_plugin(tracked, tmp_path, monkeypatch):
    """Plain https and a token: everything, artifacts too."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token("https://ml.azure.com"))
    client = mlflow.MlflowClient(tracked.replace("azureml://", "https://").replace("/mlflow/v2.0/", "/mlflow/v1.0/"))
    experiment = client.create_experiment(f"plain-{uuid.uuid4().hex[:6]}")
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "loss", 0.5, step=3)
    client.log_text(run.info.run_id, "hello", "deep/er/note.txt")
    client.set_terminated(run.info.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")

    assert [file.path for file in client.list_artifacts(run.info.run_id, "deep")] == ["deep/er"]
    path = client.download_artifacts(run.info.run_id, "deep/er/note.txt", str(tmp_path))
    assert Path(path).read_text() == "hello"
    assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    with pytest.raises(MlflowException):
        client.download_artifacts(run.info.run_id, "deep/other.txt", str(tmp_path / "none"))

    # The same run, seen with the plugin.
    assert [file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)] == ["deep"]


def test_without_an_experiment_a_run_is_in_default(tracked):
    client = mlflow.MlflowClient()
    run = client.create_run("0")
    assert client.get_experiment(run.info.experiment_id).name == "Default"


def test_tokens_are_checked(tracked):
    assert rest(tracked, "experiments/search", {"max_results": 1}).status_code == 200
    url = f"{tracked.replace('azureml://', 'https://')}/api/2.0/mlflow/experiments/search?max_results=1"
    assert requests.get(url, timeout=30).status_code == 401
    assert rest(tracked, "experiments/search", {"max_results": 1}, bearer="abc").status_code == 401
    other = token("https://vault.azure.net")
    assert rest(tracked, "experiments/search", {"max_results": 1}, bearer=other).status_code == 401


def test_workspaces_are_apart(tracked, workspace, arm):
    """Runs of one name in two workspaces are two runs, and neither workspace sees the other's."""
    from azure.ai.ml.entities import Workspace

    name = f"w-{uuid.uuid4().hex[:10]}"
    workspace.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()
    other = tracked.rpartition("/")[0] + f"/{name}"
    run = rest(tracked, "runs/create", {"experiment_id": "0", "start_time": 1}).json()["run"]["info"]["run_id"]
    assert rest(tracked, f"runs/get?run_id={run}").status_code == 200
    assert rest(other, f"runs/get?run_id={run}").status_code == 404
    assert not rest(other, "runs/search", {"experiment_ids": ["0"]}).json().get("runs")
    missing = rest(tracked.rpartition("/")[0] + "/no-such-workspace", f"runs/get?run_id={run}")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "ResourceNotFound"

    history = other.replace("azureml://", "https://").replace("/mlflow/v2.0/", "/history/v1.0/")
    answer = requests.get(
        f"{history}/experiments/Default/runs/{run}/artifacts",
        headers={"Authorization": f"Bearer {token()}"},
        timeout=30,
    )
    assert answer.status_code == 404


def test_what_is_not_served_is_named(tracked):
    answer = rest(tracked, "gateway-proxy")
    assert answer.status_code == 501 and "gateway-proxy" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a//b", "", ".", "a\\..\\b"])
def test_artifact_paths_that_lead_elsewhere_are_refused(path, tracked):
    run = rest(tracked, "runs/create", {"experiment_id": "0", "start_time": 1}).json()["run"]["info"]["run_id"]
    base = tracked.replace("azureml://", "https://").replace("/mlflow/v2.0/", "/history/v1.0/")
    url = f"{base}/experiments/Default/runs/{run}/artifacts/batch/metadata"
    headers = {"Authorization": f"Bearer {token()}"}
    good = requests.post(url, json={"paths": [{"path": "a/b.txt"}]}, headers=headers, timeout=30)
    assert good.status_code == 200 and "sig=" in good.json()["artifactContentInformation"]["a/b.txt"]["contentUri"]
    assert requests.post(url, json={"paths": [{"path": path}]}, headers=headers, timeout=30).status_code == 400


def test_errors_are_mlflows_own(tracked):
    with pytest.raises(RestException) as error:
        mlflow.MlflowClient().get_run("no-such-run")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_job_and_its_run_are_one(tracked, workspace):
    """Tags, name and description are those of both, whoever changes them."""
    job = workspace.jobs.create_or_update(
        command(
            command="true",
            environment=Environment(image="python:3.11-slim"),
            tags={"a": "1", "b": "1"},
            description="first",
        )
    )
    client = mlflow.MlflowClient()
    until(lambda: workspace.jobs.get(job.name).status == "Completed")
    assert client.get_run(job.name).data.tags.items() >= {"a": "1", "b": "1", "mlflow.note.content": "first"}.items()

    client.set_tag(job.name, "from the run", "2")
    client.delete_tag(job.name, "a")
    client.log_batch(job.name, tags=[RunTag("mlflow.note.content", "second"), RunTag("mlflow.own", "x")])
    client.update_run(job.name, name="renamed")
    job = workspace.jobs.get(job.name)
    assert job.tags == {"b": "1", "from the run": "2"}
    assert (job.description, job.display_name) == ("second", "renamed")

    job.tags["b"] = "2"
    job.display_name = "by the SDK"
    workspace.jobs.create_or_update(job)
    history = tracked.replace("azureml://", "https://").replace("/mlflow/v2.0/", "/history/v1.0/")
    gone = {"tagsToDelete": ["from the run"]}
    headers = {"Authorization": f"Bearer {token()}"}
    assert requests.patch(f"{history}/runs/{job.name}/tags", json=gone, headers=headers, timeout=30).status_code == 200
    run = client.get_run(job.name)
    assert run.info.run_name == "by the SDK" and run.data.tags["b"] == "2" and "from the run" not in run.data.tags
    assert run.data.tags["mlflow.note.content"] == "second" and run.data.tags["mlflow.own"] == "x"


def test_what_is_changed_before_a_run_is_made_reaches_it(tracked, workspace, arm):
    workspace.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    job = f"{workspace_id(workspace)}/jobs/j-{uuid.uuid4().hex}"
    told = {"jobType": "Command", "command": "true", "environmentId": "azureml:plain:1", "computeId": "local"}
    assert arm.put(job, {"properties": {**told, "tags": {"a": "1", "b": "1"}}}).status_code == 201
    changed = {"displayName": "renamed", "tags": {"a": "2"}}
    assert arm.put(job, {"properties": {**told, **changed}}).status_code == 200
    client, name = mlflow.MlflowClient(), job.rpartition("/")[2]
    until(lambda: workspace.jobs.get(name).status == "Completed")
    run = client.get_run(name)
    assert run.info.run_name == "renamed" and run.data.tags["a"] == "2" and "b" not in run.data.tags

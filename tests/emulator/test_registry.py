"""MLflow's model registry and the workspace's model assets: one thing, seen by two clients."""

from __future__ import annotations

import mlflow
import pytest
import requests
from azure.ai.ml.entities import Model
from mlflow.exceptions import MlflowException

from tests.emulator.test_tracking import rest, token, tracked

__all__ = ["tracked"]

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType", "ignore::FutureWarning:mlflow")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model in MLflow's format, on this machine."""
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("saved") / "model"
    trained = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    mlflow.sklearn.save_model(trained, folder, serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
    return folder


def predicts(uri):
    return list(mlflow.pyfunc.load_model(uri).predict([[0.0], [1.0]])) == [0, 1]


def test_what_mlflow_registers_is_an_asset(tracked, workspace, saved):
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(saved), "model")
        mlflow.log_text("no model", "notes/note.txt")
    first = mlflow.register_model(f"{run.info.artifact_uri}/model", "iris", tags={"team": "flowers"})
    second = mlflow.register_model(f"file://{saved}", "iris")
    assert (first.version, second.version) == ("1", "2")
    assert first.source.startswith("azureml://") and predicts(first.source)  # as a run's artifact URI
    assert predicts("models:/iris/latest")

    asset = workspace.models.get("iris", "1")
    assert asset.type == "mlflow_model" and asset.job_name == run.info.run_id and "sklearn" in asset.flavors
    assert asset.path.endswith(f"/ExperimentRun/dcid.{run.info.run_id}/model") and asset.tags == {"team": "flowers"}

    client = mlflow.MlflowClient()
    beside = "azureml://datastores/workspaceblobstore/paths/a%0Ab\nc"
    for source in (f"runs:/{run.info.run_id}/notes", "s3://bucket/model", f"file://{saved}/none", beside):
        with pytest.raises((MlflowException, ValueError)):
            client.create_model_version("iris", source)
    with pytest.raises(MlflowException) as unknown:
        client.get_model_version("iris", "3")
    assert unknown.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException) as twice:
        client.create_registered_model("iris")
    assert twice.value.error_code == "RESOURCE_ALREADY_EXISTS"
    for call, body in (
        ("registered-models/get-latest-versions", {"name": "iris", "stages": 5}),
        ("registered-models/create", {"name": "a/b"}),
        ("registered-models/create", {"name": "b", "tags": {"a": "b"}}),
        ("model-versions/create", {"name": "iris", "source": {"a": 1}}),
        ("model-versions/set-tag", {"name": "iris/versions/1", "version": "1", "key": "a"}),
    ):
        answer = rest(tracked, call, body)
        assert answer.status_code in (400, 404) and answer.json()["message"], call


def test_a_logged_model_is_registered_and_loads_by_every_name(tracked, workspace):
    """MLflow 3 keeps models beside the run's artifacts; ``runs:/…/model`` must lead to them all the same."""
    from sklearn.linear_model import LogisticRegression

    trained = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    options = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(trained, name="model", registered_model_name="iris", **options)
    alone = mlflow.sklearn.log_model(trained, name="alone", **options)
    assert not alone.run_id and predicts(alone.model_uri)
    assert predicts(f"runs:/{run.info.run_id}/model") and predicts("models:/iris/1")
    version = rest(tracked, "model-versions/get?name=iris&version=1").json()["model_version"]
    assert version["model_id"] == logged.model_id and version["run_id"] == run.info.run_id
    assert workspace.models.get("iris", "1").job_name == run.info.run_id


def test_what_the_sdk_registers_is_loaded_and_changed_by_mlflow(tracked, workspace, saved, monkeypatch):
    for version in ("1", "2", "3"):
        workspace.models.create_or_update(Model(name="iris", version=version, path=str(saved), type="mlflow_model"))
    assert predicts("models:/iris/2")

    client = mlflow.MlflowClient()
    client.update_model_version("iris", "1", description="the first")
    client.set_model_version_tag("iris", "1", "kind", "old")
    client.set_model_version_tag("iris", "1", "gone", "x")
    client.delete_model_version_tag("iris", "1", "gone")
    client.set_registered_model_tag("iris", "owner", "me")
    client.delete_model_version("iris", "3")
    asset = workspace.models.get("iris", "1")
    assert asset.description == "the first" and asset.tags == {"kind": "old"}
    assert {one.version for one in workspace.models.list("iris")} == {"1", "2"}

    with pytest.warns(FutureWarning, match="stages"):
        client.transition_model_version_stage("iris", "1", "Production")
        client.transition_model_version_stage("iris", "2", "production", archive_existing_versions=True)
        assert [one.version for one in client.get_latest_versions("iris", ["Production"])] == ["2"]
        assert client.get_model_version("iris", "1").current_stage == "Archived"
        with pytest.raises(MlflowException, match="stage: Gone"):
            client.transition_model_version_stage("iris", "1", "Gone")

    workspace.models.archive("iris", "1")
    assert [one.version for one in client.search_model_versions("name = 'iris'")] == ["2"]
    (model,) = client.search_registered_models("name='iris'")
    assert model.tags == {"owner": "me"} and [one.version for one in model.latest_versions] == ["2"]
    assert not client.search_registered_models("name='other'")
    for refused in (
        lambda: client.search_registered_models("name LIKE 'i%'"),
        lambda: client.rename_registered_model("iris", "other"),
        lambda: client.delete_registered_model("iris"),
    ):
        with pytest.raises(MlflowException) as error:
            refused()
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"

    # A client without the plugin: plain https and a token.
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token("https://ml.azure.com"))
    plain = tracked.replace("azureml://", "https://").replace("/mlflow/v2.0/", "/mlflow/v1.0/")
    mlflow.set_tracking_uri(plain)
    mlflow.set_registry_uri(plain)
    assert mlflow.MlflowClient().get_model_version("iris", "2").source.startswith("mlflow-artifacts:/")
    assert predicts("models:/iris/2")
    with pytest.raises(requests.HTTPError, match="version '9'"):
        mlflow.artifacts.download_artifacts("mlflow-artifacts:/Model/iris:9/model")

"""Jobs on the emulator with MLflow inside: the Iris job as it is, and autologging; and a job that fails."""

import json
from pathlib import Path

import mlflow
import pytest
from azure.ai.ml import command, load_job
from azure.ai.ml.entities import AmlCompute, Environment

from tests.waiting import over

FOLDER = Path(__file__).parents[2] / "jobs" / "batch_single_step"
IRIS = FOLDER.parent / "data" / "iris_dataset.csv"
ENVIRONMENT = "iris:1"
AUTOLOG = """
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

mlflow.autolog()
LogisticRegression(C=0.5, max_iter=200).fit(*load_iris(return_X_y=True))
"""
FAILING = """
import mlflow
mlflow.log_metric("before", 1)
raise SystemExit(3)
"""


def script(folder, name, text):
    code = folder / name
    code.mkdir()
    (code / "main.py").write_text(text)
    return command(
        code=str(code), command="python main.py", environment=ENVIRONMENT, compute="cpu-cluster", experiment_name=name
    )


@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType", "ignore::FutureWarning:mlflow")
def test_what_jobs_log_is_there_for_a_client_outside(workspace, tmp_path, monkeypatch):
    conda = FOLDER / "environment" / "conda.yaml"
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
    workspace.environments.create_or_update(Environment(name="iris", version="1", image=image, conda_file=str(conda)))
    size = "Standard_DS3_v2"
    workspace.compute.begin_create_or_update(AmlCompute(name="cpu-cluster", size=size, max_instances=3)).result()
    where = "azureml://datastores/workspaceblobstore/paths/results/"
    overrides = [{"inputs.input_data.path": str(IRIS)}, {"outputs.output_data.path": where}]
    iris, auto, bad = (
        workspace.jobs.create_or_update(job)
        for job in (
            load_job(FOLDER / "job.yml", params_override=overrides),
            script(tmp_path, "autolog", AUTOLOG),
            script(tmp_path, "failing", FAILING),
        )
    )
    assert [over(workspace, job, 200).status for job in (iris, auto, bad)] == ["Completed", "Completed", "Failed"]

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(workspace.workspaces.get(workspace.workspace_name).mlflow_tracking_uri)
    try:
        client = mlflow.MlflowClient()
        runs = [client.get_run(job.name) for job in (iris, auto, bad)]
        pictures = {file.path for file in client.list_artifacts(iris.name)}
        model = client.list_artifacts(auto.name, "model")
        experiment = client.get_experiment(runs[0].info.experiment_id)
    finally:
        mlflow.set_tracking_uri(before)

    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert experiment.name == "iris" and runs[0].info.run_name == "iris-batch-single-step"
    assert set(runs[0].data.metrics) == {"accuracy", "f1", "log_loss"} and runs[0].data.params["rows_test"] == "45"
    assert {"confusion_matrix.png", "features.png", "user_logs"} <= pictures
    assert runs[1].data.params["C"] == "0.5" and "training_score" in runs[1].data.metrics
    assert "model/MLmodel" in {file.path for file in model}
    assert runs[2].data.metrics == {"before": 1}

    workspace.jobs.download(iris.name, download_path=tmp_path / "got", all=True)
    got = tmp_path / "got"
    assert (got / "artifacts" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    results = got / "named-outputs" / "output_data"
    assert json.loads((results / "metrics.json").read_text()) == pytest.approx(runs[0].data.metrics)
    assert (results / "model" / "MLmodel").is_file() and (results / "predictions.csv").is_file()

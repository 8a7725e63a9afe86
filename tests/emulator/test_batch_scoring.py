"""Deployments of models, invoked through ``MLClient``: what they write, and what becomes of input that is no good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import CodeConfiguration, Job, ModelBatchDeployment, ModelBatchDeploymentSettings
from azure.ai.ml.entities._deployment.deployment_settings import BatchRetrySettings
from azure.core.exceptions import HttpResponseError

from emulator import Emulator
from tests.emulator import batch
from tests.waiting import ENDED, until

SCRIPT = """
import argparse, os, time

def init():
    global model, kind
    parser = argparse.ArgumentParser()
    parser.add_argument("--logging_level")
    print("level", parser.parse_known_args()[0].logging_level)
    folder = os.environ["AZUREML_MODEL_DIR"]
    model = open(os.path.join(folder, os.listdir(folder)[0])).read()
    kind = os.environ.get("KIND", "list")
    if kind == "init":
        raise RuntimeError("the model is not to its liking")

def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    if kind == "none":
        return None
    if kind == "slow":
        time.sleep(60)
    if kind == "own":
        for name in names:
            with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], f"{name}.out"), "w") as file:
                file.write(model)
        return names
    if "bad.txt" in names:
        raise ValueError("cannot read bad.txt")
    return [f"{name} {model} {len(names)}" for name in names if name != "empty.txt"]
"""


@pytest.fixture(scope="module")
def client(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> MLClient:
    client, folder = batch.workspace(azure), tmp_path_factory.mktemp("models")
    batch.register(client, batch.mlflow_model(folder), "adder")
    (folder / "weights.txt").write_text("w7")
    batch.register(client, folder / "weights.txt", "weights", "custom_model")
    return client


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    (folder / "nested").mkdir(parents=True)
    (folder / "nested" / "c.txt").write_text("c")
    for name in ("a.txt", "b.txt", "d.txt"):
        (folder / name).write_text(name)
    yield folder


def deploy(client: MLClient, folder: Path, kind: str = "list", **settings: Any) -> str:
    """A new endpoint with a deployment of the script; its name is ``only``."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(SCRIPT)
    endpoint = batch.endpoint(client)
    deployment = ModelBatchDeployment(
        name="only",
        endpoint_name=endpoint,
        model="weights:1",
        environment="plain:1",
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        compute=batch.CLUSTER,
        settings=ModelBatchDeploymentSettings(
            **{"mini_batch_size": 2, "environment_variables": {"KIND": kind}, **settings}
        ),
    )
    client.batch_deployments.begin_create_or_update(deployment).result()
    return endpoint


def invoke(client: MLClient, endpoint: str, path: Path | str, **options: Any) -> str:
    kind = "uri_file" if Path(path).suffix else "uri_folder"
    job = client.batch_endpoints.invoke(
        endpoint, deployment_name="only", input=Input(type=kind, path=str(path)), **options
    )
    assert job.name is not None
    return str(job.name)


def ended(client: MLClient, name: str, status: str = "Completed") -> Job:
    until(lambda: client.jobs.get(name).status in ENDED, 120)
    (child,) = client.jobs.list(parent_job_name=name)
    found: Job = client.jobs.get(name)
    assert found.status == status, log(client, str(child.name))
    return child


def log(client: MLClient, child: str, below: str = "user_logs/") -> str:
    """The logs whose names begin with ``below``."""
    import requests

    found = client.jobs._runs_operations.get_run_details(child)
    return "".join(
        requests.get(link, timeout=30).text for name, link in found.log_files.items() if name.startswith(below)
    )


def scores(client: MLClient, name: str, folder: Path, file: str = "predictions.csv") -> list[str]:
    client.jobs.download(name, download_path=folder, output_name="score")
    return (folder / "named-outputs" / "score" / file).read_text().splitlines()


def test_a_model_without_code_is_scored_row_by_row(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "in" / "two.csv").write_text("a,b\n5,6\n")
    (tmp_path / "in" / "zero.parquet").write_text("not one\n")
    endpoint = batch.endpoint(client)
    deployment = ModelBatchDeployment(
        name="only",
        endpoint_name=endpoint,
        model="adder:1",
        compute=batch.CLUSTER,
        settings=ModelBatchDeploymentSettings(mini_batch_size=1, instance_count=2),
    )
    client.batch_deployments.begin_create_or_update(deployment).result()
    name = invoke(client, endpoint, tmp_path / "in")
    child = ended(client, name)
    assert (child.display_name, child.properties["azureml.moduleName"]) == ("batchscoring", "batchscoring")
    assert scores(client, name, tmp_path / "down") == ["0,3,one.csv", "1,7,one.csv", "0,11,two.csv"]
    assert scores(client, str(child.name), tmp_path / "child")[0] == "0,3,one.csv"
    errors = log(client, str(child.name), "logs/user/error.txt")
    assert "zero.parquet'. File type 'parquet' is not supported." in errors


def test_a_script_scores_mini_batches_in_order(client: MLClient, data: Path, tmp_path: Path) -> None:
    endpoint = deploy(
        client, tmp_path, max_concurrency_per_instance=2, output_file_name="scores.txt", logging_level="debug"
    )
    name = invoke(client, endpoint, data, experiment_name="mine")
    child = ended(client, name)
    assert client.jobs.get(name).experiment_name == "mine"
    # The folder in the folder is not looked into.
    expected = ["a.txt w7 2", "b.txt w7 2", "d.txt w7 1"]
    assert scores(client, name, tmp_path / "down", "scores.txt") == expected
    assert "level DEBUG" in log(client, str(child.name), "logs/user/stdout/")
    one = invoke(
        client,
        endpoint,
        data / "b.txt",
        outputs={
            "any": Output(type="uri_folder", path=f"azureml://datastores/workspaceblobstore/paths/mine/{endpoint}/")
        },
    )
    ended(client, one)
    found = Input(type="uri_folder", path=f"azureml://datastores/workspaceblobstore/paths/mine/{endpoint}/")
    again = invoke(client, endpoint, str(found.path))
    ended(client, again)
    assert scores(client, again, tmp_path / "again", "scores.txt") == ["scores.txt w7 1"]


def test_a_script_that_writes_its_own_files(client: MLClient, data: Path, tmp_path: Path) -> None:
    name = invoke(client, deploy(client, tmp_path, "own", output_action="summary_only"), data)
    ended(client, name)
    client.jobs.download(name, download_path=tmp_path / "down", output_name="score")
    written = sorted(path.name for path in (tmp_path / "down/named-outputs/score").iterdir())
    assert written == ["a.txt.out", "b.txt.out", "d.txt.out"]


@pytest.mark.parametrize(
    ("kind", "file", "settings", "said"),
    [
        ("none", "a.txt", {}, "There is no succeeded mini batch item returned from run()"),
        ("init", "a.txt", {}, "The scoring script failed before run(): RuntimeError: the model is not to its liking"),
        ("slow", "a.txt", {"retry_settings": BatchRetrySettings(max_retries=1, timeout=1)}, "had timeout for 2 times"),
        ("list", "bad.txt", {"error_threshold": 1}, "The error count 2 is above the error_threshold 1"),
        ("list", "empty.txt", {"error_threshold": 0}, "The error count 1 is above the error_threshold 0"),
    ],
)
def test_scoring_that_fails(
    client: MLClient, data: Path, tmp_path: Path, kind: str, file: str, settings: Any, said: str
) -> None:
    (data / file).write_text(file)
    child = ended(client, invoke(client, deploy(client, tmp_path, kind, **settings), data), "Failed")
    error = client.jobs._runs_operations.get_run_details(child.name).error.error.message
    assert "exited with status code 42" in error and said in error


def test_failures_below_the_threshold_are_logged_and_left_out(client: MLClient, data: Path, tmp_path: Path) -> None:
    (data / "bad.txt").write_text("bad")
    name = invoke(client, deploy(client, tmp_path, mini_batch_size=1), data)
    child = ended(client, name)
    assert scores(client, name, tmp_path / "down") == ["a.txt w7 1", "b.txt w7 1", "d.txt w7 1"]
    assert "ValueError: cannot read bad.txt" in log(client, str(child.name), "logs/user/error.txt")
    trace = log(client, str(child.name), "logs/user/error/10.0.0.4/")
    assert trace.count("Traceback") == 4, "It was tried once and three times again."


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({}, {}, "takes one input, a file or a folder; 0 were given"),
        ({"a": Input(type="string", default="x")}, {}, "is of type literal"),
        (
            {"a": Input(type="mltable", path="azureml://datastores/workspaceblobstore/paths/a")},
            {},
            "is of type mltable",
        ),
        ({"a": Input(type="uri_folder", path="azureml://datastores/nowhere/paths/a")}, {}, "nowhere"),
        (
            {"a": Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/a")},
            {"s": Output(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/b")},
            "is a uri_folder, not a uri_file",
        ),
    ],
)
def test_an_invocation_that_is_refused(client: MLClient, tmp_path: Path, inputs: Any, outputs: Any, said: str) -> None:
    endpoint = deploy(client, tmp_path)
    with pytest.raises(HttpResponseError, match=said):
        client.batch_endpoints.invoke(endpoint, deployment_name="only", inputs=inputs, outputs=outputs)
    assert [one.name for one in client.batch_endpoints.list_jobs(endpoint)] == []

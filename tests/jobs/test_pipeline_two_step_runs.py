"""The training pipeline on the emulator: what it registers, what it says of bad data, and scoring with what was registered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, load_component, load_job
from azure.ai.ml.entities import AmlCompute, Environment, Job, PipelineJob

from runner import scores, smoke
from tests.waiting import over

FOLDER = Path(__file__).parents[2] / "jobs" / "pipeline_two_step"
IRIS = FOLDER.parent / "data" / "iris_dataset.csv"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"


@pytest.fixture
def ground(workspace: MLClient) -> MLClient:
    conda = str(FOLDER / "environment" / "conda.yaml")
    workspace.environments.create_or_update(Environment(name="iris", version="1", image=IMAGE, conda_file=conda))
    size = "Standard_DS3_v2"
    workspace.compute.begin_create_or_update(AmlCompute(name="cpu-cluster", size=size, max_instances=2)).result()
    return workspace


def train(data: Path) -> Job:
    changes = [{"inputs.input_data.path": str(data)}, {"inputs.git_commit": COMMIT}]
    return load_job(FOLDER / "job.yml", params_override=changes)


def steps(client: MLClient, job: Job) -> dict[str, Job]:
    return {child.display_name: child for child in client.jobs.list(parent_job_name=job.name)}


def fetched(client: MLClient, job: Job, folder: Path, *names: str) -> Iterator[Path]:
    for name in names:
        client.jobs.download(job.name, download_path=folder, output_name=name)
        yield folder / "named-outputs" / name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_good_data_makes_a_version_that_scores_and_bad_data_is_told(ground: MLClient, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(IRIS.read_text().replace("5.1,3.5,1.4,0.2,setosa\n", "5.1,wide,1.4,0.2,rose\n", 1))
    good, broken = (ground.jobs.create_or_update(train(data)) for data in (IRIS, bad))
    assert (over(ground, good, 250).status, over(ground, broken, 250).status) == ("Completed", "Failed")

    # What is registered says where it comes from.
    made = steps(ground, good)
    model = ground.models.get("iris-classifier", label="latest")
    assert (model.version, model.type, model.job_name) == ("1", "mlflow_model", made["train"].name)
    assert model.tags["git_commit"] == COMMIT
    assert model.tags["data_sha256"] == hashlib.sha256(IRIS.read_bytes()).hexdigest()
    table, gate = fetched(ground, good, tmp_path / "good", "scores", "gate")
    said = smoke.Gate.read(gate / "gate.json", "gate")
    assert said.passed and said.registered == {"name": "iris-classifier", "version": "1"}
    assert float(model.tags["accuracy"]) == said.metrics["accuracy"] > 0.9
    rules = smoke.read(FOLDER / "smoke" / "pipeline.yml").scores
    assert rules.broken(scores.read(table / rules.file)) == []
    assert {"confusion_matrix.png", "roc.png", "metrics.json"} < {file.name for file in table.iterdir()}

    # Bad data ends in ingest, with a table in its log and in its report.
    failed = steps(ground, broken)
    assert failed["ingest"].status == "Failed"
    assert {child.status for name, child in failed.items() if name != "ingest"} <= {"Canceled", "NotStarted"}
    ground.jobs.download(failed["ingest"].name, download_path=tmp_path / "log")
    log = (tmp_path / "log" / "artifacts" / "user_logs" / "std_log.txt").read_text()
    assert re.search(r"^bad\.csv +sepal_width +is not a number +1 +1 +wide$", log, re.MULTILINE) and "rose" in log
    (report,) = fetched(ground, failed["ingest"], tmp_path / "bad", "report")
    assert len(json.loads((report / "report.json").read_text())["problems"]) == 2

    # Score only: the model that is registered, on rows without a species.
    rules, sample = smoke.read(FOLDER / "smoke" / "score.yml").scores, FOLDER / "smoke" / "iris_unlabelled.csv"
    given = {"input_data": Input(type="uri_file", path=str(sample))}
    job = PipelineJob(component=load_component(FOLDER / "score.yml"), inputs=given, compute="cpu-cluster")
    done = over(ground, ground.jobs.create_or_update(job), 250)
    assert done.status == "Completed"
    (table,) = fetched(ground, steps(ground, done)["predict"], tmp_path / "scored", "scores")
    assert rules.broken(scores.read(table / rules.file), 30) == []

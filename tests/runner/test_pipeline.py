"""``aml pipeline`` on a small pipeline: its steps, its picture, what is registered, and what is refused before."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from runner import settings
from runner.pipeline import with_commit
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.runner.conftest import PIPELINE, Aml, cancelled_by_another


@pytest.fixture
def flowers(aml: Aml, place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("id,length\n1,5.1\n2,4.9\n3,4.7\n")
    assert aml("data", "upload", tmp_path / "flowers.csv", "/data/").code == 0


def how(pipeline: Path, word: str) -> None:
    (pipeline / "pipeline.yml").write_text(PIPELINE["pipeline.yml"].replace("how: well", f"how: {word}"))


def test_the_steps_run_and_are_shown(
    aml: Aml, place: dict[str, str], flowers: None, pipeline: Path, tmp_path: Path, arm: Arm
) -> None:
    picture = tmp_path / "graph.svg"
    said = aml("pipeline", "--job-folder", pipeline, "--graph", picture, "--json")
    assert said.code == 0, said.err
    assert "step split · Completed" in said.err and "step predict · Completed" in said.err
    assert [(step["step"], step["status"]) for step in said.json["steps"]] == [
        ("split", "Completed"),
        ("predict", "Completed"),
    ]
    assert picture.read_text().count("Completed") == 2 and ElementTree.parse(picture) is not None
    name = said.json["name"]
    steps = aml("jobs", "list", "--parent", name, "--json").json
    assert {(step["display_name"], step["experiment_name"]) for step in steps} == {
        (name, place["AZURE_ML_EXPERIMENT_NAME"]) for name in ("split", "predict")
    }
    assert aml("jobs", "download", name, "--to", tmp_path / "out", "--output", "scores").code == 0
    assert (tmp_path / "out/named-outputs/scores/scores.csv").read_text().splitlines()[1:] == [
        "1,setosa",
        "2,setosa",
        "3,setosa",
    ]
    components = f"{settings.Settings(place, {}).workspace_id}/components"
    versions = {name: len(arm.get(f"{components}/{name}/versions").json()["value"]) for name in ("trial_split",)}

    how(pipeline, "badly")
    failed = aml("pipeline", "--job-folder", pipeline, "--json")
    assert failed.code == 3 and failed.json["status"] == "Failed", failed.err
    assert "step predict: " in failed.err and "the rows are not good" in failed.err and "Traceback" not in failed.err
    step = next(step["job"] for step in failed.json["steps"] if step["step"] == "predict")
    assert f"aml jobs logs {step}" in failed.err
    shown = aml("jobs", "show", step)
    assert shown.code == 0 and "the rows are not good" in shown.out and "created_by: " in shown.out, shown.err
    assert len(arm.get(f"{components}/trial_split/versions").json()["value"]) == versions["trial_split"] == 1


def test_what_is_not_there_is_refused_before_anything_is_made(
    aml: Aml, place: dict[str, str], flowers: None, pipeline: Path, arm: Arm
) -> None:
    def refused(*args: str) -> str:
        said = aml("pipeline", "--job-folder", pipeline, *args)
        assert said.code == 1 and said.out == "", said.err
        return said.err

    assert "There is '/data/flowers.csv': only the case differs" in refused("--input", "/data/Flowers.csv")
    assert "is a folder; input 'data' is a uri_file" in refused("--input", "data=/data")
    assert "There is no input 'dat'" in refused("--input", "dat=/data/flowers.csv")
    (pipeline / "pipeline.yml").write_text(PIPELINE["pipeline.yml"].replace("outputs.rest", "outputs.test"))
    assert "step 'split' has no output 'test'" in refused()
    (pipeline / "pipeline.yml").write_text(
        PIPELINE["pipeline.yml"].replace(
            "how: well", "how: well, model: {type: mlflow_model, path: azureml:iris@latest}"
        )
    )
    (pipeline / "components/predict.yml").write_text(
        PIPELINE["components/predict.yml"].replace("inputs:", "inputs:\n  model: {type: mlflow_model}")
    )
    assert "There is no 'iris@latest' among the models" in refused()
    workspace = settings.Settings(place, {}).workspace_id
    for kind in ("computes", "jobs", "environments", "components"):
        assert not arm.get(f"{workspace}/{kind}").json()["value"], kind


def test_a_pipeline_goes_on_after_ctrl_c_and_is_cancelled(
    aml: Aml, place: dict[str, str], flowers: None, pipeline: Path
) -> None:
    (pipeline / "code/predict.py").write_text("import time; print('waiting', flush=True); time.sleep(600)\n")
    with aml.start("pipeline", "--job-folder", str(pipeline)) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("step predict · Running"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, "".join(lines) + rest
    name = next(line.split()[1] for line in lines if line.startswith("job: "))
    assert f"aml jobs logs --follow {name}" in rest and f"aml jobs cancel {name}" in rest
    assert aml("jobs", "cancel", name).code == 0
    assert {step["status"] for step in aml("jobs", "list", "--parent", name, "--json").json} == {
        "Completed",
        "Canceled",
    }


def test_a_pipeline_that_somebody_else_cancels(aml: Aml, place: dict[str, str], flowers: None, pipeline: Path) -> None:
    (pipeline / "code/predict.py").write_text("import time; print('waiting', flush=True); time.sleep(600)\n")
    client = Workspace(settings.Settings(place, {})).client
    said = cancelled_by_another(aml, client, "predict", "pipeline", "--job-folder", pipeline, "--json")
    assert said.code == 3 and said.json["status"] == "Canceled", said.err
    assert {step["step"]: step["status"] for step in said.json["steps"]} == {
        "split": "Completed",
        "predict": "Canceled",
    }
    assert f"error: Job {said.json['name']} was cancelled after " in said.err and "Traceback" not in said.err
    assert f"aml jobs logs {said.json['name']}" in said.err and "waiting" not in said.out


def test_a_pipeline_that_asks_for_the_commit_is_given_it(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    declared = {"git_commit": {"type": "string", "optional": True}}
    assert with_commit({}, declared, tmp_path) == {}, "there is no repository"
    git("init")
    (tmp_path / "pipeline.yml").write_text("")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert with_commit({}, declared, tmp_path) == {"git_commit": head}
    assert with_commit({"git_commit": "mine"}, declared, tmp_path) == {"git_commit": "mine"}
    assert with_commit({}, {}, tmp_path) == {}, "it was not asked for"
    (tmp_path / "pipeline.yml").write_text("other")
    assert with_commit({}, declared, tmp_path) == {"git_commit": f"{head}-dirty"}

"""The training pipeline's YAML, without a network: what the SDK takes, and how the steps connect."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from azure.ai.ml import load_component, load_job

from runner import component
from runner.errors import Mistake

FOLDER = Path(__file__).parents[2] / "jobs" / "pipeline_two_step"
BATCH_SINGLE_STEP = FOLDER.parent / "batch_single_step"
JOB = FOLDER / "job"
CONFIG = JOB / "cfg" / "train_config.yaml"
STEPS = ("ingest", "split", "train", "predict")
COMPONENTS = sorted(FOLDER.glob("components/*/*.yml"))
PIPELINES = [FOLDER / "pipeline.yml", FOLDER / "score.yml"]


@pytest.mark.parametrize("file", [*COMPONENTS, *PIPELINES], ids=lambda file: file.stem)
def test_each_component_is_one_that_the_sdk_takes(file):
    made = load_component(file)
    assert made._validate().passed and made.version is None
    if made.type == "pipeline":
        return
    assert (file.parent / made.code).resolve() == JOB and made.command.startswith(f"python {file.stem}.py ")
    used = set(re.findall(r"\$\{\{(\w+\.\w+)\}\}", made.command))
    assert used == {f"inputs.{key}" for key in made.inputs} | {f"outputs.{key}" for key in made.outputs}
    for key, port in made.inputs.items():
        assert bool(port.optional) == (f"$[[--{key.replace('_', '-')} ${{{{inputs.{key}}}}}]]" in made.command)


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_the_steps_connect(file, tmp_path):
    read = component.read(file, "digest", lambda kind, name, label: "1")
    assert read.graph.names[0] == "ingest" and read.graph.names[-1] == "predict"
    model = yaml.safe_load(CONFIG.read_text())["model"]["name"]
    assert read.models() == ([(model, "1")] if file.stem == "score" else [])
    for name in ("components", "job"):
        shutil.copytree(FOLDER / name, tmp_path / name)
    (tmp_path / file.name).write_text(file.read_text().replace("jobs.ingest.outputs.data", "inputs.input_data"))
    with pytest.raises(Mistake) as mistake:
        component.read(tmp_path / file.name, "digest", lambda kind, name, label: "1")
    assert any("takes a uri_folder, and is given a uri_file" in line for line in mistake.value.details)


def test_the_job_runs_the_component():
    job = load_job(FOLDER / "job.yml")
    assert job._validate().passed and set(job.jobs) == set(STEPS)


@pytest.mark.parametrize("file", ["environment/conda.yaml", "cfg/config.yaml"])
def test_environment_and_configuration_are_those_of_the_experiment(file):
    """The settings name one environment and one compute for both jobs, and one build serves both."""
    assert (FOLDER / file).read_bytes() == (BATCH_SINGLE_STEP / file).read_bytes()

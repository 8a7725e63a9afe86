"""Pipeline jobs through ``MLClient``: YAML files and the ``dsl`` decorator, what runs, what is listed, what goes wrong."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import MLClient, load_job
from azure.ai.ml.entities import Environment, Job, Workspace
from azure.ai.ml.exceptions import JobException, PipelineChildJobError

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator.test_jobs import IMAGE, details, ended, log_of


@pytest.fixture(scope="module")
def client(azure: Emulator) -> MLClient:
    from azure.identity import EnvironmentCredential

    arm, group, name = Arm(azure), f"g-{uuid.uuid4().hex[:10]}", f"w-{uuid.uuid4().hex[:10]}"
    answer = arm.put(f"/subscriptions/{arm.subscription}/resourceGroups/{group}", {"location": "westeurope"})
    assert answer.status_code == 201, answer.text
    client = MLClient(EnvironmentCredential(), arm.subscription, group, name)
    client.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()
    client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))
    return client


def step(command: str, inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    """A command in line, in the default environment."""
    told = {"type": "command", "command": command, "environment": "azureml:plain:1"}
    return {**told, "inputs": inputs or {}, "outputs": outputs or {}, **more}


def pipeline(folder: Path, jobs: dict[str, Any], **more: Any) -> Job:
    """A pipeline job from a YAML file."""
    path = folder / f"{uuid.uuid4().hex}.yml"
    told = {"type": "pipeline", "settings": {"default_compute": "azureml:serverless"}, "jobs": jobs, **more}
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return load_job(path)


def children(client: MLClient, job: Job) -> dict[str, Job]:
    return {str(child.display_name): child for child in client.jobs.list(parent_job_name=str(job.name))}


def test_two_steps_run_in_their_order(client: MLClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.jobs.create_or_update(
        pipeline(
            tmp_path,
            {
                "second": step(
                    "cat ${{inputs.made}}/x > ${{outputs.end}}/y; echo $AZUREML_ROOT_RUN_ID",
                    {"made": "${{parent.jobs.first.outputs.made}}"},
                    {"end": "${{parent.outputs.end}}"},
                ),
                "first": step(
                    "echo ${{inputs.word}} > ${{outputs.made}}/x",
                    {"word": "${{parent.inputs.word}}-2"},
                    {"made": {"type": "uri_folder"}},
                ),
            },
            inputs={"word": "hello"},
            outputs={"end": {"type": "uri_folder", "name": f"end-{tmp_path.name}"}},
            experiment_name="e-pipe",
            tags={"a": "b"},
        )
    )
    assert job.status == "Preparing"
    client.jobs.stream(str(job.name))
    printed = capsys.readouterr().out
    assert "Streaming logs/azureml/executionlogs.txt" in printed and "Execution Summary" in printed
    job = ended(client, job)
    assert (job.type, job.tags, job.experiment_name) == ("pipeline", {"a": "b"}, "e-pipe")
    assert list(job.jobs) == ["second", "first"]  # type: ignore[attr-defined]
    steps = children(client, job)
    assert {name: one.status for name, one in steps.items()} == {"first": "Completed", "second": "Completed"}
    assert steps["second"].properties["azureml.moduleName"] == "second"
    assert steps["second"].properties["azureml.pipelinerunid"] == job.name
    assert client.jobs.get(str(steps["first"].name)).status == "Completed"
    assert log_of(client, steps["second"]) == f"{job.name}\n"
    client.jobs.download(str(job.name), download_path=tmp_path / "down", output_name="end")
    assert (tmp_path / "down/named-outputs/end/y").read_text() == "hello-2\n"
    made = details(client, steps["first"]).outputs["made"].asset_id
    client.jobs.download(str(steps["first"].name), download_path=tmp_path / "first", output_name="made")
    assert (tmp_path / "first/named-outputs/made/x").read_text() == "hello-2\n" and made
    assert f"/azureml/{steps['second'].name}/end/" in str(client.data.get(f"end-{tmp_path.name}", "1").path)
    with pytest.raises(PipelineChildJobError):
        client.jobs.stream(str(steps["first"].name))


def test_a_step_that_fails_fails_the_pipeline(client: MLClient, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(
        pipeline(
            tmp_path,
            {
                "bad": step("echo oh no; exit 3", outputs={"o": {"type": "uri_folder"}}),
                "after": step("ls ${{inputs.i}}", {"i": "${{parent.jobs.bad.outputs.o}}"}),
            },
        )
    )
    with pytest.raises(JobException, match="Failed nodes: /bad.*status code 3.*oh no"):
        client.jobs.stream(str(job.name))
    steps = children(client, ended(client, job, "Failed"))
    assert {name: one.status for name, one in steps.items()} == {"bad": "Failed", "after": "Canceled"}

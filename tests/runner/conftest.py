"""The runner's commands, called as people call them, with the settings of a workspace of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient

from runner import settings
from runner.main import main
from tests.conftest import Arm
from tests.waiting import until

ROOT = Path(__file__).parents[2]


def heed_interrupt() -> None:
    """In a child that is to get Ctrl-C: a suite in the background of a script was told to ignore it, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Said:
    """What a command line ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Aml:
    """``aml("jobs", "list")`` in this process; ``aml.program`` is the installed one."""

    program = Path(sys.executable).with_name("aml")

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str | Path) -> Said:
        self._capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return Said(code, out, err)

    def start(self, *args: str, **kwargs: Any) -> subprocess.Popen[str]:
        words, pipes = [str(self.program), *args], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(words, text=True, preexec_fn=heed_interrupt, **pipes, **kwargs)


@pytest.fixture
def aml(capsys: pytest.CaptureFixture[str]) -> Aml:
    return Aml(capsys)


@pytest.fixture(scope="session", autouse=True)
def on_path() -> Iterator[None]:
    """``aml`` is on PATH, so that what is to be typed next reads the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Aml.program.parent), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def a_project(tmp_path: Path) -> None:
    """A test's own folder is a project's top: nothing of this checkout's ``.env`` and ``.local`` is seen from there."""
    (tmp_path / "pyproject.toml").touch()


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting in the process."""
    for name in settings.NAMES:
        monkeypatch.delenv(name, raising=False)
    yield


def put(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def place(arm: Arm, group: str, unset: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The settings of a workspace of the test's own, in the process; its default blob store is the datastore."""
    suffix = uuid.uuid4().hex[:10]
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{suffix}"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv-{suffix}"
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw-{suffix}"
    tenant = {
        "tenantId": os.environ["AZURE_TENANT_ID"],
        "sku": {"family": "A", "name": "standard"},
        "accessPolicies": [],
    }
    made(arm, account, {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}})
    made(arm, vault, {"properties": tenant})
    bound = {"storageAccount": account, "keyVault": vault}
    made(arm, workspace, {"identity": {"type": "SystemAssigned"}, "properties": bound})
    values = {
        settings.SUBSCRIPTION: arm.subscription,
        settings.GROUP: group.rpartition("/")[2],
        settings.WORKSPACE: f"mlw-{suffix}",
        settings.COMPUTE: "cpu-cluster",
        settings.EXPERIMENT: "trial",
        settings.DATASTORE: "workspaceblobstore",
        settings.ENDPOINT: "trial-batch",
        settings.ENVIRONMENT: "trial-environment",
        settings.ENVIRONMENT_VERSION: "1",
    }
    put(monkeypatch, values)
    monkeypatch.chdir(tmp_path)
    return values


def made(arm: Arm, id: str, body: Mapping[str, Any]) -> None:
    """A resource, PUT and waited for."""
    answer = arm.put(id, {"location": "westeurope", **body})
    assert answer.status_code in (200, 201, 202), answer.text
    until(lambda: arm.get(id).json().get("properties", {}).get("provisioningState") == "Succeeded", 30)


def cancelled_by_another(aml: Aml, client: MLClient, step: str | None, *command: str | Path) -> Said:
    """What ``command`` said, whose job somebody else cancels once it, or its ``step``, runs."""
    before, ended = {job.name for job in client.jobs.list()}, threading.Event()

    def cancel() -> None:
        while not ended.wait(0.1):
            for job in [job for job in client.jobs.list() if job.name not in before]:
                runs = [job] if step is None else client.jobs.list(parent_job_name=job.name)
                if any(one.status == "Running" and step in (None, one.display_name) for one in runs):
                    return client.jobs.begin_cancel(job.name).wait()

    other = threading.Thread(target=cancel)
    other.start()
    try:
        return aml(*command)
    finally:
        ended.set()
        other.join()


PIPELINE = {
    "pipeline.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: trial_pipeline
inputs:
  data: {type: uri_file}
outputs:
  scores: {type: uri_folder}
  gate: {type: uri_file}
jobs:
  split:
    type: command
    component: components/split.yml
    inputs: {data: "${{parent.inputs.data}}"}
  predict:
    type: command
    component: components/predict.yml
    inputs: {rest: "${{parent.jobs.split.outputs.rest}}", how: well}
    outputs: {scores: "${{parent.outputs.scores}}", gate: "${{parent.outputs.gate}}"}
""",
    "components/split.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: trial_split
inputs:
  data: {type: uri_file}
outputs:
  rest: {type: uri_folder}
code: ../code
environment: azureml:trial-environment:1
command: python split.py ${{inputs.data}} ${{outputs.rest}}
""",
    "components/predict.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: trial_predict
inputs:
  rest: {type: uri_folder}
  how: {type: string}
  seed: {type: integer, default: 0}
outputs:
  scores: {type: uri_folder}
  gate: {type: uri_file}
code: ../code
environment: azureml:trial-environment:1
command: python predict.py ${{inputs.rest}} ${{outputs.scores}} ${{outputs.gate}} ${{inputs.how}}
""",
    "code/split.py": """
import pathlib, shutil, sys
print("read", len(pathlib.Path(sys.argv[1]).read_text()), "characters")
shutil.copy(sys.argv[1], pathlib.Path(sys.argv[2]) / "rest.csv")
""",
    "code/predict.py": """
import csv, json, pathlib, sys
rest, scores, gate, how = sys.argv[1:]
if how == "badly":
    sys.exit("the rows are not good")
rows = list(csv.DictReader((pathlib.Path(rest) / "rest.csv").open()))
with (pathlib.Path(scores) / "scores.csv").open("w", newline="") as file:
    out = csv.writer(file)
    out.writerow(["id", "prediction"])
    out.writerows([row["id"], "rose" if how == "oddly" else "setosa"] for row in rows)
said = {"passed": how != "weakly", "reason": "accuracy 0.5 is below the floor 0.9", "metrics": {"accuracy": 0.5}}
pathlib.Path(gate).write_text(json.dumps(said))
""",
    "job.yml": """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: trial-pipeline
component: pipeline.yml
inputs:
  data: {type: uri_file, path: azureml://datastores/workspaceblobstore/paths/data/flowers.csv}
""",
    "smoke/pipeline.yml": """
inputs: {data: sample.csv}
scores:
  output: scores
  rows: input
  columns: [id, prediction]
  classes: {prediction: [setosa]}
gate: gate
""",
    "smoke/sample.csv": "id,length\n1,5.1\n2,4.9\n",
    "environment/conda.yaml": f"name: x\ndependencies:\n  - python={sys.version_info.major}.{sys.version_info.minor}\n",
    "cfg/config.yaml": "compute: {size: Standard_DS3_v2, max_instances: 2}\n",
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline's folder of the smallest kind: no packages, so that its environment is made in a moment."""
    folder = tmp_path / "trial_pipeline"
    for name, text in PIPELINE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder

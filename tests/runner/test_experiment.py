"""``aml experiment`` on a small job, from a file in the datastore to the metrics; and everything that is refused before."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from runner import settings
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.runner.conftest import ROOT, Aml, cancelled_by_another

JOB = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
code: job
command: python run.py --input ${{inputs.input_data}} --output ${{outputs.output_data}} --how ${{inputs.how}}
inputs:
  input_data: {type: uri_file, path: azureml://datastores/x/paths/y}
  how: well
outputs:
  output_data: {type: uri_folder}
environment: azureml:x:1
compute: azureml:x
"""
RUN = """
import argparse, pathlib, sys, time
parser = argparse.ArgumentParser()
for name in ("--input", "--output", "--how"):
    parser.add_argument(name)
given = parser.parse_args()
text = pathlib.Path(given.input).read_text()
print("read", len(text), "characters", flush=True)
if given.how == "badly":
    sys.exit("the data is not good")
if given.how == "long":
    time.sleep(600)
if given.how == "much":
    for number in range(100_000):
        print(f"line {number:06} " + "." * 70)
(pathlib.Path(given.output) / "count.txt").write_text(str(len(text)))
"""
CONDA = f"name: x\ndependencies:\n  - python={sys.version_info.major}.{sys.version_info.minor}\n"
RUNNING = ("--input-data-path", "/data/iris.csv", "--output-data-path", "/out")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job folder of the smallest kind: no packages, so that its environment is made in a moment."""
    folder = tmp_path / "trial"
    for name, text in {
        "job.yml": JOB,
        "job/run.py": RUN,
        "environment/conda.yaml": CONDA,
        "cfg/config.yaml": "compute: {size: Standard_DS3_v2, max_instances: 2}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def data(aml: Aml, place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("a,b\n1,2\n")
    assert aml("data", "upload", tmp_path / "iris.csv", "/data/").code == 0


def how(job: Path, word: str) -> None:
    (job / "job.yml").write_text(JOB.replace("how: well", f"how: {word}"))


def nothing_was_made(arm: Arm, place: dict[str, str]) -> bool:
    workspace = settings.Settings(place, {}).workspace_id
    return all(not arm.get(f"{workspace}/{kind}").json()["value"] for kind in ("computes", "jobs", "environments"))


def test_from_nothing_to_the_outputs(aml: Aml, place: dict[str, str], data: None, job: Path, arm: Arm) -> None:
    said = aml("experiment", *RUNNING, "--job-folder", job, "--set", "compute.max_instances=1", "--json")
    assert said.code == 0, said.err
    assert said.err.startswith("target: workspace")
    assert "compute cpu-cluster does not exist: making it" in said.err
    assert "environment trial-environment:1 does not exist: making it from conda.yaml" in said.err
    assert "read 8 characters" in said.err and "link: http" in said.err and "experimental" not in said.err
    result = said.json
    assert result["status"] == "Completed" and result["error"] is None
    assert result["outputs"]["output_data"].endswith("datastores/workspaceblobstore/paths/out/")
    assert [entry["path"] for entry in aml("data", "list", "/out", "--json").json] == ["/out/count.txt"]

    compute = arm.get(f"{settings.Settings(place, {}).workspace_id}/computes/cpu-cluster").json()
    assert compute["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 1
    shown = aml("jobs", "show", result["name"], "--json").json
    assert shown["status"] == "Completed" and shown["experiment_name"] == "trial" and shown["compute"] == "cpu-cluster"
    assert [one["name"] for one in aml("jobs", "list", "--json").json] == [result["name"]]
    assert "read 8 characters" in aml("jobs", "logs", result["name"]).out

    fetched = aml("jobs", "download", result["name"], "--to", job / "fetched")
    assert fetched.code == 0 and (job / "fetched/named-outputs/output_data/count.txt").read_text() == "8"
    assert "read 8 characters" in (job / "fetched/artifacts/user_logs/std_log.txt").read_text()

    again = aml("experiment", *RUNNING, "--job-folder", job, "--no-wait")
    assert again.code == 0 and "does not exist" not in again.err
    name = again.out.strip()
    followed = aml("jobs", "logs", "--follow", name)
    assert followed.code == 0 and "read 8 characters" in followed.out and f"{name} · Completed" in followed.err
    assert aml("jobs", "archive", name).code == 0
    assert name not in aml("jobs", "list").out and name in aml("jobs", "list", "--archived").out
    assert aml("jobs", "restore", name).code == 0 and name in aml("jobs", "list").out


def test_a_job_that_fails_ends_with_3_and_its_last_lines(
    aml: Aml, place: dict[str, str], data: None, job: Path
) -> None:
    how(job, "badly")
    said = aml("experiment", *RUNNING, "--job-folder", job, "--json")
    assert said.code == 3 and said.json["status"] == "Failed"
    log, error = said.err.split("error: ")[0], said.err.rpartition("error: ")[2]
    assert "the data is not good" in log and error.count("the data is not good") == 1, said.err
    assert f"aml jobs logs {said.json['name']}" in said.err and "Traceback" not in said.err


def test_a_job_that_hangs_past_its_timeout_is_said(aml: Aml, place: dict[str, str], data: None, job: Path) -> None:
    (job / "job.yml").write_text(JOB.replace("how: well", "how: long") + "limits: {timeout: 2}\n")
    said = aml("experiment", *RUNNING, "--job-folder", job)
    assert said.code == 3 and "was cancelled at its time limit of 2 s" in said.err, said.err


def test_a_long_log_comes_whole(aml: Aml, place: dict[str, str], data: None, job: Path) -> None:
    """Eight megabytes: more than are asked for at once."""
    how(job, "much")
    name = aml("experiment", *RUNNING, "--job-folder", job, "--no-wait", "--json").json["name"]
    said = aml("jobs", "logs", "--follow", name)
    lines = [line for line in said.out.splitlines() if line.startswith("line ")]
    assert said.code == 0 and len(lines) == 100_000
    assert all(line == f"line {number:06} {'.' * 70}" for number, line in enumerate(lines))


@pytest.mark.parametrize(
    ("conda", "said"),
    [
        ("dependencies: [python=3.4]\n", "3.4"),
        (
            "dependencies: [python, {pip: [there-is-no-such-package-of-ours==1.0]}]\n",
            "there-is-no-such-package-of-ours",
        ),
    ],
)
def test_an_environment_that_cannot_be_made_fails_the_job_and_says_why(
    aml: Aml, place: dict[str, str], data: None, job: Path, conda: str, said: str
) -> None:
    (job / "environment" / "conda.yaml").write_text(conda)
    ended = aml("experiment", *RUNNING, "--job-folder", job, "--json")
    assert ended.code == 3 and ended.json["status"] == "Failed" and said in ended.json["error"], ended.err


def test_a_job_is_followed_until_ctrl_c_and_cancelled(aml: Aml, place: dict[str, str], data: None, job: Path) -> None:
    how(job, "long")
    with aml.start("experiment", *RUNNING, "--job-folder", str(job)) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "read 8 characters" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    name = next(line.split()[1] for line in lines if line.startswith("job: "))
    assert f"job {name} goes on" in rest and f"aml jobs cancel {name}" in rest and "Traceback" not in rest
    assert aml("jobs", "show", name, "--json").json["status"] == "Running"
    refused = aml("jobs", "download", name)
    assert refused.code == 1 and "is Running" in refused.err

    started = time.monotonic()
    assert name in aml("jobs", "cancel", "--started").err
    assert "no job that was started here goes on" in aml("jobs", "cancel", "--started").err
    assert aml("jobs", "cancel").code == 1
    assert time.monotonic() - started < 30
    assert aml("jobs", "show", name, "--json").json["status"] == "Canceled"
    assert "Canceled" in aml("jobs", "cancel", name).err, "an ended job is left as it is"
    assert aml("jobs", "logs", "--follow", name).code == 3


def test_a_job_that_somebody_else_cancels(aml: Aml, place: dict[str, str], data: None, job: Path) -> None:
    how(job, "long")
    client = Workspace(settings.Settings(place, {})).client
    said = cancelled_by_another(aml, client, None, "experiment", *RUNNING, "--job-folder", job, "--json")
    assert said.code == 3 and said.json["status"] == "Canceled", said.err
    assert f"error: Job {said.json['name']} was cancelled after " in said.err and "Traceback" not in said.err
    assert f"aml jobs logs {said.json['name']}" in said.err


def test_an_input_that_is_not_there_is_refused_before_anything_is_made(
    aml: Aml, place: dict[str, str], data: None, job: Path, arm: Arm
) -> None:
    def refused(path: str) -> str:
        said = aml("experiment", "--input-data-path", path, "--output-data-path", "/", "--job-folder", job)
        assert said.code == 1 and said.out == ""
        return said.err

    assert "There is '/data/iris.csv': only the case differs" in refused("/data/Iris.csv")
    assert "Did you mean '/data/iris.csv'?" in refused("/data/iri.csv")
    assert "There are: /data/iris.csv." in refused("/quite/another/thing")
    assert "is a folder; the job's input_data is a uri_file" in refused("/data")
    assert "leaves the datastore" in refused("/../iris.csv")
    onto = aml(
        "experiment", "--input-data-path", "/data/iris.csv", "--output-data-path", "/data/iris.csv", "--job-folder", job
    )
    assert onto.code == 1 and "'/data/iris.csv' in datastore 'workspaceblobstore' is a file" in onto.err
    assert nothing_was_made(arm, place)


def test_a_registered_environment_with_other_dependencies_is_refused_with_the_difference(
    aml: Aml, place: dict[str, str], data: None, job: Path, arm: Arm
) -> None:
    workspace = settings.Settings(place, {}).workspace_id
    properties = {
        "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
        "condaFile": json.dumps({"dependencies": ["python=3.9", "numpy==1.26"]}),
    }
    answer = arm.put(f"{workspace}/environments/trial-environment/versions/1", {"properties": properties})
    assert answer.status_code in (200, 201), answer.text
    (job / "environment" / "conda.yaml").write_text("dependencies: [python=3.9, numpy==2.0]\n")
    said = aml("experiment", *RUNNING, "--job-folder", job)
    assert said.code == 1, said.err
    row = next(line for line in said.err.splitlines() if "numpy" in line)
    assert row.split() == ["numpy", "==2.0", "==1.26"] and "AZURE_ML_ENVIRONMENT_VERSION" in said.err
    assert not arm.get(f"{workspace}/computes").json()["value"], "no cluster was made for a job that is refused"

    (job / "environment" / "conda.yaml").write_text("dependencies: [python=3.9, numpy=1.26.0]\n")
    validated = aml("validate", "--config-path", job / "cfg" / "config.yaml", "--json")
    assert validated.code == 1 and [one["package"] for one in validated.json] == ["numpy", "python"]


def test_a_size_that_does_not_exist_is_refused(
    aml: Aml, place: dict[str, str], data: None, job: Path, arm: Arm
) -> None:
    said = aml("experiment", *RUNNING, "--job-folder", job, "--set", "compute.size=Standard_DS3_v22")
    assert said.code == 1 and "There is no VM size 'Standard_DS3_v22'" in said.err
    assert "standard_ds3_v2" in said.err.lower() and nothing_was_made(arm, place)


def test_a_datastore_that_does_not_exist_is_refused(
    aml: Aml, place: dict[str, str], data: None, job: Path, arm: Arm
) -> None:
    said = aml("experiment", *RUNNING, "--job-folder", job, "--datastore", "workspaceblobstor")
    assert said.code == 1 and "Did you mean 'workspaceblobstore'" in said.err and nothing_was_made(arm, place)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("cfg/config.yaml", "compute: {max: 3}\n", "'compute.max' is not a key of compute"),
        ("cfg/config.yaml", "environment: {conda_file: none.yaml}\n", "There is no conda file"),
        ("environment/conda.yaml", "dependencies: [{pip: [a=1]}]\n", "under pip, 'a=1'"),
        ("job.yml", JOB.replace("  input_data:", "  data:"), "has no input 'input_data'"),
        ("job.yml", JOB.replace("  output_data:", "  result:"), "has no output 'output_data'"),
        ("job.yml", JOB.replace("code: job", "code: nowhere"), "does not exist"),
        ("job.yml", "type: [\n", "is not YAML"),
    ],
)
def test_a_mistake_in_a_file_is_found_without_any_network(
    aml: Aml, unset: None, job: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, said: str
) -> None:
    (job / file).write_text(text)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    values = ["--subscription", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "--resource-group", "rg", "--workspace", "mlw"]
    names = ["--compute", "cpu", "--experiment-name", "x", "--datastore", "d", "--environment-name", "e"]
    ended = aml("experiment", *RUNNING, "--job-folder", job, *values, *names, "--environment-version", "1")
    assert ended.code == 1 and said in ended.err and "Traceback" not in ended.err, ended.err


def test_a_job_that_does_not_exist_names_the_near_ones(aml: Aml, place: dict[str, str]) -> None:
    for command in ("show", "logs", "cancel", "download", "archive"):
        said = aml("jobs", command, "brave_ant")
        assert said.code == 1 and "There is no job 'brave_ant'" in said.err, said.err
        assert "is not a job's name" in aml("jobs", command, "../x").err


def test_doctor_finds_nothing_wrong(aml: Aml, place: dict[str, str], data: None, job: Path) -> None:
    said = aml("doctor", "--config-path", job / "cfg" / "config.yaml", "--json")
    assert said.code == 0, said.out
    found = {finding["check"]: finding["level"] for finding in said.json}
    assert (
        found["target"] == found["datastore"] == found["compute"] == found["environment"] == found["tracking"] == "ok"
    )


def test_the_ide_door_is_the_same_command() -> None:
    import subprocess

    door = ROOT / "jobs/batch_single_step/main.py"
    ended = subprocess.run([sys.executable, door, "--help"], capture_output=True, text=True)
    assert ended.returncode == 0 and "--input-data-path" in ended.stdout

"""Command jobs through ``MLClient``: they really run, and each kind of success has a twin that fails."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import Data, Environment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.conftest import Arm
from tests.waiting import until
from tests.emulator.jobs import IMAGE, details, ended, log_of, submit


def test_a_job_runs_and_says_so(client: MLClient) -> None:
    job = submit(
        client, "echo out; echo err >&2", display_name="First", experiment_name="e-1", tags={"a": "1"}, description="d"
    )
    assert job.status == "Starting"
    job = ended(client, job)
    assert log_of(client, job) == "out\nerr\n"
    assert (job.display_name, job.experiment_name, job.tags, job.description) == ("First", "e-1", {"a": "1"}, "d")
    assert job.services is not None and f"/runs/{job.name}?" in job.services["Studio"].endpoint
    found = details(client, job)
    assert found.start_time_utc <= found.end_time_utc and found.error is None
    assert "system_logs/lifecycler/lifecycler.log" in found.log_files


def test_an_exit_code_fails_the_job_with_its_last_lines(client: MLClient, capsys: pytest.CaptureFixture[str]) -> None:
    job = submit(client, "seq 1 100; python -c 'raise SystemExit(3)'")
    with pytest.raises(JobException, match="exited with status code 3") as raised:
        client.jobs.stream(str(job.name))
    assert "user_logs/std_log.txt" in str(raised.value) and "100" in str(raised.value)
    assert "RunId: " in capsys.readouterr().out
    error = details(client, ended(client, job, "Failed")).error
    assert (error.error.code, error.error.inner_error.code) == ("UserError", "ExecutionFailed")


def test_streaming_prints_what_the_job_printed(client: MLClient, capsys: pytest.CaptureFixture[str]) -> None:
    job = submit(client, "echo first; sleep 1.5; echo last")
    client.jobs.stream(str(job.name))
    printed = capsys.readouterr().out
    assert printed.index("Streaming user_logs/std_log.txt") < printed.index("first") < printed.index("last")
    assert "Execution Summary" in printed


def test_the_log_grows_while_the_job_runs(client: MLClient) -> None:
    job = submit(client, "echo early; sleep 60")
    until(lambda: log_of(client, job) == "early\n")
    assert client.jobs.get(str(job.name)).status == "Running"
    client.jobs.begin_cancel(str(job.name)).result()


def test_cancel_ends_the_whole_tree_within_five_seconds(client: MLClient, tmp_path: Path) -> None:
    import psutil

    mark = f"sleep 30{uuid.uuid4().int % 10000}"
    job = submit(
        client, f"setsid bash -c 'setsid {mark} & {mark}' & trap '' TERM; echo up; while :; do sleep 0.2; done"
    )
    until(lambda: "up" in log_of(client, job))

    def left() -> list[str]:
        found = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
        return [line for line in found if mark in line]

    assert len(left()) >= 2
    asked = time.monotonic()
    client.jobs.begin_cancel(str(job.name)).result()
    ended(client, job, "Canceled")
    assert time.monotonic() - asked < 5
    assert left() == []
    with pytest.raises(HttpResponseError, match="Completed|Canceled|Failed") as refused:
        client.jobs.begin_cancel(str(ended(client, submit(client, "true")).name)).result()
    assert refused.value.status_code == 400


def test_a_timeout_cancels_with_its_reason(client: MLClient) -> None:
    from azure.ai.ml.entities import CommandJobLimits

    job = submit(client, "echo began; sleep 60", limits=CommandJobLimits(timeout=1))
    job = ended(client, job, "Canceled")
    assert [one.message for one in details(client, job).warnings] == [
        "The job was canceled because it ran longer than its limits.timeout, PT1S."
    ]
    assert log_of(client, job) == "began\n"


def test_literals_inputs_and_optional_parts(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    job = submit(
        client,
        "cat ${{inputs.data}}; echo ${{inputs.rate}} ${{inputs.on}} $[[--more ${{inputs.more}}]] $AZURE_ML_INPUT_rate "
        "$AZUREML_PARAMETER_rate $THREADS $CACHED",
        inputs={"data": Input(type="uri_file", path=str(tmp_path / "a.csv")), "rate": 0.5, "on": True},
        environment_variables={"THREADS": 3, "CACHED": True},  # as YAML has them without quotes
    )
    assert log_of(client, ended(client, job)) == "x,y\n1,2\n0.5 True 0.5 0.5 3 true\n"


def test_an_input_that_is_not_there_fails_by_its_name(client: MLClient) -> None:
    missing = Input(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/no/such.csv")
    error = details(
        client, ended(client, submit(client, "cat ${{inputs.a}}", inputs={"a": missing}), "Failed")
    ).error.error
    assert error.inner_error.code == "ScriptExecution.StreamAccess.NotFound"
    assert "no/such.csv" in error.message
    public = Input(type="uri_file", path="https://azuremlexamples.blob.core.windows.net/datasets/iris.csv")
    error = details(client, ended(client, submit(client, "cat ${{inputs.a}}", inputs={"a": public}), "Failed")).error
    assert "'datasets/iris.csv' of 'azuremlexamples' cannot be reached" in error.error.message


def test_code_outputs_and_download(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/run.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path('outputs/deep').mkdir()\n"
        "pathlib.Path('outputs/deep/a.txt').write_text('a')\n"
        "pathlib.Path('logs/own.txt').write_text('mine')\n"
        "pathlib.Path(sys.argv[1], 'model.bin').write_bytes(b'model')\n"
        "for folder in (b'outputs', sys.argv[1].encode()):\n"
        "    open(folder + b'/no\\xfftext\\n', 'w').close()\n"
        "pathlib.Path(sys.argv[2]).write_text('file')\n"
    )
    place = f"azureml://datastores/workspaceblobstore/paths/mine/{uuid.uuid4().hex}/"
    job = submit(
        client,
        "python run.py ${{outputs.model}} ${{outputs.file}}",
        code=str(tmp_path / "src"),
        outputs={
            "model": Output(type="uri_folder", name="m-registered"),
            "file": Output(type="uri_file", path=f"{place}${{{{name}}}}.txt"),
        },
    )
    job = ended(client, job)
    client.jobs.download(str(job.name), download_path=tmp_path / "down", all=True)
    assert (tmp_path / "down/artifacts/outputs/deep/a.txt").read_text() == "a"
    assert (tmp_path / "down/artifacts/outputs/no_text_").exists()  # a name that no blob can have is brought near one
    assert (tmp_path / "down/artifacts/logs/own.txt").read_text() == "mine"
    assert (tmp_path / "down/named-outputs/model/model.bin").read_bytes() == b"model"
    client.jobs.download(str(job.name), download_path=tmp_path / "one", output_name="file")
    assert [path.read_text() for path in (tmp_path / "one").rglob("*.txt")] == ["file"]
    data: Data = client.data.get("m-registered", "1")
    assert str(data.path).endswith(f"/paths/azureml/{job.name}/model/")
    again = submit(client, "ls ${{inputs.m}}", inputs={"m": Input(type="uri_folder", path="azureml:m-registered:1")})
    assert log_of(client, ended(client, again)) == "model.bin\nno_text_\n"


def test_download_waits_for_the_end(client: MLClient, tmp_path: Path) -> None:
    job = submit(client, "sleep 60")
    with pytest.raises(JobException, match="Download is allowed only in states"):
        client.jobs.download(str(job.name), download_path=tmp_path)
    client.jobs.begin_cancel(str(job.name)).result()


def test_what_a_process_is_told(client: MLClient) -> None:
    job = submit(client, "env; pwd", environment_variables={"MINE": "a b", "AZUREML_RUN_ID": "forged"})
    lines = log_of(client, ended(client, job)).splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    assert (told["MINE"], told["AZUREML_RUN_ID"], told["MLFLOW_RUN_ID"]) == ("a b", job.name, job.name)
    assert told["AZUREML_ARM_WORKSPACE_NAME"] == client.workspace_name
    assert told["MLFLOW_TRACKING_URI"].startswith("azureml://")
    assert told["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert "AZURE_CLIENT_SECRET" not in told and "SSH_AUTH_SOCK" not in told


def test_nothing_of_the_starting_process_leaks(client: MLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(client, "env | cut -d= -f1 | sort")
    names = set(log_of(client, ended(client, job)).split())
    import os

    allowed = {"PATH", "HOME", "LANG", "SHELL", "PWD", "SHLVL", "_", "TMPDIR", "VIRTUAL_ENV", "PYTHONUNBUFFERED"}
    leaked = {
        name for name in names & set(os.environ) if not name.startswith(("AZUREML_", "MLFLOW_", "MSI_", "IDENTITY_"))
    }
    assert (
        leaked
        - allowed
        - {name for name in names if name.lower().endswith(("proxy", "_cert_file", "_ca_bundle", "_ca_certs"))}
        == set()
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compute": "nowhere"}, "The compute 'nowhere' was not found in the workspace"),
        ({"environment": "azureml:nothing:1"}, "nothing"),
        ({"inputs": {"a": Input(type="uri_file", path="azureml://datastores/nostore/paths/a")}}, "nostore"),
        ({"experiment_name": "a b"}, "Experiment name 'a b' is invalid"),
        ({"name": "-bad"}, "Job name '-bad' is invalid"),
    ],
)
def test_a_request_that_names_what_is_not_there_is_refused(client: MLClient, options: Any, said: str) -> None:
    job = command(command="true", **{"environment": "plain:1", **options})
    with pytest.raises(HttpResponseError, match=said):
        client.jobs.create_or_update(job)


def test_only_names_and_tags_of_a_job_can_change(client: MLClient) -> None:
    job = ended(client, submit(client, "true", tags={"a": "1"}))
    client.jobs.update(str(job.name), display_name="Other", tags={"b": "2"}, description="said")
    found = client.jobs.get(str(job.name))
    assert (found.display_name, found.tags, found.description) == ("Other", {"a": "1", "b": "2"}, "said")
    with pytest.raises(HttpResponseError, match="existing job's command cannot be changed"):
        submit(client, "false", name=job.name)
    assert ended(client, submit(client, "true", name=job.name, display_name="Other")).display_name == "Other"


def test_archive_hides_and_restore_shows(client: MLClient) -> None:
    from azure.ai.ml.constants import ListViewType

    job = ended(client, submit(client, "true"))
    client.jobs.archive(str(job.name))
    assert job.name not in [one.name for one in client.jobs.list()]
    assert job.name in [one.name for one in client.jobs.list(list_view_type=ListViewType.ARCHIVED_ONLY)]
    client.jobs.restore(str(job.name))
    assert job.name in [one.name for one in client.jobs.list()]


def test_a_job_that_ended_can_be_deleted(client: MLClient) -> None:
    job = submit(client, "sleep 60")
    with pytest.raises(HttpResponseError, match="Cancel it, or wait for its end") as refused:
        client.jobs.begin_delete(str(job.name)).result()
    assert refused.value.status_code == 409
    client.jobs.begin_cancel(str(job.name)).result()
    ended(client, job, "Canceled")
    client.jobs.begin_delete(str(job.name)).result()
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(str(job.name))


def test_an_environment_that_cannot_be_built_fails_the_job(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "conda.yaml").write_text("dependencies:\n- python=3.11\n- pip:\n  - no-such-package-at-all-4711==1\n")
    environment = Environment(image=IMAGE, conda_file=str(tmp_path / "conda.yaml"))
    job = ended(client, submit(client, "true", environment=environment), "Failed")
    found = details(client, job)
    assert found.error.error.inner_error.code == "ImageBuildFailure"
    assert "no-such-package-at-all-4711" in found.error.error.message
    assert "azureml-logs/20_image_build_log.txt" in found.log_files


@pytest.mark.parametrize("kind", ["Sweep", "AutoML", "Spark", "FineTuning"])
def test_other_types_of_jobs_are_not_emulated_by_name(client: MLClient, arm: Arm, kind: str) -> None:
    answer = arm.put(f"{client.workspaces.get(client.workspace_name).id}/jobs/j", {"properties": {"jobType": kind}})
    assert answer.status_code == 501 and f"{kind} jobs" in answer.json()["error"]["message"]


def test_a_job_acts_as_its_user_or_its_managed_identity(client: MLClient) -> None:
    line = "curl -s -H secret:$MSI_SECRET $MSI_ENDPOINT'?api-version=2017-09-01&resource=https://storage.azure.com' | head -c 16"
    job = ended(client, submit(client, line))
    assert log_of(client, job) == '{"access_token":'
    from azure.ai.ml import ManagedIdentityConfiguration, UserIdentityConfiguration

    line = (
        "curl -s $OBO_ENDPOINT'?resource=https://storage.azure.com' | head -c 16; curl -s ${OBO_ENDPOINT}x | cut -c1-9"
    )
    job = ended(client, submit(client, line, identity=UserIdentityConfiguration()))
    assert log_of(client, job) == '{"access_token":{"error":\n'
    refused = submit(client, "true", identity=ManagedIdentityConfiguration(client_id=str(uuid.uuid4())))
    assert "no such managed identity" in details(client, ended(client, refused, "Failed")).error.error.message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"properties": None},
        {"properties": {"jobType": "Command", "command": "true", "environmentId": "plain:1"}, "tags": {"a": "b"}},
        {"properties": "job"},
        {"properties": {"jobType": 3}},
        {"properties": {"jobType": "Command"}},
        {"properties": {"jobType": "Command", "command": ["a"], "environmentId": "e"}},
        {"properties": {"jobType": "Command", "command": "a\0b", "environmentId": "plain:1", "inputs": [1]}},
        {"properties": {"jobType": "Command", "command": "true", "environmentId": "../../x"}},
        {"properties": {"jobType": "Command", "command": "true", "environmentId": "plain:1", "codeId": "nothing"}},
        {"properties": {"jobType": "Command", "command": "true", "environmentId": "plain:1", "computeId": "/a/b"}},
        {
            "properties": {
                "jobType": "Command",
                "command": "true",
                "environmentId": "plain:1",
                "outputs": {"o": {"jobOutputType": "uri_file", "uri": "azureml://datastores/none/paths/x"}},
            }
        },
    ],
)
def test_a_malformed_job_is_a_client_error_in_azures_envelope(client: MLClient, arm: Arm, body: Any) -> None:
    answer = arm.put(f"{client.workspaces.get(client.workspace_name).id}/jobs/malformed", body)
    assert 400 <= answer.status_code < 500 and answer.json()["error"]["message"], answer.text
    assert arm.get(f"{client.workspaces.get(client.workspace_name).id}/jobs/malformed").status_code == 404

"""Command jobs through ``MLClient``: they really run, and each kind of success has a twin that fails."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import AmlCompute, ComputeInstance, Data, Environment, Job, Workspace
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Emulator
from tests.conftest import Arm

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
ENDED = ("Completed", "Failed", "Canceled")


def submit(client: MLClient, line: str, **options: Any) -> Job:
    # An anonymous environment of a plain image: the emulator's default one, built once for the whole run.
    options.setdefault("environment", "plain:1")
    job: Job = client.jobs.create_or_update(command(command=line, **options))
    return job


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (value := true()):
        assert time.monotonic() < deadline, "It did not come true in time."
        pause.wait(0.05)
    return value


def ended(client: MLClient, job: Job, status: str = "Completed") -> Job:
    found: Job = until(lambda: (now := client.jobs.get(str(job.name))).status in ENDED and now)
    assert found.status == status, log_of(client, found)
    return found


def details(client: MLClient, job: Job) -> Any:
    return client.jobs._runs_operations.get_run_details(job.name)


def log_of(client: MLClient, job: Job, name: str = "std_log.txt") -> str:
    import requests

    found = details(client, job)
    link = found.log_files.get(f"user_logs/{name}")
    return requests.get(link, timeout=30).text if link else json.dumps(found.error.as_dict() if found.error else None)


@pytest.fixture(scope="module")
def client(azure: Emulator) -> MLClient:
    """One workspace for the module: jobs have names of their own, and an environment is built once."""
    from azure.identity import EnvironmentCredential

    arm, group, name = Arm(azure), f"g-{uuid.uuid4().hex[:10]}", f"w-{uuid.uuid4().hex[:10]}"
    assert (
        arm.put(f"/subscriptions/{arm.subscription}/resourceGroups/{group}", {"location": "westeurope"}).status_code
        == 201
    )
    client = MLClient(EnvironmentCredential(), arm.subscription, group, name)
    client.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()
    client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))
    return client


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
        "cat ${{inputs.data}}; echo ${{inputs.rate}} ${{inputs.on}} $[[--more ${{inputs.more}}]] $AZURE_ML_INPUT_rate",
        inputs={"data": Input(type="uri_file", path=str(tmp_path / "a.csv")), "rate": 0.5, "on": True},
    )
    assert log_of(client, ended(client, job)) == "x,y\n1,2\n0.5 True 0.5\n"


def test_an_input_that_is_not_there_fails_by_its_name(client: MLClient) -> None:
    missing = Input(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/no/such.csv")
    error = details(
        client, ended(client, submit(client, "cat ${{inputs.a}}", inputs={"a": missing}), "Failed")
    ).error.error
    assert error.inner_error.code == "ScriptExecution.StreamAccess.NotFound"
    assert "no/such.csv" in error.message


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
    ("distribution", "variable", "expected"),
    [
        (
            {"type": "pytorch", "process_count_per_instance": 2},
            "$RANK/$WORLD_SIZE/$LOCAL_RANK/$NODE_RANK",
            ["0/4/0/0", "1/4/1/0", "2/4/0/1", "3/4/1/1"],
        ),
        (
            {"type": "mpi", "process_count_per_instance": 1},
            "$OMPI_COMM_WORLD_RANK/$OMPI_COMM_WORLD_SIZE",
            ["0/2", "1/2"],
        ),
    ],
)
def test_ranks(client: MLClient, distribution: Any, variable: str, expected: list[str]) -> None:
    job = ended(client, submit(client, f"echo {variable}", instance_count=2, distribution=distribution))
    logs = [log_of(client, job, f"std_log_process_{rank}.txt").strip() for rank in range(len(expected))]
    assert logs == expected


def test_tensorflow_is_told_of_its_cluster(client: MLClient) -> None:
    distribution = {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}
    line = 'if [[ $TF_CONFIG == *\'"type": "ps"\'* ]]; then sleep 60; fi; echo $TF_CONFIG'
    job = ended(client, submit(client, line, instance_count=2, distribution=distribution))
    told = json.loads(log_of(client, job, "std_log_process_1.txt"))
    assert told["task"] == {"type": "worker", "index": 1}
    assert [len(told["cluster"][kind]) for kind in ("worker", "ps")] == [2, 1]


def test_one_rank_that_fails_fails_the_job(client: MLClient) -> None:
    line = "if [ $RANK = 1 ]; then echo broken; exit 7; fi; sleep 60"
    job = submit(client, line, distribution={"type": "pytorch", "process_count_per_instance": 2})
    error = details(client, ended(client, job, "Failed")).error.error
    assert "status code 7" in error.message and "std_log_process_1.txt" in error.message and "broken" in error.message


def test_a_cluster_runs_one_job_a_node_and_the_rest_in_order(client: MLClient) -> None:
    client.compute.begin_create_or_update(AmlCompute(name="small", size="Standard_DS3_v2", max_instances=1)).result()
    jobs = [submit(client, "date +%s%N; sleep 0.2; date +%s%N", compute="small") for _ in range(3)]
    assert "Queued" in [client.jobs.get(str(job.name)).status for job in jobs[1:]]
    until(lambda: "running" in [node.__dict__["nodeState"] for node in client.compute.list_nodes("small")])
    times = [int(stamp) for job in jobs for stamp in log_of(client, ended(client, job)).split()]
    assert times == sorted(times)
    until(lambda: ["idle"] == [node.__dict__["nodeState"] for node in client.compute.list_nodes("small")])
    with pytest.raises(HttpResponseError, match="asks for 2 instances; 'small' has 1 at most"):
        submit(client, "true", compute="small", instance_count=2)


def test_a_compute_that_is_deleted_takes_its_jobs_along(client: MLClient) -> None:
    client.compute.begin_create_or_update(AmlCompute(name="gone", size="Standard_DS3_v2", max_instances=1)).result()
    jobs = [submit(client, "sleep 60", compute="gone") for _ in range(2)]
    until(lambda: client.jobs.get(str(jobs[0].name)).status == "Running")
    client.compute.begin_delete("gone").result()
    for job in jobs:
        assert "'gone' was deleted" in details(client, ended(client, job, "Failed")).error.error.message


def test_jobs_of_a_stopped_instance_wait_for_its_start(client: MLClient) -> None:
    client.compute.begin_create_or_update(ComputeInstance(name="ci-jobs", size="Standard_DS3_v2")).result()
    client.compute.begin_stop("ci-jobs").result()
    job = submit(client, "echo ran", compute="ci-jobs")
    until(lambda: client.jobs.get(str(job.name)).status == "Queued")
    client.compute.begin_start("ci-jobs").result()
    assert log_of(client, ended(client, job)) == "ran\n"


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


def child_of(client: MLClient, arm: Arm, parent: str) -> Job:
    """The SDK sends a parent's name only from a ``CommandJob``, which ``jobs.create_or_update`` does not take: so by REST."""
    id = f"{client.workspaces.get(client.workspace_name).id}/jobs/child-{uuid.uuid4().hex[:8]}"
    environment = client.environments.get("plain", "1").id
    job = {"jobType": "Command", "command": "true", "environmentId": environment, "parentJobName": parent}
    answer = arm.put(id, {"properties": job})
    assert answer.status_code in (200, 201), answer.text
    found: Job = client.jobs.get(id.rpartition("/")[2])
    return found


def test_children_are_listed_under_their_parent_alone(client: MLClient, arm: Arm) -> None:
    parent = submit(client, "true")
    child = child_of(client, arm, str(parent.name))
    assert [one.name for one in client.jobs.list(parent_job_name=str(parent.name))] == [child.name]
    listed = [one.name for one in client.jobs.list()]
    assert parent.name in listed and child.name not in listed
    assert list(client.jobs.list(parent_job_name=str(child.name))) == []
    with pytest.raises(AssertionError, match="The parent job 'nobody' was not found"):
        child_of(client, arm, "nobody")
    ended(client, child)
    ended(client, parent)


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


def test_a_big_log_is_there_whole(client: MLClient) -> None:
    import requests

    job = ended(
        client, submit(client, "for i in 1 2 3 4; do head -c 10000000 /dev/zero | tr '\\0' $i; echo; sleep 0.3; done")
    )
    link = details(client, job).log_files["user_logs/std_log.txt"]
    content = requests.get(link, timeout=60).content
    assert [(line[:1], len(line)) for line in content.splitlines()] == [
        (b"%d" % number, 10_000_000) for number in (1, 2, 3, 4)
    ]


def test_interactive_services_are_told_as_not_started(client: MLClient) -> None:
    from azure.ai.ml.entities import TensorBoardJobService

    plain = submit(client, "true")
    job = submit(client, "true", services={"board": TensorBoardJobService(log_dir="outputs", nodes="all")})
    board = (client.jobs.show_services(str(job.name)) or {})["board"]
    assert (board.type, board.status) == ("TensorBoard", "Failed") and "is this machine" in str(board.error)
    done = ended(client, job)
    assert done.status == "Completed" and done.services["board"].log_dir == "outputs"
    assert client.jobs.create_or_update(done).services["board"].type == "tensor_board"
    assert client.jobs.show_services(str(plain.name)) is None
    assert log_of(client, ended(client, plain)) == ""  # a job that says nothing has a log all the same


def test_run_history_answers_in_its_own_shapes(client: MLClient, azure: Emulator) -> None:
    import requests

    job = ended(
        client, submit(client, "echo ${{inputs.a}}", inputs={"a": "x"}, experiment_name="told", tags={"a": "1"})
    )
    host = "https://westeurope.api.azureml.ms"
    base = f"{host}/history/v1.0{client.workspaces.get(client.workspace_name).id}"
    session = requests.Session()
    assert session.get(f"{base}/runs/{job.name}", timeout=30).status_code == 401
    session.headers["Authorization"] = f"Bearer {azure.token('https://ml.azure.com/.default')}"

    def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = session.request(method, base + path, json=body, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()

    run = ask("GET", f"/runs/{job.name}")
    assert (run["status"], run["displayName"], run["parameters"]) == ("Completed", job.display_name, {"a": "x"})
    assert ask("GET", "/runs/nobody", status=404)["error"]["code"] == "UserError"
    assert ask("GET", f"/experimentids/{run['experimentId']}")["name"] == "told"
    assert ask("GET", "/experiments/nothing", status=404)
    assert [one["runId"] for one in ask("POST", "/experiments/told/runs:query", {"top": 5})["value"]] == [job.name]
    assert ask("POST", "/rundata", {"runId": job.name, "selectRunDefinition": True})["runDefinition"]["command"]
    batch = ask("POST", "/batchrundata", {"requests": {"1": {"runId": job.name}, "2": {"runId": "nobody"}}})
    assert (list(batch["successfulResults"]), list(batch["failedResults"])) == (["1"], ["2"])
    both = ask("POST", "/experiments/told/runs/runIds", {"runIds": [job.name, "nobody"]})
    assert (list(both["runs"]), list(both["errors"])) == ([job.name], ["nobody"])
    tagged = ask(
        "PATCH", f"/experiments/told/runs/{job.name}/tags", {"tagsToModify": {"b": "2"}, "tagsToDelete": ["a"]}
    )
    assert tagged["tags"] == {"b": "2"}
    assert ask("PATCH", f"/runs/{job.name}", {"status": "Failed"}, 501)["error"]["code"] == "NotImplemented"
    assert ask("PATCH", f"/runs/{job.name}", {"tags": {"a": 1}}, 400)["error"]["target"] == "tags"
    assert ask("GET", f"/experiments/told/runs/{job.name}/token", status=403)
    assert requests.get(f"{host}/discovery", timeout=30).json()["api"] == host


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"properties": None},
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

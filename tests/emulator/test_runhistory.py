"""What run history tells of jobs: logs, services, children, and the runs themselves."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator.jobs import details, ended, log_of, submit


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

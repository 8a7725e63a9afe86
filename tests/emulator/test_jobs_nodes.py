"""Where jobs run: ranks on several nodes, and computes that are full, stopped, or gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute, ComputeInstance
from azure.core.exceptions import HttpResponseError

from tests.waiting import until
from tests.emulator.jobs import details, ended, log_of, submit


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

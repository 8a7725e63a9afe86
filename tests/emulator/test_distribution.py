"""Ranks: each process is told who it is, in its framework's own variables."""

from __future__ import annotations

import json

from emulator.jobs.distribution import ranks


def test_one_node_without_a_framework_has_the_plain_log() -> None:
    (rank,) = ranks(1, None)
    assert (rank.node, rank.log, rank.variables["AZUREML_NODE_COUNT"]) == (0, "std_log.txt", "1")


def test_logs_are_numbered_with_one_width() -> None:
    found = ranks(3, {"distributionType": "PyTorch", "processCountPerInstance": 4})
    assert [found[0].log, found[11].log] == ["std_log_process_00.txt", "std_log_process_11.txt"]
    assert [rank.node for rank in found] == [0] * 4 + [1] * 4 + [2] * 4
    assert {(rank.variables["MASTER_ADDR"], rank.variables["MASTER_PORT"]) for rank in found} == {
        ("127.0.0.1", found[0].variables["MASTER_PORT"])
    }


def test_parameter_servers_are_not_waited_for() -> None:
    found = ranks(2, {"distributionType": "TensorFlow", "workerCount": 2, "parameterServerCount": 1})
    assert [(rank.log, rank.awaited) for rank in found] == [
        ("std_log_process_0.txt", True),
        ("std_log_process_1.txt", True),
        ("std_log_process_0_ps.txt", False),
    ]
    cluster = json.loads(found[2].variables["TF_CONFIG"])["cluster"]
    assert len({*cluster["worker"], *cluster["ps"]}) == 3


def test_mpi_counts_over_the_nodes_and_on_each() -> None:
    found = ranks(2, {"distributionType": "Mpi", "processCountPerInstance": 2})
    told = [(one.variables["OMPI_COMM_WORLD_RANK"], one.variables["OMPI_COMM_WORLD_LOCAL_RANK"]) for one in found]
    assert told == [("0", "0"), ("1", "1"), ("2", "0"), ("3", "1")]

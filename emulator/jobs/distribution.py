"""Ranks: which processes a job has on which node, and what each is told about the others.

Nodes are processes of this machine, so every address is the loopback's. Sources: the variables of each framework in
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu. With MPI, Azure starts the processes by mpirun;
here each is started by itself with Open MPI's variables, which is all that Horovod-free scripts, DeepSpeed and PyTorch read.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"
Framework = Callable[
    [int, int, int, int], dict[str, str]
]  # rank, ranks in all and on each node, port -> a rank's variables


@dataclass(frozen=True)
class Rank:
    """One process: ``log`` is its file's name below ``user_logs``, ``variables`` are its own."""

    node: int
    log: str = "std_log.txt"
    variables: Mapping[str, str] = field(default_factory=dict)
    awaited: bool = True


def ranks(nodes: int, distribution: Mapping[str, Any] | None) -> list[Rank]:
    """The processes of a job over ``nodes`` nodes. ``distribution`` is the request's, already checked."""
    kind = (distribution or {}).get("distributionType")
    if kind is None:
        return single(nodes)
    assert distribution is not None, "A kind of distribution comes from a distribution."
    if kind == "TensorFlow":
        return tensorflow(
            nodes, distribution.get("workerCount") or nodes, distribution.get("parameterServerCount") or 0
        )
    each = distribution.get("processCountPerInstance") or 1
    return launched(nodes, each, pytorch if kind == "PyTorch" else mpi)


def single(nodes: int) -> list[Rank]:
    """No framework: the command runs once on every node."""
    if nodes == 1:
        return [Rank(0, variables=node_variables(0, 1, 0))]
    (port,) = free_ports(1)
    return [Rank(node, log(node, nodes), node_variables(node, nodes, port)) for node in range(nodes)]


def launched(nodes: int, each: int, framework: Framework) -> list[Rank]:
    """``each`` processes on every node, counted through."""
    (port,) = free_ports(1)
    world = nodes * each
    return [
        Rank(
            rank // each,
            log(rank, world),
            {**node_variables(rank // each, nodes, port), **framework(rank, world, each, port)},
        )
        for rank in range(world)
    ]


def pytorch(rank: int, world: int, each: int, port: int) -> dict[str, str]:
    return {
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world),
        "NODE_RANK": str(rank // each),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % each),
        "LOCAL_WORLD_SIZE": str(each),
    }


def mpi(rank: int, world: int, each: int, port: int) -> dict[str, str]:
    return {
        "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_SIZE": str(world),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank % each),
        "OMPI_COMM_WORLD_LOCAL_SIZE": str(each),
        "OMPI_COMM_WORLD_NODE_RANK": str(rank % each),
        "OMPI_UNIVERSE_SIZE": str(world),
    }


def tensorflow(nodes: int, workers: int, servers: int) -> list[Rank]:
    ports = free_ports(workers + servers)
    addresses = [f"{LOOPBACK}:{port}" for port in ports]
    cluster = {"worker": addresses[:workers]}
    if servers:
        cluster["ps"] = addresses[workers:]
    found = []
    for kind, count in (("worker", workers), ("ps", servers)):
        for index in range(count):
            told = {"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"}
            name = log(index, count)
            found.append(
                Rank(
                    index % nodes,
                    name if kind == "worker" else name.replace(".txt", "_ps.txt"),
                    {**node_variables(index % nodes, nodes, ports[0]), "TF_CONFIG": json.dumps(told)},
                    awaited=kind == "worker",
                )
            )
    return found


def node_variables(node: int, nodes: int, port: int) -> dict[str, str]:
    """What Azure Batch AI tells a process about its node; DeepSpeed and Lightning find the master by it."""
    return {
        "AZUREML_NODE_COUNT": str(nodes),
        "AZ_BATCHAI_TASK_INDEX": str(node),
        "AZ_BATCHAI_MPI_MASTER_NODE": LOOPBACK,
        "AZ_BATCHAI_JOB_MASTER_NODE_IP": LOOPBACK,
        "AZ_BATCHAI_NODE_LIST": ",".join([LOOPBACK] * nodes),
        "AZ_BATCH_HOST_LIST": ",".join([LOOPBACK] * nodes),
        "AZ_BATCH_MASTER_NODE": f"{LOOPBACK}:{port}",
        "AZ_BATCH_NODE_ID": f"tvmps_{node}",
        "AZ_BATCH_IS_CURRENT_NODE_MASTER": "true" if node == 0 else "false",
    }


def log(rank: int, world: int) -> str:
    """Numbers of one width, so that the SDK streams the first: it takes names that end in zeros."""
    return f"std_log_process_{rank:0{len(str(world - 1))}}.txt"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listened on a moment ago, each another."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for bound in sockets:
            bound.bind((LOOPBACK, 0))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()

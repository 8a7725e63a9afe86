"""Acknowledged writes that a SIGKILL loses: resources, jobs and blobs, over 200 kills, or as many as there is time for.

Writers go through the gateway, blobs with the vendor's client: put, block list, append, metadata, delete; resources and jobs with
plain requests: create, change, delete. After a moment Azurite, the emulator, or both at once are killed; then everything must be as
its last acknowledged write left it, or as the one write that was under way would have left it. At the end every job must end.
"""

from __future__ import annotations

import base64
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient

from benchmarks.figure import Figure
from benchmarks.laptop import workspace
from tests.conftest import Arm
from tests.emulator.storage import Storage, storage_at

KILLS, SECONDS = 200, 1200.0
KINDS = ("azurite", "emulator", "both")
JOBS_A_ROUND = 6  # new ones, so that all of them have run before the next day

State = tuple[bytes, str] | str | None  # a blob's content and mark, or a resource's mark; None where there is nothing
Write = tuple[str, State, Callable[[], object]]  # of what, what it will be, and how


class Refused(Exception):
    """A write that was answered, and not acknowledged."""


class Subject(Protocol):
    """Things of one kind, those of one writer. ``known`` is what each may be."""

    kind: str
    known: dict[str, set[State]]

    def connect(self, storage: Storage) -> None: ...

    def choose(self, dice: random.Random) -> Write | None: ...

    def read(self, name: str) -> State: ...


@dataclass
class Tally:
    """``wrong`` names each thing that is not what was acknowledged."""

    kills: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    restarts: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, storage_at(Path(folder) / "home") as storage:
        tally = crash(storage, KILLS, SECONDS)
    counts = ", ".join(f"{count:,} of {kind}" for kind, count in sorted(tally.acknowledged.items()))
    detail = f"{counts} acknowledged over {tally.kills} kills of Azurite, the emulator, or both"
    for wrong in tally.wrong:
        print(wrong)
    met = None if tally.kills < KILLS and not tally.wrong else not tally.wrong  # too few prove nothing
    yield Figure("writes lost or stale", len(tally.wrong), "", f"0 in {KILLS} kills", met, detail)
    yield Figure("jobs that never ended", len(tally.unended), "", "0", not tally.unended, ", ".join(tally.unended[:5]))
    slowest = max(tally.restarts)
    yield Figure("from a kill to the next answers, slowest", slowest, "s", "", None, f"{tally.kills} kills")


def crash(storage: Storage, kills: int, seconds: float = 1e9, seed: int = 1) -> Tally:
    """``kills`` rounds on one state folder, fewer where ``seconds`` are over."""
    tally, deadline = Tally(), time.monotonic() + seconds
    jobs = Jobs(_prepare(storage))
    subjects: list[Subject] = [jobs, *map(Resources, range(2)), *map(Blobs, range(4))]
    for subject in subjects:
        subject.connect(storage)
    while tally.kills < kills and time.monotonic() < deadline:
        touched = _round(storage, KINDS[tally.kills % len(KINDS)], random.Random(seed + tally.kills), subjects, tally)
        _judge(touched, tally)
    _judge([(subject, set(subject.known)) for subject in subjects], tally)
    tally.unended = jobs.unended(120)
    return tally


def _prepare(storage: Storage) -> str:
    """A container, and a workspace with a cluster of two nodes; the workspace's id."""
    storage.service().create_container("crash")
    id, arm = workspace(storage.emulator, "crash"), Arm(storage.emulator)
    image = {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}
    cluster = {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 2}}
    assert arm.put(f"{id}/environments/plain/versions/1", {"properties": image}).ok
    compute = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": cluster}}
    assert arm.put(f"{id}/computes/two", compute).ok
    return id


def _group(arm: Arm) -> str:
    return f"/subscriptions/{arm.subscription}/resourceGroups/crash"


def _round(
    storage: Storage, kind: str, dice: random.Random, subjects: list[Subject], tally: Tally
) -> list[tuple[Subject, set[str]]]:
    """Write, kill, and come back; what was written to."""
    writers = [Writer(subject, dice.random()) for subject in subjects]
    for writer in writers:
        writer.start()
    _let_write(writers, dice)
    old, start = storage.azurite(), time.monotonic()
    if kind != "emulator":
        old.kill()
    if kind != "azurite":
        storage.kill()
        storage.restart()
    for subject in subjects:
        subject.connect(storage)
        subject.read("none")
    tally.restarts.append(time.monotonic() - start)
    for writer in writers:
        writer.stopping = True
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive(), "A request has had no answer for a minute."
        tally.acknowledged[writer.subject.kind] += writer.acknowledged
    tally.kills += 1
    return [(writer.subject, writer.touched) for writer in writers]


def _let_write(writers: list[Writer], dice: random.Random) -> None:
    """Until some blobs, which are the slowest, have been written, and a moment more."""
    enough, deadline, pause = dice.randint(4, 40), time.monotonic() + 10, threading.Event()
    while sum(w.acknowledged for w in writers if w.subject.kind == "blobs") < enough and time.monotonic() < deadline:
        pause.wait(0.001)
    pause.wait(dice.uniform(0, 0.05))


def _judge(touched: list[tuple[Subject, set[str]]], tally: Tally) -> None:
    for subject, names in touched:
        for name in sorted(names):
            found, allowed = subject.read(name), subject.known[name]
            if found not in allowed:
                wanted = " or ".join(map(_brief, allowed))
                tally.wrong.append(f"{subject.kind} {name} after kill {tally.kills}: {_brief(found)}, not {wanted}")
            subject.known[name] = {found}


class Writer(threading.Thread):
    """One write at a time, until it is stopped, has nothing to do, or is refused."""

    def __init__(self, subject: Subject, seed: float) -> None:
        super().__init__(daemon=True)
        self.subject = subject
        self.touched: set[str] = set()
        self.acknowledged = 0
        self.stopping = False
        self._dice = random.Random(seed)

    def run(self) -> None:
        known = self.subject.known
        try:
            while not self.stopping and (chosen := self.subject.choose(self._dice)):
                name, after, write = chosen
                (before,) = known.setdefault(name, {None})
                self.touched.add(name)
                known[name] = {before, after}
                write()
                known[name] = {after}
                self.acknowledged += 1
        except (AzureError, requests.RequestException, Refused):
            pass  # killed: whether the write under way was done is not known


class Blobs:
    kind = "blobs"

    def __init__(self, number: int) -> None:
        self.known: dict[str, set[State]] = {}
        self._names = [f"{kind}-{number}-{index}" for kind in ("blocks", "append") for index in range(3)]

    def connect(self, storage: Storage) -> None:
        """Without the client's retries: a write that is sent twice cannot be judged."""
        self._container = storage.service(retry_total=0).get_container_client("crash")

    def choose(self, dice: random.Random) -> Write:
        name, data, mark = dice.choice(self._names), os.urandom(dice.choice((2, 100, 5000, 100_000))), _mark()
        blob, (state,) = self._container.get_blob_client(name), self.known.get(name, {None})
        choice = dice.random()
        if isinstance(state, tuple):
            if choice < 0.15:
                return name, None, blob.delete_blob
            if choice < 0.35:
                return name, (state[0], mark), lambda: blob.set_blob_metadata({"mark": mark})
            if name.startswith("append"):
                return name, (state[0] + data, state[1]), lambda: blob.append_block(data)
        if name.startswith("append"):
            return name, (b"", mark), lambda: blob.create_append_blob(metadata={"mark": mark})
        if choice < 0.7:
            return name, (data, mark), lambda: blob.upload_blob(data, overwrite=True, metadata={"mark": mark})
        return name, (data, mark), lambda: _by_blocks(blob, data, mark)

    def read(self, name: str) -> State:
        try:
            answer = self._container.download_blob(name)
            return answer.readall(), (answer.properties.metadata or {}).get("mark", "")
        except ResourceNotFoundError:
            return None


class Resources:
    kind = "resources"

    def __init__(self, number: int) -> None:
        self.known: dict[str, set[State]] = {}
        self._names = [f"table-{number}-{index}" for index in range(5)]

    def connect(self, storage: Storage) -> None:
        self._arm = Arm(storage.emulator)
        self._scope = f"{_group(self._arm)}/providers/Microsoft.Network/routeTables"

    def choose(self, dice: random.Random) -> Write | None:
        name, mark = dice.choice(self._names), _mark()
        if self.known.get(name, {None}) != {None} and dice.random() < 0.2:
            return name, None, lambda: self.write("DELETE", name)
        return name, mark, lambda: self.write("PUT", name, {"location": "westeurope", "tags": {"mark": mark}})

    def read(self, name: str) -> State:
        answer = self._arm.get(f"{self._scope}/{name}")
        return None if answer.status_code == 404 else _tagged(answer.json())

    def write(self, method: str, name: str, body: Any = None) -> None:
        answer = self._arm.call(method, f"{self._scope}/{name}", body)
        if answer.status_code not in (200, 201):
            raise Refused(answer.text)


class Jobs(Resources):
    """Jobs that do nothing, each with a mark in its tags, which may change later."""

    kind = "jobs"

    def __init__(self, workspace: str) -> None:
        self.known = {}
        self._workspace = workspace
        self._scope = f"{workspace}/jobs"
        self._left = 0

    def connect(self, storage: Storage) -> None:
        self._arm = Arm(storage.emulator)
        self._left = JOBS_A_ROUND

    def choose(self, dice: random.Random) -> Write | None:
        mark, old = _mark(), [name for name, states in self.known.items() if states != {None}][-4:]
        job: dict[str, Any] = {
            "jobType": "Command",
            "command": "true",
            "computeId": f"{self._workspace}/computes/two",
            "environmentId": f"{self._workspace}/environments/plain/versions/1",
            "tags": {"mark": mark},
        }
        if old and (self._left == 0 or dice.random() < 0.5):
            name = dice.choice(old)
        elif self._left:
            name, self._left = f"job-{len(self.known)}", self._left - 1
        else:
            return None
        return name, mark, lambda: self.write("PUT", name, {"properties": job})

    def unended(self, seconds: float) -> list[str]:
        """The jobs that have not ended within ``seconds``."""
        deadline = time.monotonic() + seconds
        left = [name for name, states in self.known.items() if states != {None}]
        while left and time.monotonic() < deadline:
            left = [name for name in left if self._status(name) not in ("Completed", "Failed", "Canceled")]
        return left

    def _status(self, name: str) -> str:
        return str(self._arm.get(f"{self._scope}/{name}").json()["properties"]["status"])


def _by_blocks(blob: BlobClient, data: bytes, mark: str) -> None:
    half = len(data) // 2
    blob.stage_block("1", data[:half])
    blob.stage_block("2", data[half:])
    blob.commit_block_list([BlobBlock("1"), BlobBlock("2")], metadata={"mark": mark})


def _mark() -> str:
    return base64.b32encode(os.urandom(5)).decode()


def _tagged(document: dict[str, Any]) -> str:
    """A resource has its tags at the top, a job among its properties."""
    tags: dict[str, str] = document.get("tags") or document["properties"]["tags"]
    return tags["mark"]


def _brief(state: State) -> str:
    if isinstance(state, tuple):
        return f"{len(state[0])} bytes marked {state[1] or 'not at all'}"
    return f"marked {state}" if state else "absent"

"""Acknowledged blob writes that a SIGKILL loses, over 200 kills or ten minutes, whichever comes first.

Writers go through the gateway with the vendor's client: put, block list, append, metadata, delete. After a moment Azurite, the
emulator, or both at once are killed; then every blob must be as its last acknowledged write left it, or as the one write that
was under way would have left it.
"""

from __future__ import annotations

import base64
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient

from benchmarks.figure import Figure
from tests.emulator.storage import Storage, storage_at

KILLS, SECONDS, WRITERS = 200, 600.0, 4
KINDS = ("azurite", "emulator", "both")

State = tuple[bytes, str] | None  # content and a mark in the metadata; None where there is no blob


@dataclass
class Tally:
    """``wrong`` names each blob that is not what was acknowledged."""

    kills: int = 0
    acknowledged: int = 0
    restarts: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, storage_at(Path(folder) / "home") as storage:
        tally = crash(storage, KILLS, SECONDS)
    detail = f"{tally.acknowledged:,} acknowledged writes, {tally.kills} kills of Azurite, the emulator, or both"
    yield Figure("blob writes lost or stale", len(tally.wrong), "", "0", not tally.wrong, detail)
    slowest = max(tally.restarts)
    yield Figure("from a kill to the next answer, slowest", slowest, "s", "", None, f"{tally.kills} kills")


def crash(storage: Storage, kills: int, seconds: float, seed: int = 1) -> Tally:
    """``kills`` rounds on one state folder, fewer where ``seconds`` are over."""
    tally, deadline = Tally(), time.monotonic() + seconds
    known: list[dict[str, set[State]]] = [{} for _ in range(WRITERS)]
    _container(storage).create_container()
    while tally.kills < kills and time.monotonic() < deadline:
        _round(storage, KINDS[tally.kills % len(KINDS)], random.Random(seed + tally.kills), known, tally)
        container = _container(storage)
        for names in known:
            for name, allowed in names.items():
                found = read(container.get_blob_client(name))
                if found not in allowed:
                    tally.wrong.append(
                        f"{name} after kill {tally.kills}: {_brief(found)}, not {list(map(_brief, allowed))}"
                    )
                names[name] = {found}
    return tally


def _round(storage: Storage, kind: str, dice: random.Random, known: list[dict[str, set[State]]], tally: Tally) -> None:
    """Write, kill, and come back."""
    writers = [Writer(_container(storage), number, dice.random(), names) for number, names in enumerate(known)]
    for writer in writers:
        writer.start()
    threading.Event().wait(dice.uniform(0.2, 0.8))
    old, start = storage.azurite(), time.monotonic()
    if kind != "emulator":
        old.kill()
    if kind != "azurite":
        storage.kill()
        storage.restart()
    read(_container(storage).get_blob_client("none"))
    tally.restarts.append(time.monotonic() - start)
    for writer in writers:
        writer.stopping = True
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive(), "A request has had no answer for a minute."
        tally.acknowledged += writer.acknowledged
    tally.kills += 1


class Writer(threading.Thread):
    """Writes to blobs of its own, one request at a time, and notes in ``known`` what each may be. Ends at the first refusal."""

    def __init__(self, container: ContainerClient, number: int, seed: float, known: dict[str, set[State]]) -> None:
        super().__init__(daemon=True)
        self._container = container
        self._dice = random.Random(seed)
        self._names = [f"{kind}-{number}-{index}" for kind in ("blocks", "append") for index in range(3)]
        self._known = known
        self.acknowledged = 0
        self.stopping = False

    def run(self) -> None:
        try:
            while not self.stopping:
                name = self._dice.choice(self._names)
                (before,) = self._known.setdefault(name, {None})
                after, write = self._choose(self._container.get_blob_client(name), before, name.startswith("append"))
                self._known[name] = {before, after}
                write()
                self._known[name] = {after}
                self.acknowledged += 1
        except AzureError:
            pass  # killed: whether the write under way was done is not known

    def _choose(self, blob: BlobClient, state: State, appends: bool) -> tuple[State, Callable[[], object]]:
        data = os.urandom(self._dice.choice((2, 100, 5000, 100_000)))
        mark = base64.b32encode(os.urandom(5)).decode()
        choice = self._dice.random()
        if state is not None and choice < 0.15:
            return None, blob.delete_blob
        if state is not None and choice < 0.35:
            return (state[0], mark), lambda: blob.set_blob_metadata({"mark": mark})
        if appends and state is None:
            return (b"", mark), lambda: blob.create_append_blob(metadata={"mark": mark})
        if appends and state is not None:
            return (state[0] + data, state[1]), lambda: blob.append_block(data)
        if choice < 0.7:
            return (data, mark), lambda: blob.upload_blob(data, overwrite=True, metadata={"mark": mark})
        return (data, mark), lambda: _by_blocks(blob, data, mark)


def _by_blocks(blob: BlobClient, data: bytes, mark: str) -> None:
    half = len(data) // 2
    blob.stage_block("1", data[:half])
    blob.stage_block("2", data[half:])
    blob.commit_block_list([BlobBlock("1"), BlobBlock("2")], metadata={"mark": mark})


def read(blob: BlobClient) -> State:
    try:
        answer = blob.download_blob()
        return answer.readall(), (answer.properties.metadata or {}).get("mark", "")
    except ResourceNotFoundError:
        return None


def _container(storage: Storage) -> ContainerClient:
    """Without the client's retries: a write that is sent twice cannot be judged."""
    return storage.service(retry_total=0).get_container_client("crash")


def _brief(state: State) -> str:
    return "absent" if state is None else f"{len(state[0])} bytes marked {state[1] or 'not at all'}"

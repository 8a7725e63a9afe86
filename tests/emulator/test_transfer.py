"""Data comes down once, is nobody's to change for others, and stops when nobody waits."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from emulator.data import bindings, transfer
from tests.emulator.rooms import Rooms, fetch, short


def test_data_comes_down_once_for_ten_jobs(
    rooms: Rooms, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[str] = []
    fill = transfer._fill
    monkeypatch.setattr(transfer, "_fill", lambda *told: (filled.append(told[1].path), fill(*told)))

    async def ten() -> list[str]:
        told = {"jobInputType": "uri_folder", "uri": short(below)}
        inputs = [bindings.fetch_input(rooms.cloud, rooms.workspace, "x", told, tmp_path / str(n)) for n in range(10)]
        return await asyncio.gather(*inputs)

    places = rooms.run(ten())
    assert sorted(filled) == ["a.csv", "sub/b.csv"]
    assert {os.stat(f"{place}/a.csv").st_ino for place in places} == {os.stat(f"{places[0]}/a.csv").st_ino}
    rooms.blobs.upload_blob(f"{below}/a.csv", b"new", overwrite=True)
    assert (fetch(rooms, tmp_path / "new", short(below)) / "a.csv").read_bytes() == b"new"
    assert Path(places[0], "a.csv").read_bytes() == b"a,b\n1,2\n"


def test_a_job_that_changes_its_copy_changes_no_other(rooms: Rooms, below: str, tmp_path: Path) -> None:
    mine = fetch(rooms, tmp_path / "mine", short(below), mode="Download") / "a.csv"
    mine.write_bytes(b"mine")
    assert (fetch(rooms, tmp_path / "other", short(below), mode="Download") / "a.csv").read_bytes() == b"a,b\n1,2\n"
    linked = fetch(rooms, tmp_path / "linked", short(below)) / "a.csv"
    assert linked.stat().st_mode & 0o222 == 0
    linked.chmod(0o644)  # a job that insists
    linked.write_bytes(b"changed!")
    assert (fetch(rooms, tmp_path / "later", short(below)) / "a.csv").read_bytes() == b"a,b\n1,2\n"


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = transfer.Cache(tmp_path, limit=25)
    paths = [cache.file(f"key{n}", 10, 1.0, lambda draft: draft.write_bytes(b"x" * 10) and None) for n in range(4)]
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_cancelled_job_leaves_no_thread_at_work() -> None:
    begun, ended = threading.Semaphore(0), []

    def work(_: int, stopped: threading.Event) -> None:
        begun.release()
        stopped.wait(30)
        ended.append(stopped.is_set())

    async def cancelled() -> None:
        spreading = asyncio.ensure_future(transfer.spread(work, range(100)))
        await asyncio.to_thread(begun.acquire)
        spreading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spreading
        assert 1 <= len(ended) <= transfer.WORKERS
        assert all(ended)

    asyncio.run(cancelled())

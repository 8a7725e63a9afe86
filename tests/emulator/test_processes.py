"""The warden: what a job starts, however it hides, ends with the job and with the emulator."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from emulator.jobs.processes import MARKER, NURSERY, Ended, Process, Tree, marker, sweep
from tests.waiting import until

PATH = {"PATH": os.environ["PATH"]}
HIDES = "setsid bash -c 'setsid sleep 300 & setsid sleep 300' > /dev/null 2>&1 & echo $! > started; {then}"


def shell(folder: Path, command: str, **options: bool) -> Process:
    return Process(["bash", "-c", command], folder, PATH, folder / "log.txt", **options)


def run(*processes: Process) -> list[Ended]:
    async def go() -> list[Ended]:
        tree = await Tree.plant()
        return await tree.run(processes)

    return asyncio.run(go())


def in_folder(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_exit_codes_and_the_log(tmp_path: Path) -> None:
    assert run(shell(tmp_path, "echo out; echo err >&2; exit 3")) == [Ended(0, 3)]
    assert (tmp_path / "log.txt").read_text() == "out\nerr\n"


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    assert run(shell(tmp_path, "kill -9 $$")) == [Ended(0, -signal.SIGKILL)]


def test_what_cannot_be_executed_says_so_in_the_log(tmp_path: Path) -> None:
    assert run(Process(["/no/such/program"], tmp_path, {}, tmp_path / "log.txt")) == [Ended(0, 127)]
    assert "/no/such/program" in (tmp_path / "log.txt").read_text()


def test_a_daemon_left_behind_ends_with_the_job(tmp_path: Path) -> None:
    assert run(shell(tmp_path, HIDES.format(then="sleep 0.1"))) == [Ended(0, 0)]
    assert (tmp_path / "started").read_text().strip().isdigit()
    assert in_folder(tmp_path) == []


def test_one_failure_stops_the_other_ranks(tmp_path: Path) -> None:
    ended = run(shell(tmp_path, "sleep 300"), shell(tmp_path, "exit 4"))
    assert ended == [Ended(1, 4), Ended(0, -signal.SIGTERM)]


def test_what_is_not_awaited_ends_with_the_rest(tmp_path: Path) -> None:
    assert Ended(1, 0) in run(shell(tmp_path, "sleep 300", awaited=False), shell(tmp_path, "true"))


@pytest.mark.parametrize("ignores", ["", "trap '' TERM; "])
def test_stop_ends_all_of_it_within_five_seconds(tmp_path: Path, ignores: str) -> None:
    async def go() -> float:
        tree = await Tree.plant()
        tree.start([shell(tmp_path, ignores + HIDES.format(then="while :; do sleep 1; done"))])
        await asyncio.to_thread(until, (tmp_path / "started").exists)
        asked = time.monotonic()
        tree.stop()
        await tree.ended()
        return time.monotonic() - asked

    assert asyncio.run(go()) < 5
    assert in_folder(tmp_path) == []


def test_nothing_outlives_the_emulator(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from emulator.jobs.processes import Process, Tree
folder = pathlib.Path({str(tmp_path)!r})
async def go():
    tree = await Tree.plant()
    tree.start([Process(["bash", "-c", {HIDES.format(then="sleep 300")!r}], folder, {PATH!r}, folder / "log.txt")])
    await tree.ended()
asyncio.run(go())
"""
    with subprocess.Popen([sys.executable, "-c", program]) as emulator:
        until((tmp_path / "started").exists)
        until(lambda: len(in_folder(tmp_path)) >= 3)
        emulator.kill()
    until(lambda: in_folder(tmp_path) == [], 5)


def test_what_a_killed_warden_left_is_found_by_its_marker(tmp_path: Path) -> None:
    mine = {**PATH, MARKER: marker(tmp_path, "job")}

    async def go() -> None:
        tree = await Tree.plant()
        command = f"echo $$ > shell; {HIDES.format(then='sleep 300')}"
        tree.start([Process(["bash", "-c", command], tmp_path, mine, tmp_path / "log.txt")])
        await asyncio.to_thread(until, lambda: len(in_folder(tmp_path)) >= 3)
        psutil.Process(int((tmp_path / "shell").read_text())).parent().kill()  # type: ignore[union-attr]
        await tree.ended()
        assert tree.killed

    asyncio.run(go())
    assert sweep(marker(tmp_path / "elsewhere")) == 0
    assert sweep(marker(tmp_path)) > 0
    until(lambda: in_folder(tmp_path) == [], 5)


def test_a_killed_nursery_takes_no_warden_with_it_and_is_started_again(tmp_path: Path) -> None:
    async def go() -> None:
        tree = await Tree.plant()
        tree.start([shell(tmp_path, "touch started; until [ -e go ]; do sleep 0.01; done; exit 6")])
        until((tmp_path / "started").exists)
        os.kill(NURSERY.pid, signal.SIGKILL)
        until(lambda: psutil.Process(NURSERY.pid).status() == psutil.STATUS_ZOMBIE)
        killed = NURSERY.pid
        assert await (await Tree.plant()).run([shell(tmp_path, "exit 5")]) == [Ended(0, 5)]
        assert NURSERY.pid != killed and not psutil.pid_exists(killed)
        (tmp_path / "go").touch()
        assert await tree.ended() == [Ended(0, 6)]

    asyncio.run(go())

"""The emulator's side of a job's processes: one ``warden`` a job, asked and listened to over its socket.

Ended processes are told by the warden; a warden that itself was killed takes its direct children with it, and what else carries
the marker in its environment is found by ``sweep`` (it is also how the leftovers of an emulator and a warden that died in the
same instant are found at the next start).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

WARDEN = Path(__file__).with_name("warden.py")
MARKER = "AML_LOCAL_TREE"  # in every job's environment: which emulator it belongs to
GRACE = 2.0  # seconds between SIGTERM and SIGKILL; cancelling promises five in all


@dataclass(frozen=True)
class Process:
    """``log`` takes both its outputs, and is made where it does not exist. A process that is not ``awaited`` (a parameter server)
    ends with the last one that is."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    awaited: bool = True


@dataclass(frozen=True)
class Ended:
    """``code`` is the process's exit status, negative for the signal that ended it."""

    index: int
    code: int


class Nursery:
    """What forks the wardens of this process, started when the first one is wanted; it ends when this process does."""

    def __init__(self) -> None:
        self._asked: socket.socket | None = None
        self.pid = 0

    def plant(self) -> socket.socket:
        """The emulator's end of a new warden's socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._asked or self._start(), [b"+"], [theirs.fileno()])
            except OSError:  # somebody killed it
                socket.send_fds(self._start(), [b"+"], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def _start(self) -> socket.socket:
        if self._asked is not None:
            self._asked.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self._asked, theirs = socket.socketpair()
        with theirs:
            inputs = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
            command = [sys.executable, "-I", "-S", str(WARDEN)]
            self.pid = os.posix_spawn(sys.executable, command, {}, file_actions=inputs)
        return self._asked


NURSERY = Nursery()


class Tree:
    """``tree = await Tree.plant()``, then once ``start`` and ``await ended()``, or both by ``run``. Who plants also fells."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._over = False
        self._listening = asyncio.create_task(self._listen(reader))

    @staticmethod
    async def plant() -> Tree:
        """A warden that waits for what to start."""
        return Tree(*await asyncio.open_unix_connection(sock=NURSERY.plant()))

    def start(self, processes: Sequence[Process]) -> None:
        order = {
            "grace": GRACE,
            "processes": [
                {
                    "argv": list(process.argv),
                    "cwd": str(process.cwd),
                    "env": dict(process.env),
                    "log": str(process.log),
                    "awaited": process.awaited,
                }
                for process in processes
            ],
        }
        self._tell(json.dumps(order))

    async def ended(self) -> list[Ended]:
        """Return once nothing of what was started, or of anything that it started, is left; in the order in which they ended.

        A process that is missing from the answer was still running when the tree was felled.
        """
        return await asyncio.shield(self._listening)

    async def run(self, processes: Sequence[Process]) -> list[Ended]:
        """``start``, then ``ended``."""
        self.start(processes)
        return await self.ended()

    def stop(self) -> None:
        """SIGTERM to everything, and SIGKILL after ``GRACE`` seconds; ``ended`` returns when it is done."""
        self._tell("stop")

    async def fell(self) -> None:
        """Kill whatever runs, and wait until nothing does."""
        with contextlib.suppress(OSError, RuntimeError):  # it has ended
            self._writer.write_eof()
        await self.ended()

    @property
    def is_over(self) -> bool:
        return self._listening.done()

    @property
    def killed(self) -> bool:
        """Whether the warden ended before it could end its tree."""
        return self.is_over and not self._over

    async def _listen(self, reader: asyncio.StreamReader) -> list[Ended]:
        ended = []
        with contextlib.suppress(OSError):  # it was killed with something unread
            async for line in reader:
                told = json.loads(line)
                if told == "over":
                    self._over = True
                else:
                    ended.append(Ended(**told))
        self._writer.close()
        return ended

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # it has ended
            self._writer.write(line.encode() + b"\n")


def marker(home: Path, job: str = "") -> str:
    """What ``MARKER`` is set to: the emulator's folder, hashed, and the job."""
    return f"{hashlib.sha256(str(home).encode()).hexdigest()[:16]}/{job}"


def sweep(prefix: str) -> int:
    """Kill every process whose ``MARKER`` begins with ``prefix``; how many there were."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER, "").startswith(prefix):
                process.kill()
                found += 1
    return found

"""The emulator's side of a job's processes: one ``warden`` a job, asked and listened to over its pipes.

Ended processes are told by the warden; a warden that itself was killed takes its direct children with it, and what else carries
the marker in its environment is found by ``sweep`` (it is also how the leftovers of an emulator and a warden that died in the
same instant are found at the next start).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
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


class Tree:
    """``tree = await Tree.plant()``, then once ``start`` and ``await ended()``, or both by ``run``. Who plants also fells."""

    def __init__(self, warden: asyncio.subprocess.Process) -> None:
        self._warden = warden

    @staticmethod
    async def plant() -> Tree:
        """Start the warden. It takes some 20 ms of a core, so a job's is started while the job still waits for other things."""
        return Tree(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(WARDEN)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={},
                start_new_session=True,  # an interrupt at the terminal is the emulator's to handle
            )
        )

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
        assert self._warden.stdout is not None, "A warden is spoken to over pipes."
        ended = [Ended(**json.loads(line)) async for line in self._warden.stdout]
        await self._warden.wait()
        return ended

    async def run(self, processes: Sequence[Process]) -> list[Ended]:
        """``start``, then ``ended``."""
        self.start(processes)
        return await self.ended()

    def stop(self) -> None:
        """SIGTERM to everything, and SIGKILL after ``GRACE`` seconds; ``ended`` returns when it is done."""
        self._tell("stop")

    async def fell(self) -> None:
        """Kill whatever runs, and wait until nothing does."""
        assert self._warden.stdin is not None, "A warden is spoken to over pipes."
        self._warden.stdin.close()
        await self._warden.wait()

    @property
    def killed(self) -> bool:
        """Whether the warden died by a signal, so that it could not end its tree."""
        return bool(self._warden.returncode)

    def _tell(self, line: str) -> None:
        assert self._warden.stdin is not None, "A warden is spoken to over pipes."
        with contextlib.suppress(ConnectionError, RuntimeError):  # it has ended
            self._warden.stdin.write(line.encode() + b"\n")


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

"""The life of the Azurite process: it is started, watched, started again when it dies, and stopped. Knows no blob and no HTTP.

The child takes JSON lines on its standard input and ends when that ends, so it cannot outlive this process. While it lives it
holds a lock on its folder: a next emulator, started the moment after this one was killed, waits until the child has written
what it had to write.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.errors import ToolError

PROGRAM = Path(__file__).with_name("main.js")
OLDEST_NODE = 20
START = 60.0  # seconds to be ready in: a cold disk, a large journal
RESTART = 20.0  # seconds that a request waits for a process that is starting again
STOP = 10.0

logger = logging.getLogger(__name__)


class Azurite:
    """``accounts`` are a name and its two keys, base64; ``seed`` and ``gate`` are secrets, described in ``main.js``."""

    def __init__(self, folder: Path, log: Path, *, seed: str, gate: str) -> None:
        self._folder = folder
        self._log = log
        self._secrets = {"seed": seed, "gate": gate}
        self._accounts: Mapping[str, tuple[str, str]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._serving = asyncio.Event()
        self._answers: deque[asyncio.Future[None]] = deque()
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def port(self) -> int:
        """On loopback; the same after a restart, so that clients made with it go on."""
        return self._port

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def serving(self) -> bool:
        return self._serving.is_set()

    async def start(self, accounts: Mapping[str, tuple[str, str]]) -> None:
        """Start it, and keep it running until ``stop``. Raises ``ToolError`` where it cannot be started."""
        self._accounts = accounts
        await self._spawn()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """What was acknowledged is on disk in any case; this lets open requests end."""
        self._stopping = True
        if self._watcher is not None and not self._serving.is_set():
            self._watcher.cancel()  # it may be waiting to start the next one
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._watcher is not None:
            await asyncio.gather(self._watcher, return_exceptions=True)

    async def ready(self, timeout: float = RESTART) -> bool:
        """Wait while it is starting; whether it serves."""
        if not self._serving.is_set():
            try:
                await asyncio.wait_for(self._serving.wait(), timeout)
            except asyncio.TimeoutError:
                return False
        return True

    async def use(self, accounts: Mapping[str, tuple[str, str]]) -> None:
        """Replace its accounts; returns when requests for them are served."""
        self._accounts = accounts
        if not await self.ready() or self._process is None or self._process.stdin is None:
            raise ToolError(f"Azurite does not start; its last words are in {self._log}")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._send(self._process, {"accounts": accounts})
        await answer  # when it dies before it answers, the next one starts with these accounts

    async def _spawn(self) -> None:
        node = find_node()
        lock = await self._lock()
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        before = os.fstat(log).st_size
        try:
            process = await asyncio.create_subprocess_exec(
                node,
                "--max-http-header-size=32768",
                str(PROGRAM),
                str(self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                # Nothing of the user's: no proxy, no NODE_OPTIONS, no credential, no AZURITE_ variable.
                env={"PATH": os.environ.get("PATH", os.defpath), "NODE_ENV": "production", "NODE_PATH": _modules()},
            )
        finally:
            os.close(lock)
            os.close(log)
        self._process = process
        assert process.stdout is not None, "The child's output was asked for as a pipe."
        self._send(process, {**self._secrets, "port": self._port, "accounts": self._accounts})
        try:
            first = await asyncio.wait_for(process.stdout.readline(), START)
        except asyncio.TimeoutError:
            process.kill()
            first = b""
        except BaseException:
            process.kill()
            raise
        if not first:
            code = await process.wait()
            raise ToolError(_last_words(self._log, before) or f"Azurite ended with {code} before it was ready.")
        self._port = int(json.loads(first)["ready"])
        self._serving.set()

    async def _watch(self) -> None:
        delay = 0.0
        loop = asyncio.get_running_loop()
        while True:
            started, process = loop.time(), self._process
            assert process is not None and process.stdout is not None, "A watched process was started with pipes."
            while await process.stdout.readline():
                if self._answers:
                    _settle(self._answers.popleft())
            self._serving.clear()
            code = await process.wait()
            if self._stopping:
                break
            while True:
                delay = 0.0 if loop.time() - started > 5 else min(delay * 2 + 0.1, 5.0)
                logger.warning("Azurite ended with %s; it is started again in %.1f s", code, delay)
                await asyncio.sleep(delay)
                try:
                    await self._spawn()
                    break
                except ToolError as error:
                    logger.error("Azurite does not start: %s", error)
                    started = loop.time()
            while self._answers:
                _settle(self._answers.popleft())
        while self._answers:
            _settle(self._answers.popleft())

    async def _lock(self) -> int:
        """A handle that holds the folder's lock, for the child to inherit."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = asyncio.get_running_loop().time() + STOP
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline:
                    os.close(handle)
                    raise ToolError(
                        f"Another Azurite uses {self._folder}. Stop the emulator that started it."
                    ) from None
                await asyncio.sleep(0.02)

    def _send(self, process: asyncio.subprocess.Process, value: Mapping[str, Any]) -> None:
        assert process.stdin is not None, "The child's input was asked for as a pipe."
        process.stdin.write(json.dumps(value).encode() + b"\n")


def find_node() -> str:
    """Node on the PATH, or the one that ``scripts/setup`` installs where there is none."""
    installed = (
        str(folder / ".setup" / "node" / "bin" / "node")
        for folder in (*PROGRAM.parents, *Path.cwd().parents, Path.cwd())
    )
    found: list[str] = []
    for candidate in (shutil.which("node"), *installed):
        if candidate is None or not os.access(candidate, os.X_OK):
            continue
        try:
            version = subprocess.run(
                [candidate, "--version"], capture_output=True, text=True, timeout=20
            ).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            continue
        major = version.lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return candidate
        found.append(f"{candidate} is {version or 'no Node'}")
    raise ToolError(
        f"Azurite needs Node {OLDEST_NODE} or newer ({'; '.join(found) or 'there is none on the PATH'}). "
        "In the repository's folder, run: scripts/setup demo"
    )


def _modules() -> str:
    """Where Node looks for Azurite after the folders above its program: installed apart from a checkout, in the one worked in."""
    here = Path.cwd()
    return os.pathsep.join(str(folder / "node_modules") for folder in (here, *here.parents))


def _settle(answer: asyncio.Future[None]) -> None:
    if not answer.done():
        answer.set_result(None)


def _last_words(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - 2000))
        return file.read().decode(errors="replace").strip()

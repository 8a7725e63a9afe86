"""The MLflow server as its parent holds it: started, asked, started again when it ended.

Knows its process and its HTTP; nothing of Azure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from emulator.errors import AzureError
from emulator.mlflow.server import RUN_ID_HEADER, SECRET_HEADER, WORKSPACE_HEADER

START_TIMEOUT = 120.0  # seconds: the first start of an installation compiles MLflow and makes its tables
ANSWER_TIMEOUT = 60.0  # from when it is asked: who waits for others' answers first is not refused for that
AT_ONCE = 8  # requests; SQLite writes one after another, and who waits for its lock does not wait in order


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    media_type: str

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def code(self) -> str:
        """MLflow's error code, ``RESOURCE_DOES_NOT_EXIST``."""
        return str(self.json.get("error_code", ""))


class Server:
    """``start`` returns at once; whoever asks before it answers waits."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[int] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._secret = secrets.token_urlsafe(32)

    def start(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._end()

    async def ask(
        self,
        workspace: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        run_id: str = "",
    ) -> Answer:
        """``workspace`` is MLflow's name for it; ``run_id`` is the id that a run made by this request gets."""
        headers = {SECRET_HEADER: self._secret, WORKSPACE_HEADER: workspace}
        if run_id:
            headers[RUN_ID_HEADER] = run_id
        if body is not None:
            headers["content-type"] = "application/json"
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        port = await self._port()
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_TIMEOUT, sock_read=ANSWER_TIMEOUT)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), timeout=timeout)
        url = f"http://127.0.0.1:{port}{path}"
        try:
            async with self._session.request(method, url, params=query, data=data, headers=headers) as answer:
                media = answer.headers.get("content-type", "application/json")
                return Answer(answer.status, await answer.read(), media)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise AzureError(
                503,
                "ServiceUnavailable",
                f"The MLflow server did not answer ({type(error).__name__}); see {self._log.name}.",
            ) from None

    async def _port(self) -> int:
        ended = self._process is not None and self._process.returncode is not None
        failed = self._starting is not None and self._starting.done() and self._starting.exception() is not None
        if self._starting is None or ended or failed:
            self.start()
        assert self._starting is not None, "start() makes the task."
        return await asyncio.shield(self._starting)

    async def _run(self) -> int:
        """Start the process and return its port. Raises ``AzureError`` (503) with where to read why."""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Without bytecode on disk every start would compile MLflow anew, for ten seconds.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONDONT"))
        }
        handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "emulator.mlflow.server",
                str(self._folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._process = process
        assert process.stdin is not None and process.stdout is not None, "Both are pipes."
        process.stdin.write(f"{self._secret}\n".encode())
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
            return int(line)
        except (ValueError, asyncio.TimeoutError):
            await self._end()
            raise AzureError(
                503, "ServiceUnavailable", f"The MLflow server did not start; see {self._log.name} (aml local logs)."
            ) from None

    async def _end(self) -> None:
        """Its stdin ends, and so does it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 3)
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

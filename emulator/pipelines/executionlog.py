"""The log of a pipeline: a line for each step that begins or ends, which ``jobs.stream`` prints."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING

from emulator.history.artifacts import Artifacts
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NAME = "logs/azureml/executionlogs.txt"  # Azure's, and the only one of a pipeline that azure-ai-ml streams
TICK = 1.0  # seconds between two looks at the log


class ExecutionLog:
    """``say`` at any time after ``open``; what was said is in the pipeline's folder of artifacts when ``close`` returns."""

    def __init__(self, cloud: Cloud, pipeline: ResourceId) -> None:
        self.folder = cloud.home.folder_for(cloud.home.runs, str(pipeline))
        self._path = self.folder / "executionlogs.txt"
        self._growing = Artifacts(cloud, pipeline.ancestor(1), pipeline.name).growing(NAME, self._path)
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> bool:
        """Whether an emulator before this one has said something already."""
        resumed = self._path.exists()
        if resumed:
            await asyncio.to_thread(self._growing.resume)
        self._path.touch(mode=0o600)
        self._following = asyncio.create_task(self._follow())
        return resumed

    def say(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"[{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}] {line}\n")

    def leave(self) -> None:
        """Stop following; the file stays for the next start."""
        if self._following is not None:
            self._following.cancel()

    async def close(self) -> None:
        self.leave()
        with contextlib.suppress(Exception):  # noqa: B902 - a log that cannot be stored keeps no pipeline from its end
            await asyncio.to_thread(self._growing.push)

    async def remove(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await asyncio.to_thread(self._growing.push)

"""The engine: runs one command job, from its environment to its outputs.

An ``Execution`` is one job's. It waits for its environment, then for nodes; on each node it has a folder with the job's code, in
which the command runs once for every rank; meanwhile logs flow to the job's folder of artifacts. However it ends, nothing that it
started is left running, its nodes are given back and its folders are gone.

Must live here: the order of these things. Must not: what is in an environment, how data moves, which nodes are free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from emulator import durations
from emulator.data.jobdata import JobData
from emulator.environments import builds
from emulator.errors import AzureError
from emulator.history import runs
from emulator.history.artifacts import Artifacts, FolderFollower, GrowingFile
from emulator.jobs import command, container, credentials, distribution, failures, targets, variables
from emulator.jobs.container import Container
from emulator.jobs.early import Early
from emulator.jobs.failures import JobFailed
from emulator.jobs.lifecycle import Event
from emulator.jobs.nodes import Pools
from emulator.jobs.processes import Ended, Process, Tree, marker, sweep
from emulator.jobs.targets import Target
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId
from emulator.mlflow import jobruns
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LOGGER = logging.getLogger("emulator.jobs")
TICK = 1.0  # seconds between two looks at the logs
BUILD_LOG = "azureml-logs/20_image_build_log.txt"
TIERS = ("Premium", "Standard", "Basic", "Null", "Spot")

Record = Callable[["Event | None", dict[str, Any]], Awaitable[None]]


class Phase(Enum):
    """What a cancel has to end."""

    WAITING = 0  # for the environment or for nodes: the task; a stopping emulator leaves the job to its next start
    PLACED = 1  # on nodes, its data under way: the task
    RUNNING = 2  # its processes
    STORING = 3  # nothing: what was begun is written to its end


class Execution:
    """``run()`` once, as ``task``; ``cancel(reason)`` at any time. ``record`` moves the job's document along and keeps facts.
    ``starting`` is what was started of it before; to end it, too, is the execution's."""

    def __init__(
        self,
        cloud: Cloud,
        pools: Pools,
        document: Document,
        target: Target,
        record: Record,
        starting: asyncio.Task[Early | None] | None = None,
    ) -> None:
        self.id = ResourceId.parse(document.id)
        self.name = self.id.name
        self.workspace = self.id.ancestor(1)
        self.job: dict[str, Any] = document.body["properties"]
        self.phase = Phase.WAITING
        self.canceled: str | None = None  # why, once that was asked
        self.task: asyncio.Task[None] | None = None
        self._cloud, self._pools, self._target, self._record = cloud, pools, target, record
        self._document = document
        self.folder = cloud.home.folder_for(cloud.home.runs, document.id)
        self._artifacts = Artifacts(cloud, self.workspace, self.name)
        self._data = JobData(cloud, document, self.folder)
        self._count = int(self.job.get("resources", {}).get("instanceCount", 1))
        self._planting: asyncio.Task[Tree] | None = None
        self._tracking: asyncio.Task[None] | None = None
        self._starting = starting
        self._nodes: list[Container] = []
        self._logs: list[GrowingFile] = []
        self._grant: dict[str, str] = {}
        self._said: list[str] = []
        self._told: list[asyncio.Task[None]] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # set once its end is on disk

    def cancel(self, reason: str) -> None:
        """Make an end of it: ``run`` returns within five seconds, with the job Canceled. Once is enough."""
        if self.canceled is not None:
            return
        self.canceled = reason
        if self.phase is Phase.RUNNING:
            self._tree.stop()
        elif self.phase in (Phase.WAITING, Phase.PLACED) and self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._is_over()

    async def _run(self) -> None:
        failure: JobFailed | None = None
        try:
            await self._live()
        except JobFailed as failed:
            failure = failed
        except AzureError as failed:  # something that the job names is gone since it was submitted
            failure = JobFailed(failed.message, failed.code)
        except asyncio.CancelledError:
            if self.canceled is None and self.phase is Phase.WAITING:
                return await self._clean()
            if self.canceled is None:
                failure = failures.lost("Running")
        except Exception as error:  # noqa: B902 - whatever it is, the job must come to an end
            LOGGER.exception("The engine failed with the job %s.", self.id)
            failure = failures.engine_failed(error)
        await self._end(failure)

    # In the order in which it happens

    async def _live(self) -> None:
        self._tell(Event.PICKED_UP)
        self._planting = asyncio.create_task(self._plant())
        self._tracking = asyncio.create_task(jobruns.make(self._cloud, self._document))
        built = await self._environment()
        self._tell(Event.PREPARED)
        await self._take_nodes()
        self.phase = Phase.PLACED
        placed = self._tell(Event.PLACED, {"started": time.time()})
        if self._starting is not None:
            await asyncio.shield(self._planting)
        processes = await self._prepare(built)
        # That it has nodes is on disk before anything runs: after a crash it must not be taken for one that waits.
        # Shielded: a cancel ends these waits, and then still needs the warden to be there and the run to be told of its end.
        await asyncio.gather(asyncio.shield(self._planting), asyncio.shield(placed))
        await self._execute(processes)
        await asyncio.shield(self._tracking)
        self._tell(Event.EXITED)

    def _tell(self, event: Event, facts: dict[str, Any] | None = None) -> asyncio.Task[None]:
        """Record the event; the job goes on meanwhile. Tasks begin in the order in which they are made, and so do the writes."""
        telling = asyncio.create_task(self._put_down(event, facts or {}))
        self._told.append(telling)
        return telling

    async def _put_down(self, event: Event, facts: dict[str, Any]) -> None:
        await self._record(event, facts)

    async def _environment(self) -> builds.Built:
        document = assets.resolve(self._cloud, self.workspace, self.job["environmentId"], "environments")
        path = self.folder / "image_build_log.txt"
        growing = self._artifacts.growing(BUILD_LOG, path)
        with path.open("w", encoding="utf-8") as file:

            def log(line: str) -> None:
                print(line, file=file, flush=True)

            following = asyncio.create_task(self._follow([growing]))
            try:
                built = await builds.build(self._cloud.home, document.body["properties"], log)
            except builds.EnvironmentFailed as failed:
                log(str(failed))
                await asyncio.to_thread(growing.push)
                raise failures.image_failed(str(failed)) from None
            finally:
                await _ended(following)
                if growing.made:  # it took long enough to be followed, or it failed: then the log is there whole
                    await asyncio.to_thread(growing.push)
        self._say(f"The environment {document.id} is {built.digest}.")
        return built

    async def _take_nodes(self) -> None:
        settings = self.job.get("queueSettings", {})
        order = (-settings.get("priority", 2), TIERS.index(settings.get("jobTier", "Null")), self._document.sequence)
        take = self._pools.take(self._target.key, self.name, self._count, order, self._capacity)
        taking = asyncio.create_task(take)
        try:
            while not taking.done():
                await asyncio.wait({taking}, timeout=TICK)
                self._check_compute()
                self._pools.changed(self._target.key)  # the compute may have been made bigger meanwhile
        except BaseException:
            await _ended(taking)
            raise
        self._say(f"The job has {self._count} of the nodes of {self._target.name}.")

    async def _prepare(self, built: builds.Built) -> list[Process]:
        """Folders, code and data; the processes to start."""
        early = bool(self._nodes)
        for index in range(len(self._nodes), self._count):
            self._nodes.append(await asyncio.to_thread(container.make, self.folder, index, built, self._artifacts))
        first = self._nodes[0].place.work
        principal = credentials.of_data(self._cloud, self.job, self._target.compute)
        await self._data.fetch(first, principal, code=not early)  # an early start has laid it out
        for node in self._nodes[1:]:
            await asyncio.to_thread(shutil.copytree, first, node.place.work, dirs_exist_ok=True, symlinks=True)
        filled = command.fill(self.job["command"], self._data.values)
        self._say(f"The command is: {filled}")
        self._grant = self._grant or credentials.grant(self._cloud, self.job, self._target.compute)
        shared = variables.of_job(self._cloud, self.workspace, self.job, self.name, runs.root(self._document))
        processes = []
        for rank in distribution.ranks(self._count, self.job.get("distribution")):
            place = self._nodes[rank.node].place
            path = place.logs / rank.log
            path.touch(mode=0o600)
            self._logs.append(self._artifacts.growing(f"user_logs/{rank.log}", path))
            told = (
                shared,
                built.variables,
                self._grant,
                variables.of_node(place),
                self._data.variables,
                rank.variables,
            )
            environment = variables.together(self.job, *told)
            processes.append(Process(["bash", "-c", filled], place.work, environment, path, rank.awaited))
        return processes

    async def _execute(self, processes: list[Process]) -> None:
        timeout = self.job.get("limits", {}).get("timeout")
        deadline = time.monotonic() + durations.seconds(timeout) if timeout else float("inf")
        await self._start(processes)
        self.phase = Phase.RUNNING
        running = asyncio.create_task(self._tree.ended())
        following = asyncio.create_task(self._follow(self._logs))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=min(TICK, max(0.0, deadline - time.monotonic())))
                self._check_compute()
                if time.monotonic() >= deadline and not running.done():
                    deadline = float("inf")
                    reason = f"The job was canceled because it ran longer than its limits.timeout, {timeout}."
                    await self._record(Event.CANCEL_ASKED, {"cancelationReason": reason})
                    self.cancel(reason)
        finally:
            if not running.done():
                await self._tree.fell()
            await _ended(following)
        self._check_exits(processes, await running)

    async def _plant(self) -> Tree:
        early = await self._starting if self._starting is not None else None
        if early is None:
            return await Tree.plant()
        self._nodes, self._grant = [early.container], early.grant
        return early.tree

    async def _start(self, processes: list[Process]) -> None:
        """The one that waits goes on; where there is none, or it did not live so long, all begin."""
        early = await self._starting if self._starting is not None else None
        if early is not None:
            if early.release(processes[0]):
                return self._say("It goes on in a process that was started early.")
            await early.drop()
            self._starting = None
            self._planting = asyncio.create_task(Tree.plant())
            await asyncio.shield(self._planting)
        self._tree.start(processes)

    def _check_exits(self, processes: list[Process], ended: list[Ended]) -> None:
        self._say(
            f"Ended: {', '.join(f'process {process.index} with {process.code}' for process in ended) or 'nothing'}."
        )
        if self._tree.killed:
            sweep(marker(self._cloud.home.root, self.name))
            raise failures.lost("Running")
        failed = next((process for process in ended if process.code != 0 and processes[process.index].awaited), None)
        if failed is not None and self.canceled is None:
            log = self._logs[failed.index]
            program = command.program(self.job["command"])
            raise failures.exited(program, failed.code, f"user_logs/{log.path.name}", log.last_lines())

    async def _follow(self, logs: list[GrowingFile]) -> None:
        """Upload what is new, until cancelled. An append blob takes 50,000 blocks, so the pace slackens by a second an hour."""
        began = time.monotonic()
        while True:
            await asyncio.sleep(TICK + (time.monotonic() - began) / 3600)
            await asyncio.to_thread(self._push, logs, [node.followed[0] for node in self._nodes])

    def _push(self, logs: list[GrowingFile], folders: list[FolderFollower]) -> None:
        for log in logs:
            log.push()
        for folder in folders:
            folder.push()

    # However it ends

    async def _end(self, failure: JobFailed | None) -> None:
        placed, self.phase = self.phase is not Phase.WAITING, Phase.STORING
        facts: dict[str, Any] = {}
        told = self._event(failure)
        words: asyncio.Future[Any] | None = None
        try:
            await self._fell()
            words = self._last_words(told, failure)
            if placed:
                facts = await self._store(told is Event.STORED)
        except Exception as error:  # noqa: B902 - a job whose outputs cannot be stored has failed, and says why
            if not isinstance(error, JobFailed):
                LOGGER.exception("The outputs of the job %s could not be stored.", self.id)
            failure = failure or (error if isinstance(error, JobFailed) else failures.engine_failed(error))
        self._pools.give(self._target.key, self.name)
        event = self._event(failure)
        if event is Event.BROKE and failure is not None:
            facts["error"] = failures.response(failure, self._region)
        await asyncio.gather(*(() if words is None else (words,)))
        if event is not told or words is None:
            await self._last_words(event, failure)
        await self._tell(event, {**facts, "ended": time.time()})
        self._is_over()
        await self._clean()

    def _event(self, failure: JobFailed | None) -> Event:
        return Event.STOPPED if self.canceled is not None else Event.BROKE if failure is not None else Event.STORED

    def _last_words(self, event: Event, failure: JobFailed | None) -> asyncio.Future[Any]:
        """The job's own words about itself, not its result: they do not keep it from ending."""
        if event is Event.BROKE and failure is not None:
            self._say(failure.message)
        log = asyncio.to_thread(self._artifacts.put, "system_logs/lifecycler/lifecycler.log", self._timeline())
        return asyncio.gather(log, self._end_tracking(event), return_exceptions=True)

    def _is_over(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    async def _fell(self) -> None:
        """End what runs, and what was begun beside."""
        if self._planting is not None:
            with contextlib.suppress(OSError):
                await (await self._planting).fell()
        if self._starting is not None:
            starting, self._starting = self._starting, None
            if (early := await starting) is not None:
                await early.drop()
        if self._tracking is not None:
            await asyncio.gather(self._tracking, return_exceptions=True)

    async def _store(self, good: bool) -> dict[str, Any]:
        """Logs, ``./outputs``, ``./logs`` and named outputs to where they belong; those of a job that failed too, unregistered."""
        folders = [folder for node in self._nodes for folder in node.followed]
        _, facts = await asyncio.gather(asyncio.to_thread(self._push, self._logs, folders), self._data.store(good=good))
        return {"outputs": facts}

    async def _end_tracking(self, event: Event) -> None:
        status = {Event.STORED: "FINISHED", Event.STOPPED: "KILLED", Event.BROKE: "FAILED"}[event]
        await self._cloud.tracking.end_run(self.workspace, self.name, status)

    async def _clean(self) -> None:
        self._pools.give(self._target.key, self.name)
        await self._fell()
        self._cloud.identity.revoke(self._grant)
        await asyncio.gather(*self._told, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    # What it knows

    @property
    def _tree(self) -> Tree:
        assert self._planting is not None, "The warden is planted before nodes are asked for."
        return self._planting.result()

    @property
    def _region(self) -> str:
        workspace = self._cloud.store.get(str(self.workspace))
        return str(workspace.body.get("location", "")) if workspace else ""

    def _capacity(self) -> int:
        """The pool's size now; none where the compute is gone, which ``_check_compute`` then tells."""
        document = self._cloud.store.get(self._target.compute) if self._target.compute else None
        if document is not None:
            return targets.open_nodes(document.id, document.body)
        return 0 if self._target.compute else self._target.capacity

    def _check_compute(self) -> None:
        if self._target.compute and self._cloud.store.get(self._target.compute) is None:
            raise failures.compute_deleted(self._target.name)

    def _say(self, line: str) -> None:
        now = time.time()
        self._said.append(f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z {line}")

    def _timeline(self) -> bytes:
        return ("\n".join(self._said) + "\n").encode()


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` and wait until it has ended; what it raises is not wanted any more."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

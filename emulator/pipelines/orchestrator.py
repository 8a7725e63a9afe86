"""The orchestrator: runs a pipeline, which is to say, begins each of its steps once what it needs is there.

One ``Orchestration`` a pipeline, and one for all that is nested in it. Steps are jobs like any other and run as such; what is
known of them is in their documents, so that an orchestration that begins after a restart goes on where the last one was.

Must live here: which step begins when, and how steps' ends become the pipeline's. Must not: how a job runs (``jobs.engine``), which
step waits for which (``steps``), which earlier step one is the same as (``reuse``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from emulator.data.transfer import NOT_FOUND
from emulator.errors import AzureError
from emulator.jobs import failures, targets
from emulator.jobs.failures import JobFailed
from emulator.jobs.lifecycle import TERMINAL, Event, Status
from emulator.management.ids import ResourceId
from emulator.mlflow import jobruns
from emulator.pipelines import plan, reuse
from emulator.pipelines.executionlog import ExecutionLog
from emulator.pipelines.steps import Step, Steps
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LOGGER = logging.getLogger("emulator.pipelines")
ENDS = {Status.COMPLETED: "FINISHED", Status.FAILED: "FAILED", Status.CANCELED: "KILLED"}  # as MLflow calls it
NEAR = 4  # steps after one that begins, among which some may be started early
AHEAD = 2  # steps that get ready while all nodes of their compute are taken

Record = Callable[["Event | None", dict[str, Any]], Awaitable[None]]


class Orchestration:
    """``run()`` once, as ``task``; ``cancel(reason)`` at any time. ``record`` moves the pipeline's document along."""

    def __init__(self, cloud: Cloud, document: Document, record: Record) -> None:
        self.id = ResourceId.parse(document.id)
        self.name = self.id.name
        self.canceled: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.over: asyncio.Future[None] = (
            asyncio.get_running_loop().create_future()
        )  # as of any job; nobody waits for it
        self._workspace = self.id.ancestor(1)
        self._cloud, self._document, self._record = cloud, document, record
        self._settings: dict[str, Any] = document.body["private"]["settings"]
        self._log = ExecutionLog(cloud, self.id)
        self.folder = self._log.folder
        self._steps = Steps((), lenient=True)
        self._ready: dict[str, deque[Step]] = {}  # by the pool of nodes that they wait for
        self._live: dict[str, str] = {}  # names, and the pool of each
        self._ends: asyncio.Queue[Step | None] = asyncio.Queue()  # ``None`` wakes a pipeline that is canceled
        self._beside: list[asyncio.Task[None]] = []  # what nobody waits for before the end
        self._early: set[str] = set()  # the steps that were started early, as far as they could be
        self._tracked: dict[str, asyncio.Task[None]] = {}  # the runs in MLflow of nested pipelines

    def cancel(self, reason: str) -> None:
        if self.canceled is None:
            self.canceled = reason
            self._ends.put_nowait(None)

    async def run(self) -> None:
        failure: JobFailed | None = None
        try:
            await self._open()
            await self._go(closing=False)
            await self._drop()
            await self._go(closing=True)  # also of a pipeline that failed or was canceled
        except asyncio.CancelledError:  # the emulator stops: its next start goes on from the documents
            return self._log.leave()
        except Exception as error:  # noqa: B902 - whatever it is, the pipeline must come to an end
            LOGGER.exception("The orchestrator failed with the pipeline %s.", self.id)
            failure = failures.engine_failed(error)
            with contextlib.suppress(Exception):  # noqa: B902 - it is the first failure that is told
                await self._stop("The orchestrator failed.")
        await self._end(failure)

    # In the order in which it happens

    async def _open(self) -> None:
        """The steps are documents, and the pipeline is Running."""
        resumed = await self._log.open()
        self._beside.append(asyncio.create_task(self._track(self._document)))
        documents = await self._cloud.store.write(lambda tx: plan.carry_out(tx, self._document.id))
        lenient = self._settings.get("continue_run_on_failed_optional_input", True)
        self._steps = Steps(map(Step.of, documents), lenient=lenient)
        await self._record(Event.PLACED, {"started": self._document.body["run"].get("started") or time.time()})
        self._log.say(f"{'Resuming' if resumed else 'Starting'} the pipeline {self.name} of {len(self._steps)} steps.")
        for step in [one for one in self._steps.leaves if one.ended]:
            await self._follow_up(step)
        self._ready.clear()  # what can begin is gathered by ``_go``

    async def _go(self, *, closing: bool) -> None:
        """Begin what is ready, take note of what ends, until nothing is left to do."""
        for step in self._steps.leaves:
            if step.closing == closing and step.can_begin:
                self._queue(step)
            elif step.status is not Status.NOT_STARTED and not step.ended:
                self._watch(step)  # it was begun before the emulator started
        while True:
            await self._begin_some()
            if not self._live:
                return
            ended = await self._ends.get()
            if ended is None:
                await self._stop("The pipeline was canceled.")
            else:
                await self._settle(ended)

    def _queue(self, step: Step) -> None:
        place = self._place(step)
        self._ready.setdefault(place.key if place is not None else "", deque()).append(step)

    def _place(self, step: Step) -> targets.Target | None:
        """Where the step will run; ``None`` where that is gone, which its beginning then tells."""
        document = self._cloud.store.get(step.id)
        try:
            return targets.target(self._cloud, self._workspace, document.body["properties"]) if document else None
        except AzureError:
            return None

    async def _begin_some(self) -> None:
        """Those that are ready, and not more than a few ahead of the nodes that there are."""
        taken, chosen = Counter(self._live.values()), []
        for key, queue in self._ready.items():
            place = self._place(queue[0]) if queue else None
            room = place.capacity + AHEAD - taken[key] if place is not None else len(queue)
            while queue and room > 0:
                step = queue.popleft()
                if step.status is Status.NOT_STARTED and step.name not in self._live:
                    self._live[step.name] = key
                    chosen.append(step)
                    room -= 1
        if chosen:
            first = ", ".join(f"{one.path} is {one.name}" for one in chosen[:5])
            self._log.say(f"Submitting {len(chosen)} runs, the first: {first}.")
            await asyncio.gather(*(self._begin(step) for step in chosen))

    async def _begin(self, step: Step) -> None:
        """The step as a job that runs, with what its makers made; or completed, where an earlier one made the same."""
        try:
            for within in self._steps.around(step):
                await self._move(within, Event.PLACED, {"started": time.time()})
                self._show(within)
            document = self._cloud.store.get(step.id)
            if document is None or document.body["properties"]["status"] != Status.NOT_STARTED.value:
                return self._ends.put_nowait(step)
            inputs, made = self._inputs(step, document)
            step.word = await reuse.digest(self._cloud, self._workspace, document, inputs, made)
            original = (
                None if self._settings.get("force_rerun") else reuse.find(self._cloud, self._workspace, step.word)
            )
            begun = await self._cloud.store.write(lambda tx: reuse.begin(tx, step.id, inputs, original))
            if original is not None and begun is not None:
                self._log.say(f"The run {step.name} of {step.path} reuses {original.name}.")
                self._beside.append(asyncio.create_task(self._track(begun, ends="FINISHED")))
            if begun is None or Status(begun.body["properties"]["status"]) in TERMINAL:
                return self._ends.put_nowait(step)
            step.status = Status.STARTING
            self._cloud.jobs.begin(begun)
            self._watch(step)
            self._look_ahead(step)
        except (AzureError, JobFailed) as error:
            failure = error if isinstance(error, JobFailed) else JobFailed(error.message, error.code)
            facts = {"error": failures.response(failure, self._location), "ended": time.time()}
            await self._cloud.jobs.record(step.id, Event.BROKE, facts)
            self._ends.put_nowait(step)

    def _look_ahead(self, begun: Step) -> None:
        """Start early what follows a step that really runs: none of it can be reused."""
        for step in islice(self._steps.following(begun), NEAR):
            if step.status is not Status.NOT_STARTED or step.closing or step.name in self._early:
                continue
            document = self._cloud.store.get(step.id)
            if document is not None and not self._cloud.jobs.early.start(document):
                return
            self._early.add(step.name)

    def _inputs(self, step: Step, document: Document) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
        """The step's inputs with what their makers made, and who really did; an optional one that was not made is left out."""
        inputs, origins = dict(document.body["properties"]["inputs"]), {}
        for name, (maker, output) in step.facts["bound"].items():
            made = self._cloud.store.get(self._steps[maker].id)
            told = made.body["run"].get("outputs", {}).get(output) if made is not None else None
            if made is None or told is None or self._steps[maker].status is not Status.COMPLETED:
                del inputs[name]
                continue
            modes = (inputs[name].get("mode"), made.body["properties"]["outputs"][output].get("mode"))
            if told["files"] == 0 and "Direct" not in modes:
                raise JobFailed(
                    f"The input '{name}' is bound to the output '{output}' of the step '{self._steps[maker].path}', which wrote "
                    "nothing there.",
                    NOT_FOUND,
                )
            inputs[name] = {**inputs[name], "uri": told["uri"]}
            origins[name] = (str(made.body["run"].get("origin", maker)), output)
        return inputs, origins

    def _watch(self, step: Step) -> None:
        """Hear of the step's end."""
        self._live.setdefault(step.name, "")
        document = self._cloud.store.get(step.id)
        execution = self._cloud.jobs.executing(document) if document is not None else None
        if execution is None or isinstance(execution, Orchestration):
            self._ends.put_nowait(step)
        else:
            execution.over.add_done_callback(lambda _: self._ends.put_nowait(step))

    async def _settle(self, step: Step) -> None:
        """Take note of a step that has ended."""
        self._live.pop(step.name, None)
        await self._cloud.jobs.early.drop(step.id)  # of one that ended before it began
        document = self._cloud.store.get(step.id)
        step.status = Status(document.body["properties"]["status"]) if document is not None else Status.CANCELED
        if not step.ended:  # the emulator stops, and it waits for the next start
            raise asyncio.CancelledError
        self._log.say(f"The run {step.name} of {step.path} is {step.status.value}.")
        done = step.status is Status.COMPLETED
        if document is not None and done and step.word and "origin" not in document.body["run"]:
            self._beside.append(asyncio.create_task(reuse.keep(self._cloud, self._workspace, step.word, document)))
        await self._follow_up(step)
        if not done and not step.closing and not self._settings.get("continue_on_step_failure"):
            await self._stop(f"The step {step.path} is {step.status.value}: the pipeline ends.")

    async def _follow_up(self, step: Step) -> None:
        ready, never = self._steps.after(step)
        for one in ready:
            if not one.closing:
                self._queue(one)
        await self._cancel(never)
        for nested in {around.name: around for one in (step, *never) for around in self._steps.around(one)}.values():
            await self._close(nested)

    async def _stop(self, why: str) -> None:
        """Nothing begins any more, and what runs is canceled."""
        self._log.say(why)
        await self._drop()
        for name in self._live:
            document = self._cloud.store.get(self._steps[name].id)
            if document is not None:
                with contextlib.suppress(AzureError):  # it has just ended
                    await self._cloud.jobs.cancel(document)

    async def _drop(self) -> None:
        """Those that have not begun never will, but for those that close the pipeline."""
        waiting = [one for one in self._steps.leaves if one.status is Status.NOT_STARTED and not one.closing]
        dropped = [one for one in waiting if one.name not in self._live]
        for one in dropped:
            one.status = Status.CANCELED
        await self._cancel(dropped)

    async def _cancel(self, steps: Iterable[Step]) -> None:
        facts, steps = {"ended": time.time()}, list(steps)
        await asyncio.gather(*(self._cloud.jobs.record(one.id, Event.CANCEL_ASKED, facts) for one in steps))
        await asyncio.gather(*(self._cloud.jobs.early.drop(one.id) for one in steps))

    # Nested pipelines

    async def _close(self, nested: Step) -> None:
        """End a nested pipeline when all its steps have ended."""
        inside = self._steps.inside(nested)
        if nested.ended or not all(one.ended for one in inside):
            return
        statuses = {one.status for one in inside}
        facts: dict[str, Any] = {"ended": time.time(), "outputs": self._made(nested.facts["outputs"])}
        if statuses == {Status.COMPLETED}:
            await self._move(nested, Event.EXITED, {})
            await self._move(nested, Event.STORED, facts)
        elif Status.FAILED in statuses:
            await self._move(
                nested, Event.BROKE, {**facts, "error": failures.response(self._failed(inside), self._location)}
            )
        else:
            await self._move(nested, Event.CANCEL_ASKED, facts)
            await self._move(nested, Event.STOPPED, facts)
        self._beside.append(asyncio.create_task(self._untrack(nested)))

    def _show(self, nested: Step) -> None:
        """Make its run in MLflow, once."""
        document = self._cloud.store.get(nested.id) if nested.name not in self._tracked else None
        if document is not None:
            self._tracked[nested.name] = asyncio.create_task(self._track(document))

    async def _untrack(self, nested: Step) -> None:
        if nested.name in self._tracked:
            await self._tracked[nested.name]
        await self._cloud.tracking.end_run(self._workspace, nested.name, ENDS[nested.status])

    async def _move(self, step: Step, event: Event, facts: dict[str, Any]) -> None:
        if step.ended or (event is Event.PLACED and step.status is not Status.NOT_STARTED):
            return
        document = await self._cloud.jobs.record(step.id, event, facts)
        step.status = Status(document.body["properties"]["status"]) if document is not None else Status.CANCELED

    # The end

    async def _end(self, failure: JobFailed | None) -> None:
        for nested in self._steps.nested:
            await self._close(nested)
        leaves = list(self._steps.leaves)
        if failure is None and any(one.status is not Status.COMPLETED for one in leaves):
            failure = self._failed(leaves)
        event = Event.STOPPED if self.canceled is not None else Event.BROKE if failure is not None else Event.STORED
        facts: dict[str, Any] = {"outputs": self._made(self._document.body["private"]["outputs"]), "ended": time.time()}
        if event is Event.BROKE and failure is not None:
            facts["error"] = failures.response(failure, self._location)
        self._log.say(f"Finishing the pipeline. {failure.message if failure and event is Event.BROKE else ''}".rstrip())
        if event is Event.STORED:
            await self._record(Event.EXITED, {})
        status = {Event.STORED: Status.COMPLETED, Event.STOPPED: Status.CANCELED, Event.BROKE: Status.FAILED}[event]
        # Words about the pipeline, not its result: they do not keep it from ending.
        await asyncio.gather(self._log.close(), *self._beside, return_exceptions=True)
        ends = self._cloud.tracking.end_run(self._workspace, self.name, ENDS[status])
        await asyncio.gather(ends, return_exceptions=True)
        await self._record(event, facts)
        await self._log.remove()

    def _failed(self, steps: Iterable[Step]) -> JobFailed:
        """The error that names the steps, with what the first of them said."""
        steps = list(steps)
        failed = [one for one in steps if one.status is Status.FAILED]
        bad = failed or [one for one in steps if one.status is Status.CANCELED]
        first = self._cloud.store.get(bad[0].id) if bad else None
        error = (first.body["run"].get("error") or {}).get("error", {}).get("message", "") if first is not None else ""
        return JobFailed(
            f"Pipeline has failed child jobs. Failed nodes: {', '.join(f'/{one.path}' for one in bad)}. Look at the child jobs, by "
            f"jobs.list(parent_job_name='{self.name}'), for details and logs.{f' {error}' if error else ''}",
            "PipelineHasStepJobFailed",
        )

    def _made(self, makers: dict[str, list[str]]) -> dict[str, Any]:
        """The outputs of a pipeline: those of the steps that are bound to them, where they completed."""
        found = {}
        for name, (maker, output) in makers.items():
            made = self._cloud.store.get(str(self._workspace.child("jobs", maker)))
            if made is not None and made.body["properties"]["status"] == Status.COMPLETED.value:
                found[name] = made.body["run"]["outputs"][output]
        return found

    # What it knows and tells

    async def _track(self, document: Document, ends: str = "") -> None:
        """The job's run in MLflow; ended at once with a status, of a step that was reused."""
        await jobruns.make(self._cloud, document)
        if ends:
            await self._cloud.tracking.end_run(self._workspace, document.name, ends)

    @property
    def _location(self) -> str:
        workspace = self._cloud.store.get(str(self._workspace))
        return str(workspace.body.get("location", "")) if workspace else ""

"""The orchestrator: runs a pipeline, which is to say, begins each of its steps once what it needs is there.

One ``Orchestration`` a pipeline, and one for all that is nested in it. Steps are jobs like any other and run as such; what is
known of them is in their documents, so that an orchestration that begins after a restart goes on where the last one was.

Must live here: which step follows which end, and how steps' ends become the pipeline's. Must not: how a job runs (``jobs.engine``),
how steps connect (``graph``), which earlier step one is the same as (``reuse``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError
from emulator.history import runs
from emulator.history.artifacts import Artifacts
from emulator.jobs import failures, targets
from emulator.jobs.failures import JobFailed
from emulator.jobs.lifecycle import TERMINAL, Event, Status
from emulator.management.ids import ResourceId
from emulator.pipelines import reuse
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LOGGER = logging.getLogger("emulator.pipelines")
LOG = "logs/azureml/executionlogs.txt"  # what ``jobs.stream`` prints of a pipeline
TICK = 1.0  # seconds between two looks at the log
AHEAD = 2  # steps that get ready while all nodes of their compute are taken

Record = Callable[["Event | None", dict[str, Any]], Awaitable[None]]


@dataclass(eq=False)
class Step:
    """``facts`` are the plan's: see ``plan``. ``waits`` holds the names of the steps that must end before."""

    id: str
    name: str
    within: str
    facts: dict[str, Any]
    nested: bool
    status: Status
    waits: set[str]
    queued: bool = False
    word: str = ""  # what it is, for ``reuse``

    @property
    def path(self) -> str:
        return str(self.facts["path"])

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


class Orchestration:
    """``run()`` once, as ``task``; ``cancel(reason)`` at any time. ``record`` moves the pipeline's document along."""

    def __init__(self, cloud: Cloud, document: Document, record: Record) -> None:
        self.id = ResourceId.parse(document.id)
        self.name = self.id.name
        self.canceled: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.folder = cloud.home.folder_for(cloud.home.runs, document.id)
        self._workspace = self.id.ancestor(1)
        self._cloud, self._document, self._record = cloud, document, record
        self._settings: dict[str, Any] = document.body["private"]["settings"]
        self._log = self.folder / "executionlogs.txt"
        self._growing = Artifacts(cloud, self._workspace, self.name).growing(LOG, self._log)
        self._steps: dict[str, Step] = {}
        self._followers: dict[str, list[Step]] = {}
        self._ready: dict[str, deque[Step]] = {}  # by the pool of nodes that they wait for
        self._live: dict[str, str] = {}  # names, and the pool of each
        self._last = False  # whether it is the turn of what runs when all else has ended
        self._ends: asyncio.Queue[Step | None] = asyncio.Queue()  # ``None`` wakes a pipeline that is canceled
        self._tracking: asyncio.Task[None] | None = None
        self._keeping: list[asyncio.Task[None]] = []

    def cancel(self, reason: str) -> None:
        if self.canceled is None:
            self.canceled = reason
            self._ends.put_nowait(None)

    async def run(self) -> None:
        failure: JobFailed | None = None
        following = None
        try:
            await self._open()
            following = asyncio.create_task(self._follow())
            await self._go()
            await self._drop(one for one in self._leaves if self.canceled is not None or not one.facts["last"])
            self._last = True
            await self._go()
        except asyncio.CancelledError:  # the emulator stops: its next start goes on from the documents
            return
        except Exception as error:  # noqa: B902 - whatever it is, the pipeline must come to an end
            LOGGER.exception("The orchestrator failed with the pipeline %s.", self.id)
            failure = failures.engine_failed(error)
        finally:
            if following is not None:
                following.cancel()
        await self._end(failure)

    # In the order in which it happens

    async def _open(self) -> None:
        """The steps as documents, and what is known of them; the pipeline is Running."""
        resumed = self._log.exists()
        if resumed:
            await asyncio.to_thread(self._growing.resume)
        self._log.touch(mode=0o600)
        self._tracking = asyncio.create_task(self._track(self._document))
        for document in await self._cloud.store.write(self._plant):
            told, properties = document.body["private"]["step"], document.body["properties"]
            step = Step(
                document.id,
                document.name,
                properties["parentJobName"],
                told,
                properties["jobType"] == "Pipeline",
                Status(properties["status"]),
                (
                    set()
                    if properties["jobType"] == "Pipeline"
                    else {*told["after"], *(one for one, _ in told["bound"].values())}
                ),
            )
            self._steps[step.name] = step
            for other in step.waits:
                self._followers.setdefault(other, []).append(step)
        await self._record(Event.PLACED, {"started": self._document.body["run"].get("started") or time.time()})
        self._say(f"{'Resuming' if resumed else 'Starting'} the pipeline {self.name} of {len(self._steps)} steps.")
        for step in self._leaves:
            if step.ended:
                await self._ended(step)

    def _plant(self, tx: Transaction) -> list[Document]:
        """Make the jobs of the plan, once, and drop the plan; those that there are."""
        pipeline = tx.get(self._document.id)
        if pipeline is None:
            return []
        private = pipeline.body["private"]
        if "plan" in private:
            for child in private["plan"]:
                id = str(self._workspace.child("jobs", child["name"]))
                tx.put(id, pipeline.type, child["body"], parent=pipeline.parent, by=pipeline.author)
            steps = [child["name"] for child in private["plan"]]
            kept = {key: value for key, value in private.items() if key != "plan"} | {"steps": steps}
            tx.put(pipeline.id, pipeline.type, {**pipeline.body, "private": kept}, parent=pipeline.parent)
            private = kept
        found = (tx.get(str(self._workspace.child("jobs", name))) for name in private["steps"])
        return [document for document in found if document is not None]

    async def _go(self) -> None:
        """Begin what is ready, take note of what ends, until nothing is left to do."""
        for step in self._leaves:
            if step.status is Status.NOT_STARTED:
                self._consider(step)
            elif not step.ended:
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

    async def _begin_some(self) -> None:
        """Those that are ready, and not more than a few ahead of the nodes that there are."""
        taken, chosen = Counter(self._live.values()), []
        for key, queue in self._ready.items():
            place = self._place(queue[0]) if queue else None
            room = place.capacity + AHEAD - taken[key] if place is not None else len(queue)
            while queue and room > 0:
                step = queue.popleft()
                if step.status is Status.NOT_STARTED:
                    self._live[step.name] = key
                    chosen.append(step)
                    room -= 1
        if chosen:
            self._say(
                f"Submitting {len(chosen)} runs, the first: {', '.join(f'{one.path} is {one.name}' for one in chosen[:5])}."
            )
            await asyncio.gather(*(self._begin(step) for step in chosen))

    def _place(self, step: Step) -> targets.Target | None:
        """Where the step will run; ``None`` where that is gone, which its beginning then tells."""
        document = self._cloud.store.get(step.id)
        try:
            return targets.target(self._cloud, self._workspace, document.body["properties"]) if document else None
        except AzureError:
            return None

    async def _begin(self, step: Step) -> None:
        """The step with what its makers made, as a job that runs."""
        document = self._cloud.store.get(step.id)
        if document is None:
            step.status = Status.CANCELED
            self._ends.put_nowait(step)
            return
        for within in self._around(step):
            await self._move(within, Event.PLACED, {"started": time.time()})
        inputs, made = self._inputs(step, document)
        step.word = await reuse.digest(self._cloud, self._workspace, document, inputs, made)
        if await self._reuse(step, inputs):
            return

        def change(tx: Transaction) -> Document | None:
            now = tx.get(step.id)
            if now is None or now.body["properties"]["status"] != Status.NOT_STARTED.value:
                return now
            properties = {**now.body["properties"], "inputs": inputs, "status": Status.STARTING.value}
            return tx.put(now.id, now.type, {**now.body, "properties": properties}, parent=now.parent)

        try:
            begun = await self._cloud.store.write(change)
            if begun is None or Status(begun.body["properties"]["status"]) in TERMINAL:
                raise JobFailed("The step was canceled before it began.", "Canceled")
            step.status = Status.STARTING
            self._cloud.jobs.begin(begun)
            self._watch(step)
        except (AzureError, JobFailed) as error:
            failure = error if isinstance(error, JobFailed) else JobFailed(error.message, error.code)
            facts = {"error": failures.response(failure, ""), "ended": time.time()}
            await self._cloud.jobs.record(step.id, Event.BROKE, facts)
            self._ends.put_nowait(step)

    def _watch(self, step: Step) -> None:
        """Hear of the step's end."""
        self._live.setdefault(step.name, "")
        document = self._cloud.store.get(step.id)
        execution = self._cloud.jobs.executing(document) if document is not None else None
        if execution is None or execution.task is None:
            self._ends.put_nowait(step)
        else:
            execution.task.add_done_callback(lambda _: self._ends.put_nowait(step))

    async def _reuse(self, step: Step, inputs: dict[str, Any]) -> bool:
        """Complete the step with what an earlier one made that is the same, where there is one."""
        rerun = self._settings.get("force_rerun", False)
        original = None if rerun else reuse.find(self._cloud, self._workspace, step.word)
        if original is None:
            return False
        now = time.time()

        def change(tx: Transaction) -> None:
            job = tx.get(step.id)
            if job is None or job.body["properties"]["status"] != Status.NOT_STARTED.value:
                return
            properties = job.body["properties"]
            told = {**properties["properties"], **reuse.properties(original)}
            status = Status.COMPLETED.value
            run = {
                **job.body["run"],
                "outputs": original.body["run"].get("outputs", {}),
                "origin": original.name,
                "started": now,
                "ended": now,
                "revision": job.body["run"]["revision"] + 1,
            }
            body = {**properties, "inputs": inputs, "properties": told, "status": status}
            tx.put(job.id, job.type, {**job.body, "properties": body, "run": run}, parent=job.parent)

        await self._cloud.store.write(change)
        self._keeping.append(asyncio.create_task(self._track(self._cloud.store.get(step.id), ends="FINISHED")))
        self._say(f"The run {step.name} of {step.path} reuses {original.name}.")
        self._ends.put_nowait(step)
        return True

    def _inputs(self, step: Step, document: Document) -> tuple[dict[str, Any], reuse.Made]:
        """The step's inputs with what their makers really made, and who made it; an optional one whose maker failed is left out."""
        inputs, origins = dict(document.body["properties"]["inputs"]), {}
        for name, (maker, output) in step.facts["bound"].items():
            made = self._cloud.store.get(self._steps[maker].id)
            told = made.body["run"].get("outputs", {}).get(output) if made is not None else None
            if made is None or self._steps[maker].status is not Status.COMPLETED or told is None:
                del inputs[name]
            else:
                inputs[name] = {**inputs[name], "uri": told["uri"]}
                origins[name] = (str(made.body["run"].get("origin", maker)), output)
        return inputs, origins

    async def _settle(self, step: Step) -> None:
        """Take note of a step that has ended."""
        self._live.pop(step.name, None)
        document = self._cloud.store.get(step.id)
        step.status = Status(document.body["properties"]["status"]) if document is not None else Status.CANCELED
        if not step.ended:  # the emulator stops, and it waits for the next start
            raise asyncio.CancelledError
        self._say(f"The run {step.name} of {step.path} is {step.status.value}.")
        if (
            document is not None
            and step.word
            and step.status is Status.COMPLETED
            and "origin" not in document.body["run"]
        ):
            self._keeping.append(asyncio.create_task(reuse.keep(self._cloud, self._workspace, step.word, document)))
        await self._ended(step)
        if (
            step.status is not Status.COMPLETED
            and not self._settings.get("continue_on_step_failure")
            and not step.facts["last"]
        ):
            await self._stop(f"The step {step.path} is {step.status.value}: the pipeline ends.")

    async def _ended(self, step: Step) -> None:
        """What follows the end of a step: others become ready, or will never be; a nested pipeline may be done."""
        never: list[Step] = []
        for follower in self._followers.get(step.name, ()):
            follower.waits.discard(step.name)
            if (
                follower.status is Status.NOT_STARTED
                and step.status is not Status.COMPLETED
                and not self._lenient(follower, step)
            ):
                never.append(follower)
            else:
                self._consider(follower)
        await self._drop(never)
        for one in never:
            await self._ended(one)
        for within in self._around(step):
            await self._close(within)

    def _consider(self, step: Step) -> None:
        if (
            step.status is Status.NOT_STARTED
            and not step.waits
            and step.facts["last"] == self._last
            and not step.queued
        ):
            step.queued = True
            place = self._place(step)
            self._ready.setdefault(place.key if place is not None else "", deque()).append(step)

    def _lenient(self, follower: Step, maker: Step) -> bool:
        """Whether the follower can do without: it takes nothing of the maker's but by optional inputs."""
        taken = [name for name, (made, _) in follower.facts["bound"].items() if made == maker.name]
        optional = self._settings.get("continue_run_on_failed_optional_input", True)
        return bool(optional) and bool(taken) and all(name in follower.facts["optional"] for name in taken)

    async def _stop(self, why: str) -> None:
        """Nothing begins any more, and what runs is canceled."""
        self._say(why)
        await self._drop(one for one in self._leaves if self.canceled is not None or not one.facts["last"])
        for name in self._live:
            document = self._cloud.store.get(self._steps[name].id)
            if document is not None:
                with contextlib.suppress(AzureError):  # it has just ended
                    await self._cloud.jobs.cancel(document)

    async def _drop(self, steps: Iterable[Step]) -> None:
        dropped = [step for step in steps if step.status is Status.NOT_STARTED and step.name not in self._live]
        for step in dropped:
            step.status = Status.CANCELED
        facts = {"ended": time.time()}
        await asyncio.gather(*(self._cloud.jobs.record(step.id, Event.CANCEL_ASKED, facts) for step in dropped))

    # Nested pipelines

    def _around(self, step: Step) -> list[Step]:
        """The nested pipelines that the step stands in, the innermost first."""
        found = []
        while step.within in self._steps:
            step = self._steps[step.within]
            found.append(step)
        return found

    async def _close(self, nested: Step) -> None:
        """End a nested pipeline when all its steps have ended."""
        inside = [one for one in self._steps.values() if one.within == nested.name]
        if nested.ended or not all(one.ended for one in inside):
            return
        statuses = {one.status for one in inside}
        facts: dict[str, Any] = {"ended": time.time()}
        if statuses == {Status.COMPLETED}:
            await self._move(nested, Event.EXITED, {})
            await self._move(nested, Event.STORED, facts)
        elif Status.FAILED in statuses:
            await self._move(nested, Event.BROKE, {**facts, "error": failures.response(self._failed(inside), "")})
        elif nested.status is Status.NOT_STARTED:
            await self._move(nested, Event.CANCEL_ASKED, facts)
        else:
            await self._move(nested, Event.CANCEL_ASKED, {})
            await self._move(nested, Event.STOPPED, facts)

    async def _move(self, step: Step, event: Event, facts: dict[str, Any]) -> None:
        if step.ended or (event is Event.PLACED and step.status is not Status.NOT_STARTED):
            return
        document = await self._cloud.jobs.record(step.id, event, facts)
        step.status = Status(document.body["properties"]["status"]) if document is not None else Status.CANCELED

    # The end

    async def _end(self, failure: JobFailed | None) -> None:
        if failure is None and any(one.status is not Status.COMPLETED for one in self._leaves):
            failure = self._failed(self._leaves)
        event = Event.STOPPED if self.canceled is not None else Event.BROKE if failure is not None else Event.STORED
        facts: dict[str, Any] = {"outputs": self._outputs(), "ended": time.time()}
        if event is Event.BROKE and failure is not None:
            facts["error"] = failures.response(failure, self._location)
        self._say(f"Finishing the pipeline: {failure.message if failure and event is Event.BROKE else event.value}.")
        if event is Event.STORED:
            await self._record(Event.EXITED, {})
        status = {Event.STORED: "FINISHED", Event.STOPPED: "KILLED", Event.BROKE: "FAILED"}[event]
        if self._tracking is not None:
            await asyncio.gather(self._tracking, return_exceptions=True)
        ends = self._cloud.tracking.end_run(self._workspace, self.name, status)
        await asyncio.gather(ends, *self._keeping, asyncio.to_thread(self._growing.push), return_exceptions=True)
        await self._record(event, facts)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def _failed(self, steps: Iterable[Step]) -> JobFailed:
        """The error that names the steps, with what the first of them said."""
        bad = [one for one in steps if one.status is Status.FAILED] or [
            one for one in steps if one.status is Status.CANCELED
        ]
        names = ", ".join(f"/{one.path}" for one in bad)
        first = self._cloud.store.get(bad[0].id) if bad else None
        error = (first.body["run"].get("error") or {}).get("error", {}).get("message", "") if first is not None else ""
        return JobFailed(
            f"Pipeline has failed child jobs. Failed nodes: {names}. Look at the child jobs, by jobs.list(parent_job_name="
            f"'{self.name}'), for details and logs.{f' {error}' if error else ''}",
            "PipelineHasStepJobFailed",
        )

    def _outputs(self) -> dict[str, Any]:
        """The pipeline's own outputs: those of the steps that are bound to them, where they completed."""
        found = {}
        for name, (maker, output) in self._document.body["private"]["outputs"].items():
            step = self._steps.get(maker)
            made = self._cloud.store.get(step.id) if step is not None and step.status is Status.COMPLETED else None
            if made is not None and output in made.body["run"].get("outputs", {}):
                found[name] = made.body["run"]["outputs"][output]
        return found

    # What it knows and tells

    @property
    def _leaves(self) -> list[Step]:
        """The steps that run something."""
        return [one for one in self._steps.values() if not one.nested]

    async def _track(self, document: Document | None, ends: str = "") -> None:
        if document is None:
            return
        job = document.body["properties"]
        await self._cloud.tracking.create_run(
            self._workspace,
            document.name,
            job["experimentName"],
            name=job["displayName"],
            tags={**job.get("tags", {}), **runs.lineage(document)},
            user=document.author,
        )
        if ends:
            await self._cloud.tracking.end_run(self._workspace, document.name, ends)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await asyncio.to_thread(self._growing.push)

    def _say(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"[{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}] {line}\n")

    @property
    def _location(self) -> str:
        workspace = self._cloud.store.get(str(self._workspace))
        return str(workspace.body.get("location", "")) if workspace else ""

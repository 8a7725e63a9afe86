"""Jobs: the resource, and the room that runs them.

Must live here: what a client may ask of a job and what it is told, and the jobs that run now. Must not: how a job runs
(``engine``), where (``targets``, ``nodes``), what follows what (``lifecycle``), run history (``emulator.history``).
https://learn.microsoft.com/rest/api/azureml/jobs
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, not_found, user_error
from emulator.history.artifacts import Artifacts
from emulator.http import Call, Reply
from emulator.jobs import credentials, early, failures, submission
from emulator.jobs.engine import Execution
from emulator.jobs.lifecycle import TERMINAL, Event, Status, advance
from emulator.jobs.nodes import Node, Pools
from emulator.jobs.processes import marker, sweep
from emulator.jobs.schema import service_unheeded
from emulator.jobs.targets import target
from emulator.machinelearning.checks import nothing_beside_properties
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.mlflow import jobruns
from emulator.pipelines import reuse
from emulator.pipelines.orchestrator import Orchestration
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.identity.tenant import Principal

TYPE = "Microsoft.MachineLearningServices/workspaces/jobs"
API_VERSION = "2024-10-01"
AT_ONCE = 0.5  # seconds that a cancel waits for the end before it answers "accepted"


class Jobs:
    """The jobs that run. One ``Execution`` a job, one ``Orchestration`` a pipeline, from its creation to its end."""

    def __init__(self, cloud: Cloud) -> None:
        self.pools = Pools()
        self._cloud = cloud
        self._live: dict[str, Execution | Orchestration] = {}
        self.early = early.Starts(cloud)
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """After a crash: end what was left running, and tell the jobs so; those that had no nodes yet go on, in their order."""
        self._cloud.home.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._cloud.store.write(reuse.forget)
        left = [job for job in self._cloud.store.of_type(TYPE) if status_of(job) not in TERMINAL]
        if left or any(self._cloud.home.runs.iterdir()):
            await asyncio.to_thread(sweep, marker(self._cloud.home.root))
        lost = []
        for job in left:
            status = status_of(job)
            if is_pipeline(job) or status is Status.NOT_STARTED:
                continue  # a step is begun by its pipeline, which goes on once its steps are told
            if advance(status, Event.RESTARTED) is not None:
                self.begin(await self.record(job.id, Event.RESTARTED, {}) or job)
                continue
            canceled = status is Status.CANCEL_REQUESTED
            failure = failures.response(failures.lost(status.value), _location(self._cloud, job))
            facts = {"ended": time.time(), **({} if canceled else {"error": failure})}
            await self.record(job.id, Event.STOPPED if canceled else Event.BROKE, facts)
            lost.append((job, "KILLED" if canceled else "FAILED"))
        for pipeline in (job for job in left if is_pipeline(job) and step_of(job) is None):
            self.begin(pipeline)
            if status_of(pipeline) is Status.CANCEL_REQUESTED:
                await self.cancel(pipeline)
        live = {execution.folder for execution in self._live.values()}
        self._tidying = asyncio.create_task(self._tidy(lost, set(self._cloud.home.runs.iterdir()) - live))

    async def stop(self) -> None:
        """End what runs; each such job is told as lost. Those that wait are left for the next start."""
        tasks = [execution.task for execution in self._live.values() if execution.task is not None]
        tasks += [self._tidying] if self._tidying is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self.early.stop(), return_exceptions=True)

    def begin(self, document: Document) -> None:
        """Run the job, which is on disk."""
        id = document.id

        async def record(event: Event | None, facts: Mapping[str, Any]) -> None:
            await self.record(id, event, facts)

        execution: Execution | Orchestration
        if is_pipeline(document):
            execution = Orchestration(self._cloud, document, record)
        else:
            place = target(self._cloud, ResourceId.parse(id).ancestor(1), document.body["properties"])
            execution = Execution(self._cloud, self.pools, document, place, record, self.early.take(id))
        execution.task = asyncio.create_task(execution.run(), name=f"job {document.name}")
        self._live[id.lower()] = execution
        execution.task.add_done_callback(lambda _: self._live.pop(id.lower(), None))

    async def submit(
        self, workspace: ResourceId, name: str, properties: Mapping[str, Any], principal: Principal | None = None
    ) -> Document:
        """Create the job ``name`` as a client's PUT with these properties would, and run it; raises what that would answer."""
        id = str(workspace.child("jobs", name))
        call = Call(
            self._cloud,
            "PUT",
            "management.azure.com",
            id,
            query={"api-version": API_VERSION},
            headers={"if-none-match": "*"},
            body=json.dumps({"properties": properties}).encode(),
            principal=principal or self._cloud.identity.local,
        )
        await arm.dispatch(call)
        document = self._cloud.store.get(id)
        assert document is not None, "A job that was acknowledged is there."
        return document

    async def record(self, id: str, event: Event | None, facts: Mapping[str, Any]) -> Document | None:
        """Move the job along and keep ``facts`` about it, in one change; ``None`` where the job is gone.

        An event that the table does not have for the job's status changes nothing: a cancel that came first stays.
        """

        def change(tx: Transaction) -> Document | None:
            job = tx.get(id)
            if job is None:
                return None
            status = advance(status_of(job), event) if event is not None else status_of(job)
            if status is None:
                return job
            properties = {**job.body["properties"], "status": status.value}
            run = {**job.body["run"], **facts, "revision": job.body["run"].get("revision", 0) + 1}
            return tx.put(job.id, TYPE, {**job.body, "properties": properties, "run": run}, parent=job.parent)

        return await self._cloud.store.write(change)

    async def cancel(
        self, document: Document, reason: str = "The job was canceled by its user."
    ) -> Execution | Orchestration | None:
        """Ask the job to end; its execution, if it has one. Raises ``UserError`` (400) for a job that has ended."""

        def change(tx: Transaction) -> Document:
            job = tx.get(document.id)
            if job is None:
                raise not_found(document.id)
            status = status_of(job)
            if status in (Status.CANCEL_REQUESTED, Status.CANCELED):
                return job
            following = advance(status, Event.CANCEL_ASKED)
            if following is None:
                raise user_error(f"The job '{job.name}' is {status.value} and can no longer be canceled.")
            properties = {**job.body["properties"], "status": following.value}
            return tx.put(job.id, TYPE, {**job.body, "properties": properties}, parent=job.parent)

        await self._cloud.store.write(change)
        execution = self.executing(document)
        if execution is not None:
            execution.cancel(reason)
        return execution

    def executing(self, document: Document) -> Execution | Orchestration | None:
        """What runs the job, or lets it wait, now."""
        return self._live.get(document.id.lower())

    def nodes(self, compute: str, minimum: int, maximum: int, idle: float) -> list[Node]:
        """The nodes that a compute has now; ``idle`` is how long one that is not used stays, in seconds."""
        return self.pools.nodes(compute, minimum, maximum, idle)

    async def _tidy(self, lost: Sequence[tuple[Document, str]], folders: Iterable[Path]) -> None:
        """Upload what lost jobs had logged, remove folders, end the jobs' runs. The start does not wait for it."""
        for job, _ in lost:
            workspace = ResourceId.parse(job.id).ancestor(1)
            with contextlib.suppress(Exception):  # noqa: B902 - a log that cannot be had keeps nobody from working
                artifacts = Artifacts(self._cloud, workspace, job.name)
                logs = self._cloud.home.folder_for(self._cloud.home.runs, job.id).glob("node*/user_logs/*.txt")
                for path in logs:
                    growing = artifacts.growing(f"user_logs/{path.name}", path)
                    await asyncio.to_thread(growing.resume)
                    await asyncio.to_thread(growing.push)
        for folder in folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        for job, status in lost:
            with contextlib.suppress(Exception):  # noqa: B902 - nor does a tracking server
                await self._cloud.tracking.end_run(ResourceId.parse(job.id).ancestor(1), job.name, status)


def status_of(job: Document) -> Status:
    return Status(job.body["properties"]["status"])


def is_pipeline(job: Document) -> bool:
    return bool(job.body["properties"]["jobType"] == "Pipeline")


def step_of(job: Document) -> Mapping[str, Any] | None:
    """What its pipeline knows of the job; ``None`` for one that is no step of any."""
    found: Mapping[str, Any] | None = job.body.get("private", {}).get("step")
    return found


def _location(cloud: Cloud, job: Document) -> str:
    workspace = cloud.store.get(job.parent)
    return str(workspace.body.get("location", "")) if workspace else ""


# The resource


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    properties = body.get("properties")
    nothing_beside_properties(body)
    if old is not None:
        return {**old.body, "properties": submission.changed(old, properties)}
    return submission.created(call, id, properties)


async def created(call: Call, document: Document, old: Document | None) -> None:
    if old is None:
        call.cloud.jobs.begin(document)
    else:
        await jobruns.to_run(call.cloud, document, old)


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    """What Azure adds: services, and properties that clients read.

    The output ``default`` is left out: azure-ai-ml 1.35 would stream a job's logs by signing links with the datastore's key, for
    which it takes whatever secret the datastore has. Without it, it reads the links of run history.

    A pipeline's step has no properties here, by which azure-ai-ml knows it for one, and reads it from run history.
    """
    if step_of(document) is not None:
        return {"properties": None}
    job, workspace = document.body["properties"], cloud.store.get(document.parent)
    region = workspace.body["location"] if workspace else ""
    services = {
        "Tracking": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{document.parent}?",
        "Studio": f"{cloud.endpoint}/_emulator/studio/runs/{document.name}?wsid={document.parent}",
    }
    return {
        "properties": {
            "isArchived": False,
            "componentId": None,
            "computeId": None,
            **job,
            "parameters": submission.parameters(job),
            "services": {
                **{
                    name: {
                        "jobServiceType": name,
                        "endpoint": endpoint,
                        "port": None,
                        "status": None,
                        "properties": None,
                    }
                    for name, endpoint in services.items()
                },
                **{
                    name: {**told, "status": "Failed", "errorMessage": service_unheeded(name, told)}
                    for name, told in job.get("services", {}).items()
                },
            },
        }
    }


async def list_all(call: Call) -> Reply:
    """Newest first, without children of another job; filters as https://learn.microsoft.com/rest/api/azureml/jobs/list."""
    view = (call.option("listViewType") or "ActiveOnly").lower()
    if view not in ("activeonly", "archivedonly", "all"):
        raise user_error(f"listViewType must be ActiveOnly, ArchivedOnly or All; it is '{view}'.")
    kind, tag, wanted = call.option("jobType"), call.option("tag"), call.option("properties")
    scheduled = (call.option("scheduled") or "false").lower() == "true" or call.option("scheduleId")

    def chosen(document: Document) -> bool:
        job = document.body["properties"]
        return (
            not job.get("parentJobName")
            and not scheduled
            and (view == "all" or bool(job.get("isArchived")) == (view == "archivedonly"))
            and (kind is None or kind.lower() == job["jobType"].lower())
            and (tag is None or _has(job.get("tags", {}), tag))
            and (wanted is None or all(_has(job.get("properties", {}), one) for one in wanted.split(",")))
        )

    jobs = [document for document in call.cloud.store.children(call.params["parent"], TYPE) if chosen(document)]
    return envelope.page(call, jobs[::-1])


def _has(pairs: Mapping[str, str], wanted: str) -> bool:
    """``key`` or ``key=value``."""
    name, equals, value = wanted.partition("=")
    return name in pairs and (not equals or pairs[name] == value)


async def cancel(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    execution = await call.cloud.jobs.cancel(document)
    task = execution.task if execution is not None else None

    async def end() -> None:
        if task is not None:
            await asyncio.wait({task})

    if task is not None:
        await asyncio.wait({task}, timeout=AT_ONCE)
    if task is None or task.done():
        operation = await call.cloud.operations.done(call, document.id)
    else:
        operation = await call.cloud.operations.begin(call, document.id, end())
    return Reply(202, headers=operation.headers)


async def delete(call: Call) -> Reply:
    """The job and its folder of artifacts; a job that has not ended is refused, so that nothing is deleted under its feet."""
    document = call.cloud.store.get(call.params["id"])
    if document is None:
        return Reply(204)
    if status_of(document) not in TERMINAL:
        status = document.body["properties"]["status"]
        raise user_error(
            f"The job '{document.name}' is {status}. Cancel it, or wait for its end, before deleting it.", status=409
        )
    workspace = ResourceId.parse(document.id).ancestor(1)
    steps = [str(workspace.child("jobs", name)) for name in document.body.get("private", {}).get("steps", ())]

    async def remove() -> None:
        for id in (document.id, *steps):
            await asyncio.to_thread(Artifacts(call.cloud, workspace, ResourceId.parse(id).name).remove)

        def change(tx: Transaction) -> None:
            for id in (document.id, *steps):
                tx.delete(id)

        await call.cloud.store.write(change)

    operation = await call.cloud.operations.begin(call, document.id, remove())
    return Reply(202, headers=operation.headers)


async def deleting(call: Call, document: Document) -> None:
    """The job goes with its workspace: what it runs ends first, and who recovers the workspace finds it canceled."""
    execution = call.cloud.jobs.executing(document)
    if execution is not None and execution.task is not None:
        with contextlib.suppress(AzureError):  # it is at its end
            await call.cloud.jobs.cancel(document, "The job's workspace was deleted.")
        await asyncio.wait({execution.task})


ROUTES = credentials.ROUTES
KINDS = (
    Kind(
        TYPE,
        name=NameRule(
            r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}",
            "Job name '{name}' is invalid. It must be 1 to 255 letters, digits, dashes and underscores, and begin with a letter "
            "or a digit.",
            "UserError",
        ),
        check=check,
        created=created,
        render=render,
        actions={"cancel": cancel},
        deleting=deleting,
        delete=delete,
        list=list_all,
        verbs=frozenset({"GET", "HEAD", "PUT", "DELETE", "LIST"}),
        state=False,
    ),
)

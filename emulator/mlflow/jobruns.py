"""A job and its run are one thing in Azure ML: what a client changes of the one, the other has too.

Tags, the display name (MLflow's run name) and the description (MLflow's note) go both ways. MLflow's own tags (``mlflow.…``) stay
with the run. Called once the change is kept on its own side, and before it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.history import runs
from emulator.http import Call
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

OWN = "mlflow."
NAME, NOTE = "mlflow.runName", "mlflow.note.content"
Tags = Mapping[str, "str | None"]  # one that is ``None`` is deleted


def tags(job: Mapping[str, Any]) -> dict[str, str]:
    """The run's tags that come from the job's stored properties."""
    note = {NOTE: job["description"]} if job.get("description") else {}
    return {**job.get("tags", {}), **note}


async def make(cloud: Cloud, job: Document) -> None:
    """Make the job's run, or find it made. What a client has changed of the job meanwhile reaches the run, too."""
    workspace, told = ResourceId.parse(job.id).ancestor(1), job.body["properties"]
    await cloud.tracking.create_run(
        workspace,
        job.name,
        told["experimentName"],
        name=told["displayName"],
        tags={**tags(told), **runs.lineage(job)},
        user=job.author,
    )
    now = cloud.store.get(job.id)
    if now is not None:
        await to_run(cloud, now, job)


async def to_run(cloud: Cloud, job: Document, old: Document) -> None:
    """Bring what of ``job`` is not as in ``old`` to its run, if it has one yet."""
    workspace, tell = ResourceId.parse(job.id).ancestor(1), cloud.tracking.ask
    now, before = tags(job.body["properties"]), tags(old.body["properties"])
    changed = [{"key": key, "value": value} for key, value in now.items() if before.get(key) != value]
    gone = before.keys() - now.keys()
    name = job.body["properties"]["displayName"]
    renamed = name != old.body["properties"]["displayName"]
    if not (changed or gone or renamed):
        return
    await cloud.tracking.settled(workspace)
    if not await cloud.tracking.has_run(workspace, job.name):
        return
    if changed:
        await tell(workspace, "POST", "runs/log-batch", body={"run_id": job.name, "tags": changed})
    for key in gone:
        await tell(workspace, "POST", "runs/delete-tag", body={"run_id": job.name, "key": key})
    if renamed:
        await tell(workspace, "POST", "runs/update", body={"run_id": job.name, "run_name": name})


async def to_job(call: Call, workspace: ResourceId, operation: str, sent: Mapping[str, Any]) -> None:
    """Bring what MLflow's ``operation`` (``runs/set-tag``) changed to the run's job; a run need not be one of a job."""
    changes = _changes(operation, sent)
    id = str(workspace.child("jobs", str(sent.get("run_id") or sent.get("run_uuid"))))
    if not changes or call.cloud.store.get(id) is None:
        return

    def change(tx: Transaction) -> None:
        job = tx.get(id)
        if job is None:
            return
        properties = dict(job.body["properties"])
        if NAME in changes:
            properties["displayName"] = changes[NAME] or job.name
        if NOTE in changes:
            properties["description"] = changes[NOTE]
        merged = {**properties.get("tags", {}), **changes}
        kept = {key: value for key, value in merged.items() if value is not None and not key.startswith(OWN)}
        body = {**job.body, "properties": {**properties, "tags": kept}}
        tx.put(job.id, job.type, body, parent=job.parent, by=arm.author(call))

    await call.cloud.store.write(change)


def _changes(operation: str, sent: Mapping[str, Any]) -> Tags:
    if operation == "runs/set-tag":
        return {sent["key"]: sent.get("value", "")}
    if operation == "runs/delete-tag":
        return {sent["key"]: None}
    if operation.startswith("runs/log-batch"):
        return {tag["key"]: tag.get("value", "") for tag in sent.get("tags") or ()}
    if operation == "runs/update" and sent.get("run_name"):
        return {NAME: sent["run_name"]}
    return {}

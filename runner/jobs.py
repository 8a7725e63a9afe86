"""The workspace's jobs: one by its name, the latest ones, cancelling, downloading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import names, talk
from runner.errors import Mistake
from runner.following import ENDED, status_of
from runner.outputs import Output, assets, find
from runner.polling import Poller
from runner.progress import Progress
from runner.report import outputs_of

if TYPE_CHECKING:
    from runner.workspace import Workspace

NEAR = 100  # jobs looked at for near names of one that is missing


def get(workspace: Workspace, name: str) -> Any:
    """The job called ``name``; raises ``Mistake`` with the near names when there is none."""
    from azure.core.exceptions import ResourceNotFoundError

    check_name(name)
    try:
        return workspace.client.jobs.get(name)
    except ResourceNotFoundError:
        workspace.check()
        there = [str(job.name) for job in latest(workspace, NEAR)]
        raise Mistake(
            f"There is no job '{name}' in workspace '{workspace.client.workspace_name}'. {names.near(name, there)}",
            next=f"aml jobs list{workspace.settings.flags}",
        ) from None


def check_name(name: str) -> None:
    """A job's name stands in addresses and is the folder of a download: it is checked before it is used."""
    if not names.ASSET.fits(name):
        raise Mistake(f"'{name}' is not a job's name: {names.ASSET.words}.")


def latest(workspace: Workspace, most: int, *, parent: str | None = None, archived: bool = False) -> Iterator[Any]:
    """The latest jobs first; ``parent`` asks for the steps of a pipeline job, ``archived`` also for what was put away."""
    from azure.ai.ml.constants import ListViewType

    within = get(workspace, parent) if parent is not None else None
    view = ListViewType.ALL if archived else ListViewType.ACTIVE_ONLY
    for job in islice(workspace.client.jobs.list(parent_job_name=parent, list_view_type=view), most):
        if within is not None:
            job.experiment_name = within.experiment_name  # of a step azure-ai-ml has the id of its experiment there
        yield job


def described(job: Any) -> dict[str, Any]:
    """What people want to know of a job, under names of Azure ML's YAML."""
    created, by = (getattr(job.creation_context, name, None) for name in ("created_at", "created_by"))
    return {
        "name": job.name,
        "display_name": job.display_name,
        "type": job.type,
        "status": status_of(job),
        "experiment_name": job.experiment_name,
        "description": job.description,
        "compute": _last(getattr(job, "compute", None)),
        "environment": getattr(job, "environment", None),
        "created": created.isoformat(timespec="seconds") if created else None,
        "created_by": by.get("userName") if isinstance(by, Mapping) else by,  # a step's is run history's
        "tags": dict(job.tags or {}),
        "studio": job.studio_url,
        "inputs": {name: _value(given) for name, given in (getattr(job, "inputs", None) or {}).items()},
        "outputs": outputs_of(job),
    }


def cancel(workspace: Workspace, name: str, *, wait: bool = True) -> str:
    """Ask for the job's end and, with ``wait``, wait for it; its status then. An ended job is left as it is."""
    job = get(workspace, name)
    if status_of(job) in ENDED:
        return status_of(job)
    workspace.client.jobs.begin_cancel(name)
    status = "CancelRequested"
    with Progress() as progress:
        for elapsed in Poller() if wait else ():
            status = status_of(workspace.client.jobs.get(name))
            if status in ENDED:
                break
            progress.at(f"{name} · {status}", elapsed)
    return status


def download(workspace: Workspace, name: str, folder: Path, output: str | None = None) -> None:
    """The job's logs and outputs below ``folder``, or one output alone; raises ``Mistake`` for a job that has not ended.

    An output that is a datastore's root is fetched only by its name: it may be all of the datastore.
    """
    job = get(workspace, name)
    if status_of(job) not in ENDED:
        raise Mistake(
            f"Job '{name}' is {status_of(job)}; its outputs can be fetched when it has ended.",
            next=f"aml jobs logs --follow {name}{workspace.settings.flags}",
        )
    outputs = outputs_of(job)
    if output is not None:
        named = "default" if output == "artifacts" else output
        _fetch(workspace, name, folder, named, find(workspace, name, named))
        # A job does not tell all of its outputs: azure-ai-ml looks in the places where they are, too.
        if output not in outputs and not (folder / "named-outputs" / output).exists():
            raise Mistake(f"Job '{name}' has no output '{output}'. {names.near(output, outputs)}")
        return
    workspace.client.jobs.download(name, download_path=folder)
    for one in dict.fromkeys([*outputs, *assets(workspace, name)]):
        if one == "artifacts":
            continue
        found = find(workspace, name, one)
        if re.search(r"/paths/?$", outputs.get(one, "")) or (found is not None and not found.path.strip("/")):
            talk.say(
                f"note: output {one} is the root of its datastore and is not fetched unless asked for: --output {one}"
            )
            continue
        _fetch(workspace, name, folder, one, found)


def _fetch(workspace: Workspace, job: str, folder: Path, output: str, found: Output | None) -> None:
    """One output, as azure-ai-ml does it; a model, which it cannot fetch, file by file."""
    if found is None or found.kind != "models":
        workspace.client.jobs.download(job, download_path=folder, output_name=output)
        return
    for file in found.files:
        found.fetch(file, folder / "named-outputs" / output)


def _value(given: Any) -> Any:
    """A literal, or the path of a file or folder. What azure-ai-ml gives back of a job wraps both."""
    held = getattr(given, "_data", given)
    return held if isinstance(held, str | int | float | None) else getattr(held, "path", None)


def _last(id: Any) -> Any:
    return id.rsplit("/", 1)[-1] if isinstance(id, str) else id

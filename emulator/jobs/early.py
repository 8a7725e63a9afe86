"""A step's Python, started while the steps before it still run: it imports what its script will, and waits for the step to begin.

In a chain of short steps most of the time goes into imports, one step's after the other's. Nothing else comes early: no line of the
script runs, no input is there, the job is NotStarted. Where the time of an import could make a difference (``imports``), or the
command is more than ``python SCRIPT ARGUMENTS``, nothing is started, and the step begins as any other job.

Must not live here: which steps are worth it (``emulator.pipelines``), what a process does while it waits (``waiting``).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from emulator.data import snapshot
from emulator.environments import builds
from emulator.history import runs
from emulator.history.artifacts import Artifacts
from emulator.jobs import container, credentials, distribution, imports, targets, variables
from emulator.jobs.container import Container
from emulator.jobs.processes import Process, Tree
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

PROGRAM = re.compile(r"(python3?) ([\w./-]+\.py)(?=\s|$)")
PLAIN = re.compile(r"""[\w\s./:=,@%+'"-]*""")  # words that a shell and ``shlex`` read alike
HOOK = Path(__file__).with_name("waiting.py")
LINE = 'import os; "AML_LOCAL_EARLY" in os.environ and exec(open({hook!r}).read(), {{"__name__": "waiting"}})\n'
MOST = 2  # steps that wait at once: each is a Python with its imports
FULL = 85  # per cent of the memory in use, above which nothing starts early
LONGEST = 1 << 15  # bytes of an order: what a FIFO takes at once, wherever this runs


@dataclass
class Early:
    """What there is of a job before it begins. ``release`` lets its process go on, ``drop`` ends it."""

    container: Container
    tree: Tree
    grant: dict[str, str]
    started: str  # the beginning of the command that runs already
    order: int

    def release(self, process: Process) -> bool:
        """Let the waiting Python become ``process``; ``False`` where it cannot, and must be dropped."""
        line, same = process.argv[-1].strip(), f"{self.started} "
        if self.tree.is_over or not f"{line} ".startswith(same) or not PLAIN.fullmatch(line):
            return False
        try:
            arguments = shlex.split(line)[2:]
        except ValueError:
            return False
        order = json.dumps({"arguments": arguments, "environment": dict(process.env)}).encode() + b"\n"
        if len(order) > LONGEST:
            return False
        os.write(self.order, order)
        return True

    async def drop(self) -> None:
        """The process ends, if it has not; once, whether or not it was released."""
        await self.tree.fell()
        os.close(self.order)


class Starts:
    """What waits now: ``start`` a step, and later ``take`` it, when it begins, or ``drop`` it, when it never will."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._waiting: dict[str, asyncio.Task[Early | None]] = {}

    def start(self, document: Document) -> bool:
        """Whether there was room for it."""
        if len(self._waiting) >= MOST or psutil.virtual_memory().percent > FULL:
            return False
        id = document.id.lower()
        starting = self._waiting[id] = asyncio.create_task(_start(self._cloud, document))

        def started(_: object) -> None:
            if starting.result() is None and self._waiting.get(id) is starting:
                del self._waiting[id]

        starting.add_done_callback(started)
        return True

    def take(self, id: str) -> asyncio.Task[Early | None] | None:
        """From now on to be dropped by who takes it."""
        return self._waiting.pop(id.lower(), None)

    async def drop(self, id: str) -> None:
        starting = self.take(id)
        if starting is not None and (early := await starting) is not None:
            await early.drop()
            self._cloud.identity.revoke(early.grant)
            await _remove(self._cloud.home.folder_for(self._cloud.home.runs, id))

    async def stop(self) -> None:
        await asyncio.gather(*map(self.drop, list(self._waiting)))


async def _start(cloud: Cloud, document: Document) -> Early | None:
    """Start the Python of a job that is NotStarted; ``None`` where it is not worth it, or something is not there yet. The job's own
    beginning will tell what is wrong."""
    job = document.body["properties"]
    program = PROGRAM.match(str(job["command"]).strip())
    alone = int(job.get("resources", {}).get("instanceCount", 1)) == 1 and not job.get("distribution")
    if program is None or not alone or not job.get("codeId"):
        return None
    folder = cloud.home.folder_for(cloud.home.runs, document.id)
    early = None
    try:
        early = await _started(cloud, document, program[0], program[2], folder)
    except Exception:  # noqa: B902 - whatever it is, it is the job's to fail with it
        return None
    finally:
        if early is None:
            await _remove(folder)
    return early


async def _started(cloud: Cloud, document: Document, started: str, script: str, folder: Path) -> Early | None:
    job, id = document.body["properties"], ResourceId.parse(document.id)
    workspace = id.ancestor(1)
    target = targets.target(cloud, workspace, job)
    environment = assets.resolve(cloud, workspace, job["environmentId"], "environments")
    built = await builds.build(cloud.home, environment.body["properties"], lambda _: None)
    mine = await asyncio.to_thread(container.make, folder, 0, built, Artifacts(cloud, workspace, id.name))
    await snapshot.lay_out(cloud, workspace, job["codeId"], mine.place.work)
    modules = await asyncio.to_thread(imports.of, mine.place.work / script)
    if not modules:
        return None
    packages = next(built.folder.glob("lib/python*/site-packages"))
    layered = next(mine.place.python.parent.parent.glob("lib/python*/site-packages"))
    (layered / "_waiting.pth").write_text(LINE.format(hook=str(HOOK)))  # read after ``_environment.pth``
    told, order = folder / "early.json", folder / "order"
    told.write_text(json.dumps({"order": str(order), "packages": str(packages), "modules": modules}))
    os.mkfifo(order, 0o600)
    grant = credentials.grant(cloud, job, target.compute)
    (rank,) = distribution.ranks(1, None)
    environment_now = variables.together(
        job,
        variables.of_job(cloud, workspace, job, id.name, runs.root(document)),
        built.variables,
        grant,
        variables.of_node(mine.place),
        rank.variables,
    )
    log = mine.place.logs / rank.log
    log.touch(mode=0o600)
    handle = os.open(order, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        tree = await Tree.plant()
        process = Process(
            ["bash", "-c", started], mine.place.work, {**environment_now, "AML_LOCAL_EARLY": str(told)}, log
        )
        tree.start([process])
    except BaseException:
        os.close(handle)
        cloud.identity.revoke(grant)
        raise
    return Early(mine, tree, grant, started, handle)


async def _remove(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

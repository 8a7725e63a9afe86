"""Environments: an environment version's properties become a virtual environment, made once for each content.

What determines an environment — the requirements as PyPI understands them, the Python, the options — makes its digest, and the
digest its folder. ``uv`` fills the folder with hard links from its cache. It is built aside and renamed when complete, so a
folder that is there is whole; callers in this process share one build, other processes wait at a lock. A finished environment
is never changed: what a job installs for itself goes into a layer of its own (``layer``), as in Azure it stays in the job's
container.

Must not live here: what conda's lines mean (``conda``), which Pythons there are (``interpreters``).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emulator.environments import conda, installer, interpreters
from emulator.environments.conda import EnvironmentFailed, Recipe
from emulator.environments.interpreters import Interpreter
from emulator.home import Home
from emulator.machinelearning import curated

__all__ = ["Built", "EnvironmentFailed", "build", "layer", "recipe"]

FORMAT = 1  # part of every digest: raise it when environments are laid out differently
# What a plain image runs on: Python with what conda's base installation brings along in Azure's own images, and no machine learning
# package, "notably the Azure ML Python SDK" (https://github.com/Azure/AzureML-Containers#introduction).
DEFAULT = (*conda.IMPLIED, "packaging", "requests", "tqdm")

Log = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """``python`` is the environment's executable, ``log`` the text of the build log, ``variables`` the conda file's own."""

    python: Path
    digest: str
    log: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.python.parent.parent


async def build(home: Home, environment: Mapping[str, Any], log: Log) -> Built:
    """The environment of ``environment`` (properties of an environment version), made where it is not there yet.

    ``log`` takes the build log, line by line, in the event loop. Raises ``EnvironmentFailed`` with a message for the job's owner.
    """
    plan = recipe(environment)
    python, chosen = await asyncio.to_thread(interpreters.choose, plan.python)
    plan = replace(plan, notes=(*_said(environment), *plan.notes, chosen))
    digest = digest_of(plan, python)
    folder = home.environments / digest
    if _whole(folder):
        for line in (*plan.notes, f"Environment {digest} was built before."):
            log(line)
        return _built(folder, plan)
    key = str(folder)
    work = _building.get(key)
    if work is None:
        work = _building[key] = _Build(home, folder, plan, python)
    return await work.follow(log)


def recipe(environment: Mapping[str, Any]) -> Recipe:
    """What the properties ask for; raises ``EnvironmentFailed`` for what cannot be had here."""
    if environment.get("build"):
        context = environment["build"]
        file = context.get("dockerfilePath") or "Dockerfile" if isinstance(context, dict) else "Dockerfile"
        raise EnvironmentFailed(
            f"The environment is a build context ('{file}'), and a Dockerfile cannot be run without a container engine. "
            "Use an image with a conda file instead: image: … and conda_file: …"
        )
    if str(environment.get("osType") or "Linux").lower() != "linux":
        raise EnvironmentFailed(
            f"osType is '{environment['osType']}': the emulator runs jobs in Linux environments only."
        )
    image, text = str(environment.get("image") or ""), environment.get("condaFile")
    if text:
        plan = conda.translate(text if isinstance(text, str) else json.dumps(text))
        return plan if plan.python else replace(plan, python=_python_of(image))
    if image.lower().startswith(curated.IMAGES):
        return _curated(image)
    return Recipe(python=_python_of(image), requirements=tuple(sorted(DEFAULT)))


def digest_of(plan: Recipe, python: Interpreter) -> str:
    """Content, not spelling: the same packages asked for in other words, or in another order, are one environment."""
    content = [FORMAT, platform.system(), platform.machine(), str(python.version), plan.requirements, plan.options]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def layer(built: Built, folder: Path) -> Path:
    """A virtual environment of a job's own on top of ``built``, in some milliseconds; its Python.

    Everything of ``built`` can be imported and run; what the job installs (``pip install …``) goes into ``folder`` and wins.
    """
    base = built.folder
    packages = next(base.glob("lib/python*/site-packages")).relative_to(base)
    (folder / packages).mkdir(parents=True)
    # addsitedir and not a bare path: the .pth files of the environment count too.
    (folder / packages / "_environment.pth").write_text(f"import site; site.addsitedir({str(base / packages)!r})\n")
    shutil.copyfile(base / "pyvenv.cfg", folder / "pyvenv.cfg")
    (folder / "bin").mkdir()
    with os.scandir(base / "bin") as entries:
        for entry in entries:
            target = folder / "bin" / entry.name
            if entry.is_symlink():
                target.symlink_to(os.readlink(entry.path))
            elif entry.stat().st_size > 1 << 16:
                target.symlink_to(entry.path)  # a program of its own, which starts no Python
            else:
                shutil.copy(entry.path, target)  # scripts start the Python that lies beside them
    for other in base.iterdir():  # share, etc, include: what packages look for below sys.prefix
        if other.name not in ("bin", "lib", "pyvenv.cfg") and not other.name.startswith("."):
            (folder / other.name).symlink_to("lib" if other.name == "lib64" else other)
    return folder / "bin" / "python"


class _Build:
    """One build that several callers may follow; each sees the whole log. It goes on when a caller is cancelled."""

    def __init__(self, home: Home, folder: Path, plan: Recipe, python: Interpreter) -> None:
        self._lines: list[str] = []
        self._followers: list[Log] = []
        self._task = asyncio.create_task(self._work(home, folder, plan, python))

    async def follow(self, log: Log) -> Built:
        for line in self._lines:
            log(line)
        self._followers.append(log)
        try:
            return await asyncio.shield(self._task)
        finally:
            self._followers.remove(log)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        for log in list(self._followers):
            log(line)

    async def _work(self, home: Home, folder: Path, plan: Recipe, python: Interpreter) -> Built:
        try:
            for note in plan.notes:
                self._say(note)
            home.environments.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(_sweep, home)
            lock = await asyncio.to_thread(_lock, folder)
            try:
                if not _whole(folder):  # another process may have built it while this one waited
                    await self._make(folder, plan, python)
            finally:
                os.close(lock)
            self._say(f"Environment {folder.name} is ready.")
            return _built(folder, plan)
        finally:
            _building.pop(str(folder), None)

    async def _make(self, folder: Path, plan: Recipe, python: Interpreter) -> None:
        draft = folder.with_name(f"{folder.name}.draft")
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        try:
            await installer.install(draft, python, plan, self._say)
            (draft / "build.log").write_text("\n".join(self._lines) + "\n")
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # one whose Python is gone
            draft.rename(folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


_building: dict[str, _Build] = {}


def _whole(folder: Path) -> bool:
    """Built completely, and its Python still on the machine."""
    return (folder / "bin" / "python").exists() and (folder / "build.log").exists()


def _built(folder: Path, plan: Recipe) -> Built:
    log = (folder / "build.log").read_text(encoding="utf-8")
    return Built(folder / "bin" / "python", folder.name, log, dict(plan.variables))


def _curated(image: str) -> Recipe:
    """What Microsoft published under that name, as far as it is known and can be had."""
    found = curated.of_image(image)
    if found is None:
        raise EnvironmentFailed(
            f"The contents of the curated image '{image}' are not known here; known are {', '.join(curated.names())}. "
            "Use one of these, or a conda file."
        )
    plan = conda.translate(found.conda_file)
    left_out = f"Of {found.name} these are left out: {', '.join(found.left_out)}."
    return replace(plan, notes=(*plan.notes, left_out)) if found.left_out else plan


def _python_of(image: str) -> str:
    """The Python that an image's name promises: ``python:3.10-slim``, ``…/minimal-ubuntu20.04-py38-cpu-inference``."""
    official = re.fullmatch(r"(?:.*/)?python:(3\.\d+)(?:[.\-].*)?", image)
    if official:
        return f"=={official[1]}.*"
    tagged = re.search(r"-py(3)(\d{1,2})(?=[-:]|$)", image)
    return f"=={tagged[1]}.{tagged[2]}.*" if tagged else ""


def _said(environment: Mapping[str, Any]) -> Iterator[str]:
    image = environment.get("image")
    if image:
        rest = (
            "the conda file's packages"
            if environment.get("condaFile")
            else "Python and the emulator's default packages"
        )
        yield f"Image {image} is not run: the job gets {rest} on this machine."


def _lock(folder: Path, *, wait: bool = True) -> int:
    """An open file that excludes other processes for as long as it is open; raises ``BlockingIOError`` where it may not wait."""
    handle = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _sweep(home: Home) -> None:
    """Remove what a killed build left behind; what is being built now is locked."""
    for draft in home.environments.glob("*.draft"):
        with contextlib.suppress(BlockingIOError):
            lock = _lock(draft.with_suffix(""), wait=False)
            try:
                shutil.rmtree(draft, ignore_errors=True)
            finally:
                os.close(lock)

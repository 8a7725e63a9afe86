"""A job's code: what a code asset holds, laid out in the folder in which the command runs.

A registered version never changes, so its files are fetched once, into a folder that is renamed when it is complete; each job gets
copies of its own, which it may change. The files can be executed, as what Azure puts on a node can.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.data import places, transfer
from emulator.data.transfer import NOT_FOUND, Cache, DataFailed
from emulator.errors import AzureError
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from emulator.cloud import Cloud

KEPT = 200  # snapshots


async def lay_out(cloud: Cloud, workspace: ResourceId, code: str, folder: Path) -> None:
    """Copy the code asset ``code`` (its id, or ``azureml:name:version``) into ``folder``. Raises ``DataFailed``."""
    try:
        version = assets.resolve(cloud, workspace, code, "codes")
    except AzureError as error:
        raise DataFailed(NOT_FOUND, f"The job's code was not found: {error.message}") from None
    key = hashlib.sha256(f"{version.id.lower()}\n{version.etag}".encode()).hexdigest()[:32]
    kept = cloud.home.snapshots / key
    try:
        os.utime(kept)
    except FileNotFoundError:
        await _fetch(cloud, workspace, str(version.body["properties"]["codeUri"]), kept)
        await asyncio.to_thread(_prune, cloud.home.snapshots)
    await asyncio.to_thread(_copy, kept, folder)


async def _fetch(cloud: Cloud, workspace: ResourceId, uri: str, kept: Path) -> None:
    source = places.locate(cloud, workspace, uri)
    draft = kept.with_name(f"{kept.name}.{uuid.uuid4().hex[:8]}")
    try:
        with places.opened(cloud, source) as client:
            found = await asyncio.to_thread(transfer.entries, client, source.path)
            if not found and source.path:
                one = await asyncio.to_thread(transfer.entry, client, source.path.rstrip("/"))
                found = [one] if one else []
            if not found:
                raise DataFailed(
                    NOT_FOUND, f"The job's code was not found: nothing was uploaded to '{uri.partition('?')[0]}'."
                )
            draft.mkdir(mode=0o700, parents=True)
            await transfer.download(client, found, draft, Cache.of(cloud.home.downloads), own=True)
        with contextlib.suppress(OSError):  # another job was quicker
            draft.rename(kept)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


def _prune(folder: Path) -> None:
    """Forget all but ``KEPT`` snapshots, those that nobody used for longest first, and what a killed fetch left."""
    quiet = time.time() - 3600  # nothing that a job may be copying just now
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a draft that was renamed meanwhile
            found.append((path.stat().st_mtime, path))
    found.sort()
    for used, path in [*found[:-KEPT], *((used, path) for used, path in found if "." in path.name)]:
        if used < quiet:
            shutil.rmtree(path, ignore_errors=True)


def _copy(kept: Path, folder: Path) -> None:
    for base, folders, files in os.walk(kept):
        target = folder / Path(base).relative_to(kept)
        for name in folders:
            (target / name).mkdir(exist_ok=True)
        for name in files:
            shutil.copyfile(Path(base, name), target / name)
            (target / name).chmod(0o755)

"""What a job reads and writes: each input becomes a value for the command line, each output goes to where it belongs.

    input     mount and download give a path below the job's folder; direct gives the URI; eval_* what an MLTable's paths name
    output    mount and upload give a path, whose files go to the datastore in the end; direct gives the URI

A mount is a copy: what others write meanwhile is not seen. A read-only mount's files are links into the cache that cannot be
written; what a job does to a read-write mount is written back when it ends; an output's folder starts empty even where its
location already holds something.

Names as in Azure: ``INPUT_<name>/<file>`` and ``<name>``
(https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from emulator.data import mltable, places, transfer, web
from emulator.data.places import Place
from emulator.data.transfer import DENIED, INVALID, NOT_FOUND, Cache, DataFailed, Entry
from emulator.errors import AzureError
from emulator.machinelearning import assets
from emulator.management.ids import ResourceId
from emulator.storage.rules import blob_name

if TYPE_CHECKING:
    from emulator.cloud import Cloud

__all__ = ["DataFailed", "Output", "fetch_input", "identity", "prepare_output", "register_output", "return_input"]
__all__ += ["store_output"]

FOLDERS = (
    "uri_folder",
    "mltable",
    "mlflow_model",
    "triton_model",
)  # uri_file is a file, custom_model whichever lies there
MOUNT = "ReadOnlyMount"  # of an input that says no mode
SHOWN = 10  # names that an error lists


@dataclass(frozen=True)
class Output:
    """``value`` stands in the command line, ``uri`` is where the output lies in the end; ``path`` is the folder or file to be
    written, ``None`` for ``direct``."""

    name: str
    type: str
    mode: str
    value: str
    uri: str
    path: Path | None


async def fetch_input(
    cloud: Cloud, workspace: ResourceId, name: str, job_input: Mapping[str, Any], folder: Path
) -> str:
    """The value of an input that is data or a model, put below ``folder``.

    ``job_input`` is the REST API's ``{"jobInputType", "uri", "mode"}``, checked when the job was submitted
    (https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update#urifolderjobinput). Raises ``DataFailed``.
    """
    kind, mode, uri = job_input["jobInputType"], job_input.get("mode") or MOUNT, job_input["uri"]
    place = folder / f"INPUT_{_safe(name)}"
    if mode == "Direct":
        return places.told(cloud, workspace, uri)
    cache = Cache.of(cloud.home.downloads)
    own = mode not in ("ReadOnlyMount", "EvalMount")
    source = places.find(cloud, workspace, uri)
    if mode.startswith("Eval"):
        if kind != "mltable":
            raise DataFailed(INVALID, f"The input '{name}' is a {kind}; its mode '{mode}' is for an mltable.")
        return await mltable.evaluate(cloud, workspace, places.blob(source, name), place, own=own)
    place.mkdir(parents=True, exist_ok=True)
    if isinstance(source, str):
        if kind in FOLDERS or mode == "ReadWriteMount":
            raise DataFailed(
                INVALID,
                f"The input '{name}' is on the web ({source.partition('?')[0]}): only a uri_file can be read there.",
            )
        (file,) = await transfer.spread(lambda url, stopped: web.fetch(url, place, cache, stopped, own=own), [source])
        return str(file)
    with places.opened(cloud, source) as client:
        found = await _found(client, source, kind, f"The input '{name}' ({uri.partition('?')[0]})")
        await transfer.download(client, found, place, cache, own=own)
    if mode == "ReadWriteMount":
        _manifest(place).write_text(json.dumps(_states(place)))
    return str(place / found[0].path) if _is_file(source, found) else str(place)


async def identity(cloud: Cloud, workspace: ResourceId, job_input: Mapping[str, Any]) -> list[Any] | None:
    """What an input is made of: where it lies, and its blobs with their ETags; ``None`` where that cannot be known.

    Raises ``DataFailed`` where there is nothing.
    """
    kind, mode, uri = job_input["jobInputType"], job_input.get("mode") or MOUNT, job_input["uri"]
    source = places.find(cloud, workspace, uri)
    if isinstance(source, str) or mode.startswith("Eval"):
        return None  # of the web, or named by what is read
    with places.opened(cloud, source) as client:
        found = await _found(client, source, kind, uri)
    return [uri, client.url, sorted([one.name, one.etag] for one in found)]


async def return_input(
    cloud: Cloud, workspace: ResourceId, name: str, job_input: Mapping[str, Any], folder: Path
) -> None:
    """Write back what the job changed in a read-write mount, and delete what it deleted; nothing for other modes."""
    place = folder / f"INPUT_{_safe(name)}"
    if not _manifest(place).exists():
        return
    source = places.blob(places.find(cloud, workspace, job_input["uri"]), name)
    before, now = json.loads(_manifest(place).read_text()), _states(place)
    with places.opened(cloud, source) as client:
        single = set(before) == {source.path.rpartition("/")[2]}
        single = single and await asyncio.to_thread(transfer.entry, client, source.path) is not None
        base = source.path.rpartition("/")[0] if single else source.path.strip("/")
        prefix = f"{base}/" if base else ""
        await transfer.upload(
            client, [(place / path, prefix + blob_name(path)) for path in now if now[path] != before.get(path)]
        )
        await transfer.remove(client, [prefix + path for path in before.keys() - now.keys()])


async def prepare_output(
    cloud: Cloud, workspace: ResourceId, name: str, job_output: Mapping[str, Any], folder: Path
) -> Output:
    """An output and the place below ``folder`` for it.

    ``job_output`` is the REST API's ``{"jobOutputType", "uri", "mode"}``, its ``uri`` filled in by ``submission``. Raises
    ``DataFailed`` for a location that is none.
    """
    kind, mode, uri = job_output["jobOutputType"], job_output.get("mode") or "ReadWriteMount", job_output["uri"]
    target = places.blob(places.find(cloud, workspace, uri), name)
    if mode == "Direct":
        return Output(name, kind, mode, places.told(cloud, workspace, uri), uri, None)
    path = folder / _safe(name)
    path.mkdir(parents=True, exist_ok=True)
    if kind == "uri_file":
        path = path / _safe(target.path.rstrip("/").rpartition("/")[2] or name)
    return Output(name, kind, mode, str(path), uri, path)


async def store_output(cloud: Cloud, workspace: ResourceId, output: Output, *, succeeded: bool = True) -> int:
    """Write what the job left at ``output.path`` to its location; how many files. Of a job that failed, what Azure would not have
    uploaded (mode ``Upload``) is not; what was written to a mount is there. Raises ``DataFailed``."""
    if output.path is None or not (succeeded or output.mode == "ReadWriteMount"):
        return 0
    target = places.blob(places.find(cloud, workspace, output.uri), output.name)
    base = target.path.strip("/")
    if output.path.is_file():
        files = [(output.path, base or output.name)]
    else:
        prefix = f"{base}/" if base else ""
        files = [(path, prefix + blob_name(relative)) for relative, path in _files(output.path).items()]
    try:
        with places.opened(cloud, target) as client:
            return await transfer.upload(client, files, Cache.of(cloud.home.downloads))
    except (HttpResponseError, OSError) as error:
        raise DataFailed(
            (
                "ScriptExecution.WriteStreams.NotFound"
                if isinstance(error, ResourceNotFoundError)
                else "ScriptExecution.WriteStreams"
            ),
            f"The output '{output.name}' could not be written to {output.uri.partition('?')[0]}: {str(error).splitlines()[0]}",
        ) from None


async def register_output(
    cloud: Cloud, workspace: ResourceId, job: str, output: Output, name: str, version: str = ""
) -> str:
    """Make the stored output a version of the data asset or model ``name``; its id. Without ``version`` it is the next number.

    Raises ``DataFailed`` with Azure's words where the name is bad, or the version is there with another content.
    """
    if output.type.endswith("_model"):
        kind, properties = "models", {"modelType": output.type, "modelUri": output.uri, "jobName": job}
    else:
        kind, properties = "data", {"dataType": output.type, "dataUri": output.uri}
    try:
        return (await assets.register(cloud, workspace, kind, name, properties, version=version)).id
    except AzureError as error:
        raise DataFailed("UserError", f"The output '{output.name}' could not be registered: {error.message}") from None


async def _found(client: ContainerClient, source: Place, kind: str, what: str) -> list[Entry]:
    """The blobs of an input, one of them at least."""

    def look() -> list[Entry]:
        path = source.path.rstrip("/")
        if kind in FOLDERS:
            found = transfer.entries(client, path)
            if not found and path and transfer.entry(client, path):
                raise DataFailed(
                    INVALID,
                    f"{what} is a file, and its type '{kind}' is for a folder. Use uri_file, or name the folder.",
                )
            return found
        one = transfer.entry(client, path) if path else None
        if one is not None:
            return [one]
        found = transfer.entries(client, path)
        if found and kind == "uri_file":
            raise DataFailed(
                INVALID, f"{what} is a folder, and its type 'uri_file' is for a file. Use uri_folder, or name the file."
            )
        return found

    try:
        found = await asyncio.to_thread(look)
        if not found:
            raise DataFailed(NOT_FOUND, await asyncio.to_thread(_missing, client, source, what))
    except HttpResponseError as error:
        code = DENIED if error.status_code in (401, 403) else NOT_FOUND
        raise DataFailed(code, f"{what} cannot be read: {str(error).splitlines()[0]}") from None
    return found


def _missing(client: ContainerClient, source: Place, what: str) -> str:
    """What is there in place of what was asked for; says so when only the case of letters differs."""
    message = f"{what} was not found. Found no resources for the input provided: '{source.container}/{source.path}'."
    here, differs = "", False
    for part in filter(None, source.path.split("/")):
        try:
            level = [one.name[len(here) :] for one in client.walk_blobs(name_starts_with=here, delimiter="/")]
        except ResourceNotFoundError:
            return f"{message} There is no container '{source.container}' in the storage account '{source.account}'."
        names = {name.rstrip("/"): name for name in level}
        same = [name for name in names if name.lower() == part.lower()]
        if not same:
            listed = ", ".join(sorted(level)[:SHOWN]) + (
                f" and {len(level) - SHOWN} more" if len(level) > SHOWN else ""
            )
            return f"{message} In '{source.container}/{here}' there is: {listed or 'nothing'}."
        real = part if part in names else same[0]
        differs = differs or real != part
        here += f"{real}/"
    if differs:
        real = here.rstrip("/")
        return f"{message} Only the case of letters differs from '{real}', which is there: names of blobs are case-sensitive."
    return f"{message} It is empty."


def _safe(name: str) -> str:
    """A name of an input or output as the name of a file, which it must be as it is."""
    if not re.fullmatch(r"[^/\\\0]{1,200}", name) or name in (".", ".."):
        raise DataFailed(INVALID, f"'{name}' cannot be the name of a file.")
    return name


def _is_file(source: Place, found: list[Entry]) -> bool:
    return len(found) == 1 and found[0].name == source.path.rstrip("/")


def _manifest(place: Path) -> Path:
    """What a read-write mount held at first, beside it and not in it."""
    return place.with_name(f".{place.name}.json")


def _states(place: Path) -> dict[str, list[int]]:
    states = {}
    for relative, path in _files(place).items():
        found = path.stat()
        states[relative] = [found.st_size, found.st_mtime_ns]
    return states


def _files(folder: Path) -> dict[str, Path]:
    """The files below ``folder`` by their relative path; links to nowhere and what is no file are left out."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(base, name)
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    return found

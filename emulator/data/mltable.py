"""The files that an MLTable names, for the modes ``eval_mount`` and ``eval_download``.

Its ``paths`` alone are evaluated: which rows its transformations would keep makes no difference to which files there are
(https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable). Beside the files lies what else it says: a parallel
step reads rows by it, or what the files' paths mean.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from emulator.data import places, transfer
from emulator.data.places import Place
from emulator.data.transfer import INVALID, NOT_FOUND, Cache, DataFailed, Entry
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from emulator.cloud import Cloud


async def evaluate(cloud: Cloud, workspace: ResourceId, table: Place, place: Path, *, own: bool) -> str:
    """Put the files of the MLTable in the folder ``table`` below ``place``; ``place``. Raises ``DataFailed``."""
    base = table.path.strip("/")
    name = f"{base}/MLTable" if base else "MLTable"
    with places.opened(cloud, table) as client:
        if await asyncio.to_thread(transfer.entry, client, name) is None:
            raise DataFailed(NOT_FOUND, f"There is no file '{name}'. Found no resources for the input provided.")
        text = await asyncio.to_thread(lambda: client.download_blob(name).readall())
    place.mkdir(parents=True, exist_ok=True)
    there: list[str] = []
    for how, path in paths(text, name):
        target = replace(table, path=f"{base}/{path}".lstrip("/"))
        if "://" in path:
            target = places.locate(cloud, workspace, path)
        with places.opened(cloud, target) as client:
            found = await asyncio.to_thread(_named, client, how, target.path)
            if not found:
                raise DataFailed(
                    NOT_FOUND, f"'{how}: {path}' of '{name}' was not found. Found no resources for the input provided."
                )
            await transfer.download(client, found, place, Cache.of(cloud.home.downloads), own=own)
        there += [one.path for one in found if not one.path.endswith("/")]
    said = {**yaml.safe_load(text), "paths": there}
    place.with_name(f".{place.name}.table.json").write_text(json.dumps(said, default=str))  # the driver's _said
    return str(place)


def paths(text: bytes, name: str) -> list[tuple[str, str]]:
    """``file``, ``folder`` or ``pattern`` and its path, which is a URI or relative to the MLTable without ``./``."""
    try:
        spec: Any = yaml.safe_load(text)
        entries = [next(iter(entry.items())) for entry in spec["paths"]]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, StopIteration, UnicodeDecodeError):
        raise DataFailed(
            INVALID, f"'{name}' is no MLTable: it must be YAML with a list 'paths' of file:, folder: or pattern:."
        ) from None
    found = []
    for how, path in entries:
        if how not in ("file", "folder", "pattern") or not isinstance(path, str):
            raise DataFailed(INVALID, f"'{how}: {path}' of '{name}' is neither file:, folder: nor pattern:.")
        path = path if "://" in path else re.sub(r"^(\./)+", "", path)
        if "://" not in path and (path.startswith("/") or ".." in path.split("/")):
            raise DataFailed(INVALID, f"'{how}: {path}' of '{name}' leads out of the MLTable's folder.")
        found.append((how, path))
    return found


def _named(client: ContainerClient, how: str, path: str) -> list[Entry]:
    if how == "file":
        one = transfer.entry(client, path)
        return [one] if one else []
    if how == "folder":
        return transfer.entries(client, path)
    fixed = re.split(r"[*?\[]", path)[0].rpartition("/")[0]
    below = path[len(fixed) :].lstrip("/")
    return [one for one in transfer.entries(client, fixed) if _pattern(below).fullmatch(one.path)]


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` within a folder, ``**`` across folders, ``?`` one character."""
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts), re.DOTALL)

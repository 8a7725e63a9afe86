"""A job's own folder in the workspace's artifact container: logs, ``outputs`` and what MLflow logs.

It is ``ExperimentRun/dcid.<job>/`` of the container behind ``workspaceartifactstore``, which is where ``jobs.download`` looks.
Everything here blocks on Azurite and is called from threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobType, ContentSettings

from emulator.machinelearning.datastores import default_store
from emulator.management.ids import ResourceId
from emulator.storage.rules import blob_name

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

    from emulator.cloud import Cloud

BLOCK = 4 * 1024 * 1024  # bytes appended at once
TEXT = ContentSettings(content_type="text/plain; charset=utf-8")
UPLOADS = 4  # files at a time


class Folder:
    """What lies below ``prefix`` in a container of a storage account. ``path`` is always relative to that."""

    def __init__(self, cloud: Cloud, account: str, container: str, prefix: str) -> None:
        self._cloud = cloud
        self.account, self.container, self.prefix = account, container, prefix

    def client(self) -> ContainerClient:
        client: ContainerClient = self._cloud.blobs.container(self.account, self.container)
        return client

    def link(self, path: str, permissions: str = "r") -> str:
        """A URL with ``permissions`` on the blob, for a day."""
        url: str = self._cloud.blobs.sas(self.account, self.container, self.prefix + path, permissions=permissions)
        return url

    def entries(self, below: str = "") -> list[tuple[str, int]]:
        """Path and bytes of everything whose path begins with ``below``, sorted by path."""
        found = self.client().list_blobs(name_starts_with=self.prefix + below)
        try:
            return [(blob.name[len(self.prefix) :], int(blob.size)) for blob in found]
        except ResourceNotFoundError:  # the container went with its account
            return []

    def names(self, below: str = "") -> list[str]:
        return [name for name, _ in self.entries(below)]


class Artifacts(Folder):
    """The folder of a job: ``path`` is ``user_logs/std_log.txt``."""

    def __init__(self, cloud: Cloud, workspace: ResourceId, job: str) -> None:
        store = default_store(cloud, workspace, "artifact")
        super().__init__(cloud, store.account, store.container, f"ExperimentRun/dcid.{job}/")

    def put(self, name: str, content: bytes) -> None:
        self.client().upload_blob(self.prefix + name, content, overwrite=True, content_settings=TEXT)

    def growing(self, name: str, path: Path) -> GrowingFile:
        return GrowingFile(path, self.client().get_blob_client(self.prefix + name))

    def remove(self) -> None:
        client = self.client()
        for name in self.names():
            client.delete_blob(self.prefix + name)


class GrowingFile:
    """A file that a job appends to, and the append blob that follows it. Any bytes; memory is bounded by ``BLOCK``."""

    def __init__(self, path: Path, blob: BlobClient) -> None:
        self.path = path
        self._blob = blob
        self._sent = 0
        self._one = threading.Lock()  # a push may still go on in its thread when the last one is asked for
        self.made = False

    def resume(self) -> None:
        """Go on after what the blob has already: an emulator before this one followed the file."""
        try:
            properties = self._blob.get_blob_properties()
        except ResourceNotFoundError:
            return
        self.made = properties.blob_type == BlobType.APPENDBLOB
        self._sent = properties.size if self.made else 0

    def push(self) -> int:
        """Append what is new; how many bytes that was. The blob is there even when nothing was written."""
        pushed = 0
        with self._one, self.path.open("rb") as file:
            if not self.made:
                self._blob.create_append_blob(content_settings=TEXT)
                self.made = True
            file.seek(self._sent)
            while block := file.read(BLOCK):
                self._blob.append_block(block, length=len(block))
                self._sent += len(block)
                pushed += len(block)
        return pushed

    def last_lines(self, count: int = 20, limit: int = 4096) -> str:
        """The end of the file as text, at most ``limit`` bytes of it."""
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            file.seek(max(0, size - limit))
            lines = file.read().decode("utf-8", "replace").splitlines()
        if size > limit:
            del lines[:1]  # the middle of a line
        return "\n".join(lines[-count:])


class FolderFollower:
    """``./outputs`` or ``./logs`` of a node: each ``push`` uploads what was added or changed since the last."""

    def __init__(self, artifacts: Artifacts, root: Path, name: str) -> None:
        self._artifacts, self._root, self._name = artifacts, root, name
        self._seen: dict[str, tuple[int, int]] = {}
        self._one = threading.Lock()

    def push(self) -> int:
        """How many files were uploaded. A file that goes away or cannot be read meanwhile is left out; the next push sees."""
        with self._one:
            changed = [(path, name, state) for path, name, state in self._files() if self._seen.get(name) != state]
            if changed:
                client = self._artifacts.client()
                with ThreadPoolExecutor(min(UPLOADS, len(changed))) as pool:
                    list(pool.map(lambda file: self._upload(client, *file), changed))
        return len(changed)

    def _files(self) -> Iterator[tuple[Path, str, tuple[int, int]]]:
        for base, _, files in os.walk(self._root):
            for name in files:
                path = Path(base, name)
                try:
                    found = path.stat()
                except OSError:
                    continue
                if path.is_file():
                    yield path, blob_name(path.relative_to(self._root).as_posix()), (found.st_size, found.st_mtime_ns)

    def _upload(self, client: Any, path: Path, name: str, state: tuple[int, int]) -> None:
        target = f"{self._artifacts.prefix}{self._name}/{name}"
        try:
            file = path.open("rb")
        except OSError:
            return
        with file:
            try:
                client.upload_blob(target, file, overwrite=True)
            except ResourceExistsError:  # MLflow wrote one of another kind there
                client.delete_blob(target)
                file.seek(0)
                client.upload_blob(target, file, overwrite=True)
        self._seen[name] = state

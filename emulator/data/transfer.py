"""Files to blobs and back: many at a time, in threads, a bounded piece of each in memory.

What comes down is kept once, under its ETag (``Cache``), and given to jobs as read-only hard links or as copies of their own.
Names of blobs are checked before they become paths. Must not live here: what jobs' inputs and outputs mean (``bindings``).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

WORKERS = 8
BLOCK = 8 * 1024 * 1024  # bytes of one file in memory
KEPT = 20 * 1024**3  # bytes of downloads that are kept for later jobs
NOT_FOUND = "ScriptExecution.StreamAccess.NotFound"
DENIED = "ScriptExecution.StreamAccess.Authentication"
WRITE_DENIED = "ScriptExecution.WriteStreams.Authentication"
INVALID = "ScriptExecution.StreamAccess.Validation"

T = TypeVar("T")
R = TypeVar("R")
Fill = Callable[[Path], None]


class DataFailed(Exception):
    """``code`` is Azure's for the case, such as ``ScriptExecution.StreamAccess.NotFound``; the message is for the job's owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Entry:
    """A blob: ``name`` in its container, ``path`` relative to the folder that is read, ``modified`` in Unix seconds."""

    name: str
    path: str
    size: int
    etag: str
    modified: float


class Cache:
    """Files by key, each whole or not there. A file that somebody changed (size or time) counts as not there."""

    def __init__(self, folder: Path, limit: int = KEPT) -> None:
        self._folder, self._limit = folder, limit
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()
        self._held: int | None = None  # bytes, counted at the first use

    @staticmethod
    @lru_cache
    def of(folder: Path) -> Cache:
        """The one of this process for ``folder``."""
        return Cache(folder)

    def file(self, key: str, size: int, modified: float, fill: Fill) -> Path:
        """The file of ``key``; ``fill`` writes it where it is not there, once however many ask. Blocks."""
        name, time = hashlib.sha256(key.encode()).hexdigest()[:40], int(modified) * 10**9
        path = self._folder / name[:2] / name
        with self._only(name):
            with contextlib.suppress(OSError):
                found = path.stat()
                if (found.st_size, found.st_mtime_ns, found.st_mode & 0o222) == (size, time, 0):
                    return path
                path.unlink()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_name(f".{name}.{os.getpid()}")
            try:
                fill(draft)
                os.utime(draft, ns=(time, time))
                draft.chmod(0o444)
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        self._grown(size)
        return path

    def adopt(self, key: str, path: Path, modified: float) -> None:
        """Keep the file at ``path``, which nobody writes to any more, as that of ``key``: a link, so nothing is copied."""
        name, time = hashlib.sha256(key.encode()).hexdigest()[:40], int(modified) * 10**9
        kept = self._folder / name[:2] / name
        draft = kept.with_name(f".{name}.{os.getpid()}")
        if path.is_symlink():
            return
        with (
            self._only(name),
            contextlib.suppress(OSError),
        ):  # another disk: then it is fetched, should somebody need it
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.link(path, draft)
            os.utime(draft, ns=(time, time))
            draft.chmod(0o444)
            os.replace(draft, kept)
            self._grown(kept.stat().st_size)

    @contextlib.contextmanager
    def _only(self, name: str) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = (lock, users - 1)

    def _grown(self, size: int) -> None:
        """Forget what was used longest ago once there is too much; jobs that have it keep their links."""
        with self._guard:
            self._held = None if self._held is None else self._held + size
            if self._held is not None and self._held <= self._limit:
                return
            files = []
            for path in self._folder.glob("*/*"):
                with contextlib.suppress(OSError):
                    found = path.stat()
                    files.append((found.st_ctime, found.st_size, path))  # a new link is a change of the inode
            self._held = sum(bytes for _, bytes, _ in files)
            for _, bytes, path in sorted(files)[:-1]:
                if self._held <= self._limit:
                    break
                path.unlink(missing_ok=True)
                self._held -= bytes


def entries(client: ContainerClient, prefix: str) -> list[Entry]:
    """The blobs below the folder ``prefix`` (the whole container when it is empty), by name; none where there is no container.

    Raises ``DataFailed`` for a name that cannot be a path below a folder. Markers of empty folders are among them, their ``path``
    ending in a slash.
    """
    start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    found: list[Entry] = []
    with contextlib.suppress(ResourceNotFoundError):
        for blob in client.list_blobs(name_starts_with=start, include=["metadata"]):
            path = blob.name[len(start) :]
            if (blob.metadata or {}).get("hdi_isfolder", "").lower() == "true":
                path = f"{path}/"  # how a hierarchical namespace shows a folder
            if path.strip("/"):
                _check(path, blob.name)
                found.append(Entry(blob.name, path, blob.size, blob.etag, blob.last_modified.timestamp()))
    return found


def entry(client: ContainerClient, name: str) -> Entry | None:
    """The blob of that very name."""
    try:
        blob = client.get_blob_client(name).get_blob_properties()
    except ResourceNotFoundError:
        return None
    if (blob.metadata or {}).get("hdi_isfolder", "").lower() == "true":
        return None
    path = name.rpartition("/")[2]
    _check(path, name)
    return Entry(name, path, blob.size, blob.etag, blob.last_modified.timestamp())


async def download(client: ContainerClient, found: Iterable[Entry], folder: Path, cache: Cache, *, own: bool) -> None:
    """Put what was ``found`` below ``folder``: copies where they are the job's ``own`` to change, else read-only links."""
    files = []
    for one in found:
        target = folder / one.path
        try:
            (target if one.path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise DataFailed(
                INVALID, f"'{one.name}' is both a file and a folder among the blobs, which no disk can hold."
            ) from None
        if not one.path.endswith("/"):
            files.append((one, target))

    def fetch(file: tuple[Entry, Path], stopped: threading.Event) -> None:
        one, target = file
        give(
            cache.file(
                _key(client, one.name, one.etag),
                one.size,
                one.modified,
                lambda draft: _fill(client, one, draft, stopped),
            ),
            target,
            own=own,
        )

    await spread(fetch, files)


def give(kept: Path, target: Path, *, own: bool) -> None:
    """``kept`` at ``target``: a link where the reader may not change it, a copy where it may."""
    try:
        if not own:
            with contextlib.suppress(OSError):  # another disk, or too many links
                os.link(kept, target)
                return
        shutil.copyfile(kept, target)
        shutil.copystat(kept, target)
        target.chmod(0o644 if own else 0o444)
    except IsADirectoryError:
        raise DataFailed(
            INVALID, f"'{target.name}' is both a file and a folder among the blobs, which no disk can hold."
        ) from None


async def upload(client: ContainerClient, files: Iterable[tuple[Path, str]], cache: Cache | None = None) -> int:
    """Write each file to the blob of that name, over what is there, with its Content-MD5; how many there were.

    With a ``cache`` the files, which must be done with, are kept in it for who reads the blobs.
    """

    def send(file: tuple[Path, str], stopped: threading.Event) -> None:
        path, name = file
        written = _send(client, path, name, stopped)
        if cache is not None:
            cache.adopt(_key(client, name, written["etag"]), path, written["last_modified"].timestamp())

    return len(await spread(send, list(files)))


async def remove(client: ContainerClient, names: Iterable[str]) -> None:
    """Delete the blobs of those names that are there."""

    def delete(name: str, _: threading.Event) -> None:
        with contextlib.suppress(ResourceNotFoundError):
            client.delete_blob(name)

    await spread(delete, names)


async def spread(work: Callable[[T, threading.Event], R], items: Iterable[T]) -> list[R]:
    """``work`` on every item, in some threads. After an error or a cancellation the event is set, and none is begun; when this
    returns or raises no thread is at work any more."""
    stopped = threading.Event()

    def one(item: T) -> R:
        goes_on(stopped)
        try:
            return work(item, stopped)
        except BaseException:
            stopped.set()
            raise

    def every() -> list[R]:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="data") as pool:
            futures = [pool.submit(one, item) for item in items]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            if not isinstance(error, _Stopped):
                raise error
        return [future.result() for future in futures]

    working = asyncio.ensure_future(asyncio.to_thread(every))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.gather(working, return_exceptions=True)
        raise


class _Stopped(Exception):
    """Another item failed, or nobody waits any more."""


def goes_on(stopped: threading.Event) -> None:
    """Called between two pieces of work, so that a cancelled job need not wait for the end of a great file."""
    if stopped.is_set():
        raise _Stopped


def _check(path: str, name: str) -> None:
    parts = path.rstrip("/").split("/")
    if path.startswith("/") or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DataFailed(
            INVALID, f"The blob '{name}' cannot be given to a job: its name is no path below a folder. Rename it."
        )
    if any(len(part.encode()) > 255 for part in parts):
        raise DataFailed(INVALID, f"The blob '{name}' cannot be given to a job: a part of its name has over 255 bytes.")


def _fill(client: ContainerClient, one: Entry, draft: Path, stopped: threading.Event) -> None:
    blob = client.get_blob_client(one.name)
    try:
        with draft.open("wb") as file:
            if one.size:
                stream = blob.download_blob(etag=one.etag, match_condition=MatchConditions.IfNotModified)
                for chunk in stream.chunks():
                    goes_on(stopped)
                    file.write(chunk)
    except (ResourceModifiedError, ResourceNotFoundError):
        raise DataFailed(
            NOT_FOUND, f"The blob '{one.name}' was changed or deleted while it was read. Run the job again."
        ) from None


def _key(client: ContainerClient, name: str, etag: str) -> str:
    quoted = '"'  # of a header, but not of a list
    return f"{client.url}/{name}\n{etag.strip(quoted)}"


def _send(client: ContainerClient, path: Path, name: str, stopped: threading.Event) -> Mapping[str, Any]:
    """What the service says of the blob that was written: ``etag``, ``last_modified``."""
    blob = client.get_blob_client(name)
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        block = file.read(BLOCK)
        digest.update(block)
        if len(block) < BLOCK:
            settings = ContentSettings(content_md5=bytearray(digest.digest()))
            return dict(blob.upload_blob(block, overwrite=True, content_settings=settings))
        ids: list[str] = []
        while block:
            goes_on(stopped)
            ids.append(f"{len(ids):08}")
            blob.stage_block(ids[-1], block, length=len(block))
            block = file.read(BLOCK)
            digest.update(block)
        blocks = [BlobBlock(one) for one in ids]
        settings = ContentSettings(content_md5=bytearray(digest.digest()))
        return dict(blob.commit_block_list(blocks, content_settings=settings))

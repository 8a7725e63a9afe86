"""The store: documents by id, durable when acknowledged.

One SQLite file in WAL mode with ``synchronous=FULL``. All writes go through one thread, which puts whatever is waiting into
one transaction and answers only after the commit (grouped commits: 16 writers pay for one sync). A change is a function of a
``Transaction``; changes are run one after another, so a read and a write in one change are atomic. Reads see what is committed.

Must live here: ids compared without case, ETags, time stamps, order of listing. Must not: anything about Azure or a resource type.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, parent TEXT NOT NULL,
    body TEXT NOT NULL, etag TEXT NOT NULL, created REAL NOT NULL, changed REAL NOT NULL,
    author TEXT NOT NULL, editor TEXT NOT NULL, sequence INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_parent ON document (parent, type, sequence);
CREATE INDEX IF NOT EXISTS by_type ON document (type, sequence);
"""
COLUMNS = "id, type, parent, body, etag, created, changed, author, editor, sequence"
GROUP = 256  # changes in one transaction at most


@dataclass(frozen=True)
class Document:
    """``body`` is what the owner stored, ``created``/``changed`` are Unix seconds, ``sequence`` grows with every creation."""

    id: str
    type: str
    parent: str
    body: dict[str, Any]
    etag: str
    created: float
    changed: float
    author: str
    editor: str
    sequence: int

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]


class Reader:
    """What can be asked of a connection. ``id``, ``parent`` and ``type`` are compared without case."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, id: str) -> Document | None:
        row = self._connection.execute(f"SELECT {COLUMNS} FROM document WHERE key = ?", (id.lower(),)).fetchone()
        return _document(row) if row else None

    def children(self, parent: str, type: str | None = None) -> list[Document]:
        """What was created directly below ``parent``, oldest first."""
        query, values = f"SELECT {COLUMNS} FROM document WHERE parent = ?", [parent.lower()]
        if type is not None:
            query, values = f"{query} AND type = ?", [*values, type.lower()]
        return [_document(row) for row in self._connection.execute(f"{query} ORDER BY sequence", values)]

    def below(self, scope: str, type: str | None = None) -> list[Document]:
        """What lies anywhere below ``scope``, oldest first; ``scope`` itself is not among it."""
        low = f"{scope.lower().rstrip('/')}/"
        query, values = f"SELECT {COLUMNS} FROM document WHERE key >= ? AND key < ?", [low, f"{low[:-1]}0"]
        if type is not None:
            query, values = f"{query} AND type = ?", [*values, type.lower()]
        return [_document(row) for row in self._connection.execute(f"{query} ORDER BY sequence", values)]

    def of_type(self, type: str) -> list[Document]:
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM document WHERE type = ? ORDER BY sequence", (type.lower(),)
        )
        return [_document(row) for row in rows]


class Transaction(Reader):
    """What a change may do. Reads see the change's own writes."""

    def put(self, id: str, type: str, body: dict[str, Any], *, parent: str = "", by: str = "") -> Document:
        """Create or replace; a replaced document keeps its id's spelling, its creation and its place in lists."""
        old, now = self.get(id), time.time()
        (last,) = self._connection.execute("SELECT value FROM counter").fetchone()
        if old is None:
            self._connection.execute("UPDATE counter SET value = value + 1")
        document = Document(
            id=old.id if old else id,
            type=type.lower(),
            parent=parent.lower(),
            body=body,
            etag=uuid.uuid4().hex,
            created=old.created if old else now,
            changed=now,
            author=old.author if old else by,
            editor=by or (old.editor if old else ""),
            sequence=old.sequence if old else last + 1,
        )
        self.restore(document)
        return document

    def restore(self, document: Document) -> None:
        """Write a document exactly as it is: one that was read before, and deleted since."""
        self._connection.execute(
            f"INSERT OR REPLACE INTO document (key, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.id.lower(),
                document.id,
                document.type,
                document.parent,
                json.dumps(document.body),
                document.etag,
                document.created,
                document.changed,
                document.author,
                document.editor,
                document.sequence,
            ),
        )

    def delete(self, id: str) -> bool:
        """Remove ``id`` and everything below it; whether there was anything."""
        low = f"{id.lower().rstrip('/')}/"
        self._connection.execute("DELETE FROM document WHERE key >= ? AND key < ?", (low, f"{low[:-1]}0"))
        return self._connection.execute("DELETE FROM document WHERE key = ?", (id.lower(),)).rowcount > 0


Change = Callable[[Transaction], T]


class Store(Reader):
    """``with Store(path) as store``. Reads are quick and may come from any thread; ``write`` is for the event loop,
    ``write_now`` for other threads."""

    def __init__(self, path: Path) -> None:
        super().__init__(_connect(path))
        self._connection.executescript(SCHEMA)
        self._connection.executescript(
            "CREATE TABLE IF NOT EXISTS counter (value INTEGER NOT NULL);"
            "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);"
        )
        path.chmod(0o600)
        self._waiting: queue.SimpleQueue[tuple[Change[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, args=(path,), name="store", daemon=True)
        self._writer.start()

    async def write(self, change: Change[T]) -> T:
        """Run ``change`` and return its value once it is on disk. What it raises rolls it back and is raised here."""
        return await asyncio.wrap_future(self._submit(change))

    def write_now(self, change: Change[T]) -> T:
        return self._submit(change).result()

    def close(self) -> None:
        """Write what is waiting, then close."""
        self._waiting.put(None)
        self._writer.join()
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, change: Change[T]) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # who gives up waiting takes nothing back, and must not stop the writer
        self._waiting.put((change, future))
        return future

    def _write(self, path: Path) -> None:
        connection = _connect(path)
        transaction = Transaction(connection)
        closing = False
        while not closing:
            group: list[tuple[Change[Any], Future[Any]]] = []
            for item in self._take():
                if item is None:
                    closing = True
                else:
                    group.append(item)
            outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
            try:
                connection.execute("BEGIN IMMEDIATE")
                for change, future in group:
                    try:
                        with _savepoint(connection):
                            outcomes.append((future, change(transaction), None))
                    except (
                        Exception
                    ) as error:  # noqa: B902 - whatever it is, it belongs to the caller of this one change
                        outcomes.append((future, None, error))
                connection.execute("COMMIT")
            except sqlite3.Error as error:  # disk full, file gone: nothing of the group is acknowledged
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                outcomes = [(future, None, error) for _, future in group]
            for future, value, failure in outcomes:
                if failure is None:
                    future.set_result(value)
                else:
                    future.set_exception(failure)
        connection.close()

    def _take(self) -> Iterator[tuple[Change[Any], Future[Any]] | None]:
        yield self._waiting.get()
        for _ in range(GROUP):
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT change")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO change")
        raise
    finally:
        connection.execute("RELEASE change")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def _document(row: tuple[Any, ...]) -> Document:
    return Document(row[0], row[1], row[2], json.loads(row[3]), *row[4:])

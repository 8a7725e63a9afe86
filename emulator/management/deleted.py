"""What was deleted and holds its name still: soft deletion, for the types that Azure has it for.

Kept in the transaction that removes the resource, with what of its content Azure keeps, until it is had back, purged, or its time
is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from emulator.store import Document, Reader, Transaction

ROOT, TYPE, CONTENT = "/emulator/deleted", "emulator/softdeleted", "emulator/softdeleted/content"
DAY = 86400.0


@dataclass(frozen=True)
class Deleted:
    """``was`` is the resource as it was; ``at`` and ``until`` are Unix seconds."""

    was: Document
    at: float
    until: float

    @property
    def id(self) -> str:
        return self.was.id

    @property
    def name(self) -> str:
        return self.was.name

    @property
    def body(self) -> dict[str, Any]:
        return self.was.body


def keep(tx: Transaction, document: Document, days: float, content: Iterable[Document] = ()) -> None:
    """``content`` lies below ``document``."""
    now = time.time()
    forget(tx, document.id)  # one of the same name, whose time is over
    tx.put(f"{ROOT}{document.id}", TYPE, {"was": asdict(document), "at": now, "until": now + days * DAY})
    for one in content:
        tx.put(f"{ROOT}{one.id}", CONTENT, asdict(one))


def restore(tx: Transaction, gone: Deleted) -> None:
    """It is there again with its content, as it was; nothing happens where somebody else has had it back, or purged it."""
    if tx.get(f"{ROOT}{gone.id}") is None:
        return
    tx.restore(gone.was)
    for one in tx.below(f"{ROOT}{gone.id}", CONTENT):
        tx.restore(Document(**one.body))
    forget(tx, gone.id)


def forget(tx: Transaction, id: str = "") -> None:
    """Purge one with its content, or all."""
    tx.delete(f"{ROOT}{id}")


def of_type(store: Reader, type: str) -> list[Deleted]:
    """Those whose time is not over, and that are not there again."""
    kept = (document.body for document in store.of_type(TYPE))
    found = (Deleted(Document(**body["was"]), body["at"], body["until"]) for body in kept)
    alive = (one for one in found if one.was.type == type.lower() and one.until > time.time())
    return [one for one in alive if store.get(one.id) is None]


def find(store: Reader, type: str, name: str) -> Deleted | None:
    """By its name, which is all of Azure's."""
    return next((one for one in of_type(store, type) if one.name.lower() == name.lower()), None)

"""What was deleted and holds its name still: soft deletion, for the types that Azure has it for.

Kept in the transaction that removes the resource, until it is had back, purged, or its time is over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from emulator.store import Document, Reader, Transaction

ROOT, TYPE = "/emulator/deleted", "emulator/deleted"
DAY = 86400.0


@dataclass(frozen=True)
class Deleted:
    """``body`` is what the resource was; ``at`` and ``until`` are Unix seconds."""

    id: str
    type: str
    body: dict[str, Any]
    at: float
    until: float

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


def keep(tx: Transaction, document: Document, days: float) -> None:
    now = time.time()
    body = {"id": document.id, "type": document.type, "body": document.body, "at": now, "until": now + days * DAY}
    tx.put(f"{ROOT}{document.id}", TYPE, body)


def forget(tx: Transaction, id: str = "") -> None:
    """Purge one, or all."""
    tx.delete(f"{ROOT}{id}")


def of_type(store: Reader, type: str) -> list[Deleted]:
    """Those whose time is not over, and that are not there again."""
    found = (Deleted(**document.body) for document in store.of_type(TYPE))
    alive = (one for one in found if one.type.lower() == type.lower() and one.until > time.time())
    return [one for one in alive if store.get(one.id) is None]


def find(store: Reader, type: str, name: str) -> Deleted | None:
    """By its name, which is all of Azure's."""
    return next((one for one in of_type(store, type) if one.name.lower() == name.lower()), None)

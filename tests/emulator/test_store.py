"""The store: what holds whoever writes, and whoever gives up waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulator.store import Store, Transaction


def test_a_writer_that_gives_up_takes_nothing_back_and_stops_nobody(tmp_path: Path) -> None:
    async def go(store: Store) -> None:
        for number in range(20):
            writing = asyncio.create_task(store.write(lambda tx, number=number: tx.put(f"/given-up/{number}", "t", {})))
            await asyncio.wait([writing], timeout=0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await asyncio.wait_for(store.write(lambda tx: tx.put("/after", "t", {})), 10)

    with Store(tmp_path / "store.db") as store:
        asyncio.run(go(store))
        assert len(store.below("/given-up")) == 20 and store.get("/AFTER") is not None


def test_a_change_that_raises_is_rolled_back_alone(tmp_path: Path) -> None:
    def half(tx: Transaction) -> None:
        tx.put("/half", "t", {})
        raise KeyError("no")

    with Store(tmp_path / "store.db") as store:
        with pytest.raises(KeyError):
            store.write_now(half)
        store.write_now(lambda tx: tx.put("/whole", "t", {}))
        assert store.get("/half") is None and store.get("/whole") is not None

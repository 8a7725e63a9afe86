"""Pools of nodes: in order, never too many, and idle nodes for as long as the compute keeps them."""

from __future__ import annotations

import asyncio

import pytest

from emulator.jobs.nodes import Pools

KEY = "/computes/Cluster"


def test_jobs_wait_in_order_and_a_big_one_is_not_overtaken() -> None:
    async def go() -> list[str]:
        pools, placed = Pools(), []

        async def job(name: str, count: int, *order: float) -> None:
            await pools.take(KEY, name, count, order, lambda: 2)
            placed.append(name)

        tasks = [
            asyncio.create_task(job(name, count, *order))
            for name, count, *order in (("a", 1, 2, 1), ("big", 2, 2, 2), ("small", 1, 2, 3), ("urgent", 1, 1, 4))
        ]
        done, _ = await asyncio.wait(tasks[:1])
        for name in ("a", "urgent", "big"):
            while name not in placed:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=0.01)
            pools.give(KEY.upper(), name)
        await asyncio.gather(*tasks)
        return placed

    assert asyncio.run(go()) == ["a", "urgent", "big", "small"]


def test_who_gives_up_waiting_gets_nothing() -> None:
    async def go() -> None:
        pools = Pools()
        await pools.take(KEY, "a", 1, (0,), lambda: 1)
        waiting = asyncio.create_task(pools.take(KEY, "b", 1, (1,), lambda: 1))
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        pools.give(KEY, "a")
        await asyncio.wait_for(pools.take(KEY, "c", 1, (2,), lambda: 1), 1)

    asyncio.run(go())


def test_a_compute_that_grows_places_who_waits() -> None:
    async def go() -> None:
        pools, size = Pools(), [1]
        await pools.take(KEY, "a", 1, (0,), lambda: size[0])
        waiting = asyncio.create_task(pools.take(KEY, "b", 1, (1,), lambda: size[0]))
        await asyncio.wait([waiting], timeout=0)
        size[0] = 2
        pools.changed(KEY)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(go())


def test_nodes_are_running_then_idle_then_gone() -> None:
    async def go() -> None:
        pools = Pools()
        assert pools.nodes(KEY, 0, 4, 60) == []
        await pools.take(KEY, "a", 2, (0,), lambda: 4)
        assert [(node.state, node.job) for node in pools.nodes(KEY, 0, 4, 60)] == [("running", "a")] * 2
        pools.give(KEY, "a")
        assert [node.state for node in pools.nodes(KEY, 0, 4, 60)] == ["idle", "idle"]
        assert [node.state for node in pools.nodes(KEY, 1, 4, 0)] == ["idle"]
        assert pools.nodes(KEY, 0, 4, 0) == []

    asyncio.run(go())

"""Which job has which nodes. One pool a compute; a node runs one job at a time, and jobs wait in order.

A cluster here scales up in an instant. Scaling down is only told: a node that was given back counts as idle until the compute's
idle time is over (https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster).
Knows nothing of documents and processes; all of it is used from the event loop.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """``state`` is Azure's ``running`` or ``idle`` (https://learn.microsoft.com/rest/api/azureml/compute/list-nodes)."""

    index: int
    state: str
    job: str = ""


@dataclass(order=True)
class Waiting:
    """Lower ``order`` goes first: higher priority, then who came first."""

    order: tuple[float, ...]
    count: int = field(compare=False)
    job: str = field(compare=False)
    placed: asyncio.Future[None] = field(compare=False)


@dataclass
class Pool:
    capacity: Callable[[], int]  # asked each time, because a compute can be changed
    taken: dict[str, int] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    given_back: list[float] = field(default_factory=list)  # when, for each node that is not taken; oldest first

    @property
    def busy(self) -> int:
        return sum(self.taken.values())

    def place(self) -> None:
        """Give nodes to those who wait, strictly in order: a big job is not overtaken for ever by small ones."""
        while self.waiting and self.busy + self.waiting[0].count <= self.capacity():
            first = self.waiting.pop(0)
            if not first.placed.done():
                self.taken[first.job] = first.count
                del self.given_back[max(0, len(self.given_back) - first.count) :]
                first.placed.set_result(None)


class Pools:
    """``key`` is the compute's id. ``take`` and ``give`` come in pairs for a job."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    async def take(self, key: str, job: str, count: int, order: tuple[float, ...], capacity: Callable[[], int]) -> None:
        """Return once ``job`` has ``count`` nodes. Cancelling it leaves the queue."""
        pool = self._pools.setdefault(key.lower(), Pool(capacity))
        waiting = Waiting(order, count, job, asyncio.get_running_loop().create_future())
        bisect.insort(pool.waiting, waiting)
        pool.place()
        try:
            await waiting.placed
        except asyncio.CancelledError:
            if waiting in pool.waiting:
                pool.waiting.remove(waiting)
            self.give(key, job)
            raise

    def give(self, key: str, job: str) -> None:
        """Take back what ``job`` has, if anything."""
        pool = self._pools.get(key.lower())
        if pool is not None:
            pool.given_back += [time.monotonic()] * pool.taken.pop(job, 0)
            pool.place()

    def changed(self, key: str) -> None:
        """The compute's size has changed: perhaps somebody's turn has come."""
        if key.lower() in self._pools:
            self._pools[key.lower()].place()

    def nodes(self, key: str, minimum: int, maximum: int, idle: float) -> list[Node]:
        """The nodes that the compute has now; ``idle`` is how long an unused one stays, in seconds."""
        pool = self._pools.get(key.lower()) or Pool(lambda: maximum)
        found = [job for job, count in pool.taken.items() for _ in range(count)]
        kept = sum(1 for when in pool.given_back if time.monotonic() - when < idle)
        total = max(len(found), min(maximum, max(minimum, len(found) + kept)))
        return [Node(i, "running", found[i]) if i < len(found) else Node(i, "idle") for i in range(total)]

"""Waiting: one poller with back-off, and a clock that tests can move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

from runner.errors import CloudError
from runner.progress import Progress, duration


class Clock(Protocol):
    def now(self) -> float:
        """Seconds, from any beginning, never going back."""

    def wait(self, seconds: float) -> None: ...


class WallClock:
    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


HURRY = 0.5  # seconds: two requests at a time, and Azure counts them
PATIENCE = 1800.0  # seconds that one of Azure's long operations may take; what the runner asks for takes minutes


class Poller:
    """``for elapsed in poller:`` looks at once, then after ``first`` seconds, then ever more seldom, up to every ``longest``.

    ``hurry`` goes back to waits of half a second: call it when what is watched has just moved.
    """

    def __init__(
        self, clock: Clock | None = None, *, first: float = 0.25, growth: float = 1.4, longest: float = 10
    ) -> None:
        self.clock = clock or WallClock()
        self._first, self._growth, self._longest = first, growth, longest
        self._interval = first

    def __iter__(self) -> Iterator[float]:
        started = self.clock.now()
        while True:
            yield self.clock.now() - started
            self.clock.wait(self._interval)
            self._interval = min(self._interval * self._growth, self._longest)

    def hurry(self) -> None:
        self._interval = max(self._first, HURRY)


def awaited(operation: Any, what: str) -> None:
    """Wait until a long operation of azure-core's has ended, well or not; raises ``CloudError`` for one that does not end."""
    with Progress() as progress:
        for elapsed in Poller():
            if operation.done():
                return
            if elapsed > PATIENCE:
                raise CloudError(
                    f"{what}: Azure accepted it, and it did not end within {duration(PATIENCE)}.",
                    next="the activity log of the resource group says why; then the same command again",
                )
            progress.at(what, elapsed)

"""Progress while something is waited for: a live line on a terminal, plain lines elsewhere (a build's log)."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

import click

if TYPE_CHECKING:
    from rich.status import Status

REPEAT = 60.0  # seconds after which a plain line is said again though nothing changed: silence looks like a hang


class Progress:
    """``with Progress() as progress: progress.at("Running", elapsed)``. All of it goes to stderr."""

    _shown: ClassVar[Progress | None] = None  # a terminal has one last line, so there is one live line at most

    def __init__(self, *, live: bool | None = None) -> None:
        self._live = is_live() if live is None else live
        self._status: Status | None = None
        self._what = self._said = ""
        self._began = self._said_at = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def at(self, what: str, elapsed: float) -> None:
        """``what`` is going on, ``elapsed`` seconds after it all began. The live line's own clock goes on from there."""
        if not self._live:
            if what != self._said or elapsed - self._said_at >= REPEAT:
                click.echo(f"{what} · {duration(elapsed)}", err=True)
                self._said, self._said_at = what, elapsed
            return
        self._what, self._began = what, time.monotonic() - elapsed
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status(self)
            self._status.start()
            Progress._shown = self

    def __rich__(self) -> str:
        """The live line, asked for again each time that it is drawn."""
        return f"{self._what} · {duration(time.monotonic() - self._began)}"

    def write(self, text: str) -> None:
        """Text of its own (a job's log) above the live line."""
        self.clear()
        click.echo(text, err=True, nl=False)

    def clear(self) -> None:
        """Take the live line away, before something else is written below it."""
        if self._status is not None:
            self._status.stop()
            self._status = Progress._shown = None

    @classmethod
    def hide(cls) -> None:
        """Take away whatever live line there is: somebody else is about to speak."""
        if cls._shown is not None:
            cls._shown.clear()


def is_live() -> bool:
    """Whether stderr is a terminal that a person looks at, and not a build's log."""
    return sys.stderr.isatty() and not os.environ.get("CI")


def duration(seconds: float) -> str:
    """``8 s``, ``2 min 05 s``, ``1 h 02 min``"""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"

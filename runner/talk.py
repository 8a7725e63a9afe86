"""Talk: what goes to stderr while a command works, and how results are laid out on stdout."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import click

from runner import project, started
from runner.progress import Progress, is_live
from runner.settings import Settings


def say(line: str) -> None:
    """A line of talk, in place of a live line."""
    Progress.hide()
    click.echo(project.typed(line), err=True)


def say_target(settings: Settings) -> None:
    """What every command that changes anything says first."""
    say(f"target: {settings.target}")
    say_notes(settings)


def say_notes(settings: Settings) -> None:
    for note in settings.notes:
        say(f"note: {note}")


@contextmanager
def going_on(job: str, settings: Settings, *, started_here: bool = True) -> Iterator[None]:
    """While a job is followed: what ends the following (Ctrl-C, a lost network) does not end the job, and that is said.
    One that was ``started_here`` is noted meanwhile."""
    if started_here:
        started.note(job, settings)
    try:
        yield
        started.ended(job)
    except BaseException as error:
        fate = "goes on" if isinstance(error, KeyboardInterrupt) else "is no longer followed; it may go on"
        say(f"\njob {job} {fate}")
        say(f"  follow: aml jobs logs --follow {job}{settings.flags}")
        say(f"  cancel: aml jobs cancel {job}{settings.flags}")
        raise


@contextmanager
def plain() -> Iterator[None]:
    """What a library prints to stderr; outside of a terminal without its colours and empty lines."""
    if is_live():
        yield
        return
    caught = io.StringIO()
    try:
        with redirect_stderr(caught):
            yield
    finally:
        for line in re.sub(r"\x1b\[[0-9;]*m", "", caught.getvalue()).splitlines():
            if line.strip():
                say(line)


def show(line: str) -> None:
    """A line of data."""
    click.echo(line)


def show_json(value: Any) -> None:
    show(json.dumps(value, indent=2, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines with columns as wide as their widest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    texts = [list(head), *cells]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    numeric = [bool(cells) and all(_is_number(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return [line(head), line(["-" * width for width in widths]), *(line(row) for row in cells)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

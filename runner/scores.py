"""Scores: the table that a batch endpoint's job writes, a CSV with a header. Read here as text, nothing is guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TextIO

from runner import talk
from runner.errors import JobFailed

HEAD = 10


@dataclass(frozen=True)
class Scores:
    """``rows`` are as long as ``columns``; a cell without a value is ``""``."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def lines(self) -> list[str]:
        """The first rows as a table."""
        return talk.table(self.columns, self.rows[:HEAD])


def only(files: Iterable[str], pattern: str, output: str, *, key: str = "scores.file") -> str:
    """The one of an output's files that fits, at any depth; raises ``JobFailed`` for none and for many: which is checked is not
    left to chance."""
    there = sorted(files)
    found = [name for name in there if PurePosixPath(name).match(pattern)]
    if len(found) != 1:
        many = f"{len(found)} files" if found else "no file"
        raise JobFailed(
            f"Output '{output}' has {many} '{pattern}'. There are: {', '.join(there[:HEAD]) or 'none'}.",
            next=f"the rule file names one: {key}",
        )
    return found[0]


def read(file: Path) -> Scores:
    """The table in ``file``; raises ``JobFailed`` for what is not one."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return _table(stream, file.name)


def beginning(content: bytes) -> Scores:
    """The first rows of a table of which ``content`` is the beginning; what follows its last newline may be cut off."""
    whole = content[: content.rfind(b"\n") + 1] or content
    with io.TextIOWrapper(io.BytesIO(whole), "utf-8-sig", newline="") as stream:
        return _table(stream, "the scores", HEAD)


def _table(stream: TextIO, name: str, most: int | None = None) -> Scores:
    try:
        lines = csv.reader(stream, strict=True)
        columns = tuple(next(lines, ()))
        rows = tuple(tuple(row) for row in islice((row for row in lines if row), most))
    except (UnicodeDecodeError, csv.Error) as error:
        raise JobFailed(f"'{name}' is not CSV in UTF-8: {error}.") from None
    if not columns:
        raise JobFailed(f"'{name}' is empty: it has no header.")
    uneven = next((number for number, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if uneven is not None:
        raise JobFailed(f"'{name}': row {uneven} has {len(rows[uneven - 1])} cells, the header {len(columns)}.")
    return Scores(columns, rows)


def count(file: Path) -> int:
    """How many rows a sample has."""
    return len(read(file).rows)

"""What is wrong with a table: columns, types, ranges, values. All of it is found, in one pass and in chunks, and counted."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas
from utils import table
from utils.config import Column, Data


@dataclass
class Problem:
    """``rows`` is how many have it, 0 when it is none of a row; ``first`` is a row counted from 1 below the header."""

    file: str
    column: str
    problem: str
    rows: int = 0
    first: int | None = None
    example: str = ""


class Check:
    """``add`` files; then ``problems`` is what is wrong, and ``report`` all that is known.

    With ``labels`` every row needs a class; without, the target column may be missing, or empty in a row.
    """

    def __init__(self, data: Data, *, labels: bool) -> None:
        self._data = data
        self._labels = labels
        self._problems: dict[tuple[str, str, str], Problem] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._classes: Counter[str] = Counter()
        self._ignored: set[str] = set()
        self.rows = 0

    @property
    def problems(self) -> list[Problem]:
        return list(self._problems.values())

    def add(self, file: Path) -> None:
        try:
            names = table.header(file)
            if self._header(file.name, names):
                self._rows(file)
        except UnicodeDecodeError:
            self._tell(file.name, "", _not_utf8(file))
        except (csv.Error, pandas.errors.ParserError, pandas.errors.ParserWarning) as error:
            said = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
            self._tell(file.name, "", f"is not CSV ({said})")

    def report(self, files: list[Path]) -> dict[str, Any]:
        return {
            "files": [file.name for file in files],
            "sha256": table.sha256(files),
            "rows": self.rows,
            "ranges": {name: {"minimum": low, "maximum": high} for name, (low, high) in self._ranges.items()},
            "classes": dict(sorted(self._classes.items())),
            "ignored": sorted(self._ignored),
            "problems": [asdict(problem) for problem in self.problems],
        }

    def _header(self, file: str, names: list[str]) -> bool:
        """Whether the rows can be read by these names."""
        if not any(names):
            self._tell(file, "", "is empty")
            return False
        needed = [*self._data.features, *([self._data.target.name] if self._labels else [])]
        for name in needed:
            if name not in names:
                self._tell(file, name, "is missing", example=f"the header has {_shown(', '.join(names))}")
        for name, count in Counter(names).items():
            if count > 1:
                self._tell(file, name, f"is there {count} times")
        self._ignored |= {name for name in names if name not in self._data.columns}
        return len(set(names)) == len(names)

    def _rows(self, file: Path) -> None:
        columns = self._data.columns
        before = self.rows
        for chunk in table.chunks(file, numbers=self._data.named("number")):
            self.rows += len(chunk)
            for name in columns:
                if name in chunk:
                    self._column(file.name, name, columns[name], chunk[name])
        if self.rows == before:
            self._tell(file.name, "", "has no rows below its header")

    def _column(self, file: str, name: str, column: Column, values: Any) -> None:
        # A column of numbers throughout has no empty field: that would have made it one of strings.
        numbers = pandas.api.types.is_numeric_dtype(values)
        empty = pandas.Series(False, index=values.index) if numbers else values.eq("")
        if name != self._data.target.name or self._labels:
            self._mark(file, name, "is empty", values[empty])
        if column.type == "text":
            self._text(file, name, column, values[~empty])
        else:
            self._number(file, name, column, values[~empty])

    def _text(self, file: str, name: str, column: Column, values: Any) -> None:
        if column.values is not None:
            said = f"is not one of {', '.join(column.values)}"
            self._mark(file, name, said, values[~values.isin(column.values)])
        if name == self._data.target.name:
            self._classes.update({str(key): int(count) for key, count in values.value_counts().items()})

    def _number(self, file: str, name: str, column: Column, values: Any) -> None:
        # True and False are numbers to pandas, and are not to whoever wrote the file.
        numbers = pandas.to_numeric(values.astype(str) if values.dtype == bool else values, errors="coerce").astype(
            float
        )
        finite = numbers.abs().lt(float("inf"))
        self._mark(file, name, "is not a number", values[~finite])
        numbers = numbers[finite]
        if column.minimum is not None:
            self._mark(file, name, f"is below {column.minimum:g}", numbers[numbers < column.minimum])
        if column.maximum is not None:
            self._mark(file, name, f"is above {column.maximum:g}", numbers[numbers > column.maximum])
        if len(numbers):
            low, high = self._ranges.get(name, (float("inf"), float("-inf")))
            self._ranges[name] = min(low, float(numbers.min())), max(high, float(numbers.max()))

    def _mark(self, file: str, column: str, said: str, bad: Any) -> None:
        """``bad`` are the values that are so, each at the place of its row."""
        if len(bad):
            self._tell(file, column, said, len(bad), int(bad.index[0]) + 1, _shown(str(bad.iloc[0])))

    def _tell(
        self, file: str, column: str, said: str, rows: int = 0, first: int | None = None, example: str = ""
    ) -> None:
        problem = self._problems.setdefault((file, column, said), Problem(file, column, said, 0, first, example))
        problem.rows += rows


def _shown(text: str) -> str:
    """A value as a terminal can take it."""
    return (text if text.isprintable() else repr(text))[:60]


def _not_utf8(file: Path) -> str:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} is not UTF-8 (byte 0x{line[error.start]:02x})"
    return "is not UTF-8"


def lines(problems: list[Problem]) -> list[str]:
    """The problems as a table for people."""
    rows = [("file", "column", "what is wrong", "rows", "first", "there")]
    for one in problems:
        rows.append(
            (one.file, one.column or "-", one.problem, str(one.rows or "-"), str(one.first or "-"), one.example or "-")
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

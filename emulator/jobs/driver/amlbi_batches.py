"""What is scored at once: the input, cut into mini-batches of files or of a table's rows.

    files           so many at a time, in the order of their names
    rows            of about so many bytes, as ``mltable`` reads them; each mini-batch is a DataFrame
    partition_keys  a mini-batch for each value of these columns; a file's are in its path, as the MLTable's partition format says

Of an MLTable the emulator lays its files below the input's folder, and what it says beside it, with their paths.
https://learn.microsoft.com/azure/machine-learning/how-to-use-parallel-job-in-pipeline
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class JobFailed(Exception):
    """With the sentence for the job's owner."""


class Task:
    """One mini-batch: ``data`` are paths of files, or of one file with rows; ``keys`` what they have in common."""

    def __init__(self, index: int, data: list[str], items: int, keys: dict[str, Any] | None = None) -> None:
        self.index, self.data, self.items, self.keys = index, data, items, keys or {}
        self.tries = self.timeouts = 0


def cut(options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[Task]:
    """The input as ``options`` say; rows go to files in ``folder``. Raises ``JobFailed``."""
    path, keys = Path(options.amlbi_input), json.loads(options.partition_keys)
    if options.amlbi_table:
        return list(_rows(path, options.mini_batch_size, keys, folder))
    if keys:
        return _partitions(path, keys)
    if path.is_dir():
        files = sorted(
            str(one) for one in (path.rglob("*") if options.amlbi_nested else path.iterdir()) if one.is_file()
        )
        folders = sorted(one.name for one in path.iterdir() if one.is_dir())
        if folders and not options.amlbi_nested:
            say(f"Folders in the input are not looked into: {', '.join(folders[:10])}.")
    else:
        files = [str(path)]
    if not files:
        raise JobFailed(f"The input has no files at its top: {path}. Folders in it are not looked into.")
    size = options.mini_batch_size
    batches = [files[first : first + size] for first in range(0, len(files), size)]
    return [Task(index, batch, len(batch)) for index, batch in enumerate(batches)]


def _rows(place: Path, size: int, keys: list[str], folder: Path) -> Iterable[Task]:
    frame, paths = _table(place, folder)
    if not len(frame):
        raise JobFailed("The table has no rows.")
    absent = [key for key in keys if key not in frame.columns]
    if absent:
        there = ", ".join(map(str, frame.columns))
        raise JobFailed(f"The table has no column '{absent[0]}' of partition_keys. It has: {there}.")
    if keys:
        parts = [(dict(zip(keys, _tuple(value))), rows) for value, rows in frame.groupby(keys, dropna=False)]
    else:
        count = max(1, len(frame) * size // max(1, sum(Path(path).stat().st_size for path in paths)))
        parts = [({}, frame.iloc[first : first + count]) for first in range(0, len(frame), count)]
    for index, (value, rows) in enumerate(parts):
        file = folder / f"{index}.rows"
        rows.reset_index(drop=True).to_pickle(str(file))
        yield Task(index, [str(file)], len(rows), value)


def _table(place: Path, folder: Path) -> tuple[Any, list[str]]:
    """The DataFrame of the MLTable, and the files that it is of."""
    try:
        mltable = importlib.import_module("mltable")
    except ImportError:
        raise JobFailed(
            "A table in mode direct is read by the package mltable, which the step's environment must have: "
            "https://learn.microsoft.com/azure/machine-learning/how-to-use-parallel-job-in-pipeline"
        ) from None
    said = _said(place)
    paths = [str(place / path) for path in said["paths"]]
    (folder / "MLTable").write_text(json.dumps({**said, "paths": [{"file": path} for path in paths]}), encoding="utf-8")
    try:
        return mltable.load(str(folder)).to_pandas_dataframe(), paths
    except Exception as error:  # noqa: B902 - mltable has no family of errors
        raise JobFailed(f"The table cannot be read: {error}") from error


def _partitions(place: Path, keys: list[str]) -> list[Task]:
    said = _said(place)
    found = [
        one["extract_columns_from_partition_format"]
        for one in said.get("transformations") or ()
        if "extract_columns_from_partition_format" in one
    ]
    if not found:
        raise JobFailed("partition_keys need an MLTable with extract_columns_from_partition_format.")
    told = found[0]["partition_format"] if isinstance(found[0], dict) else found[0]
    pattern = re.compile(f".*?{_expression(told)}$")
    groups: dict[tuple[str, ...], list[str]] = {}
    for path in said["paths"]:
        match = pattern.match(f"/{path}")
        if match is None or not set(keys) <= match.groupdict().keys():
            raise JobFailed(f"'{path}' has not all of partition_keys ({', '.join(keys)}) where '{told}' says.")
        groups.setdefault(tuple(match[key] for key in keys), []).append(str(place / path))
    return [
        Task(index, sorted(files), len(files), dict(zip(keys, values)))
        for index, (values, files) in enumerate(sorted(groups.items()))
    ]


def _expression(told: str) -> str:
    """A partition format as a regular expression: ``{name}`` is what stands between two slashes, ``*`` whatever does."""
    if re.search(r"\{\w+:", told):
        raise JobFailed(f"Dates in a partition format are not emulated for files: '{told}'.")
    parts = re.split(r"(\{\w+\}|\*)", told)
    return "".join(
        f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else "[^/]*" if part == "*" else re.escape(part)
        for part in parts
    )


def _said(place: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(place.with_name(f".{place.name}.table.json").read_text("utf-8"))
    return said


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)

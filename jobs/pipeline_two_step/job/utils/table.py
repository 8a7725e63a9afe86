"""The CSV files of a folder, read in chunks: a table of any length in the memory of ``CHUNK`` rows."""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas
from utils.step import Refused

CHUNK = 100_000  # rows
NAME = "data.csv"  # of a table that a step writes


def files(path: Path) -> list[Path]:
    """``path`` itself, or the CSV files of the folder ``path`` by name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise Refused(f"{path}: there is no such file or folder.")
    found = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() == ".csv")
    if not found:
        there = ", ".join(sorted(file.name for file in path.iterdir())[:5]) or "nothing"
        raise Refused(
            f"{path}: there is no .csv file in the folder, which has {there}. Name a file, or another folder."
        )
    return found


def header(file: Path) -> list[str]:
    """The names in the first line; empty when there is none."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return [name.strip() for name in next(csv.reader(lines), [])]


def chunks(file: Path, *, numbers: Sequence[str]) -> Iterator[pandas.DataFrame]:
    """The rows of ``file``, ``CHUNK`` at a time and numbered from 0.

    Columns other than ``numbers`` stay as they are written: 007 is not 7. Nothing is a missing value: an empty field is an empty
    string, and makes its column in this chunk one of strings.
    """
    names = header(file)
    with warnings.catch_warnings():
        # A line that is longer than the header: pandas would drop what is too much, with a warning.
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        yield from pandas.read_csv(
            file,
            names=names,
            header=0,
            index_col=False,
            encoding="utf-8-sig",
            dtype={name: str for name in names if name not in numbers},
            keep_default_na=False,
            low_memory=False,
            chunksize=CHUNK,
        )


def whole(path: Path, *, numbers: Sequence[str]) -> pandas.DataFrame:
    """All rows of all files of ``path``."""
    return pandas.concat([part for file in files(path) for part in chunks(file, numbers=numbers)], ignore_index=True)


def sha256(paths: Sequence[Path]) -> str:
    """Of the files' bytes, one after another: of a single file what ``sha256sum`` prints."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()

"""The Iris table: read from a CSV file and checked, or refused with the place, what is there, and what to do."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")  # centimetres
TARGET = "species"


class InvalidData(Exception):
    """The input cannot be used; the message says which, why, and the next step."""


@dataclass(frozen=True)
class Table:
    """``features`` are rows of four lengths in centimetres, in the order of ``FEATURES``; ``species`` has one name a row;
    ``lines`` says where in the file each row begins."""

    path: Path
    features: list[list[float]]
    species: list[str]
    lines: list[int]
    ignored: list[str]

    @property
    def classes(self) -> list[str]:
        return sorted(set(self.species))


def read(path: Path, *, test_size: float) -> Table:
    """The table in ``path`` (a CSV file in UTF-8, or a folder with exactly one), fit for a stratified split."""
    file = _find(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidData(
            f"{file}: line {line} is not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start}). "
            "Save the file as CSV in UTF-8."
        ) from None
    table = _parse(file, text)
    _check_classes(table, test_size)
    return table


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise InvalidData(f"{path}: there is no such file or folder. Check --input-data.")
    files = sorted(found for found in path.iterdir() if found.is_file() and found.suffix.lower() == ".csv")
    if len(files) != 1:
        found = ", ".join(file.name for file in files[:5]) or "none"
        raise InvalidData(f"{path}: a folder must hold exactly one .csv file; found: {found}. Name the file itself.")
    return files[0]


def _parse(file: Path, text: str) -> Table:
    if "\0" in text:
        raise InvalidData(f"{file}: the file holds binary data, not CSV. Give a CSV file in UTF-8.")
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(file, header)
        places = [header.index(name) for name in FEATURES]
        target = header.index(TARGET)
        table = Table(file, [], [], [], [name for name in header if name not in (*FEATURES, TARGET)])
        for row in reader:
            if not row:
                continue
            line = reader.line_num
            if len(row) != len(header):
                raise InvalidData(
                    f"{file}: line {line} has {len(row)} values, and the header names {len(header)} columns. "
                    "Correct the line or remove it."
                )
            table.features.append([_number(file, line, header[place], row[place]) for place in places])
            table.species.append(_name(file, line, row[target]))
            table.lines.append(line)
    except csv.Error as error:
        raise InvalidData(f"{file}: line {reader.line_num} is not CSV ({error}). Correct the line.") from None
    return table


def _check_header(file: Path, header: list[str]) -> None:
    if not any(header):
        raise InvalidData(f"{file}: the file is empty. Its first line must be {','.join((*FEATURES, TARGET))}.")
    missing = [name for name in (*FEATURES, TARGET) if name not in header]
    if missing:
        raise InvalidData(
            f"{file}: missing columns: {', '.join(missing)}. The header has: {', '.join(header)}. "
            f"Name the columns {','.join((*FEATURES, TARGET))}."
        )
    twice = [name for name, count in Counter(header).items() if count > 1 and name in (*FEATURES, TARGET)]
    if twice:
        raise InvalidData(f"{file}: more than one column is named {', '.join(twice)}. Remove or rename one.")


def _number(file: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidData(
            f"{file}: line {line}, column {column}: '{text[:40]}' is not a number. Give a length in centimetres, as 5.1."
        )
    return value


def _name(file: Path, line: int, text: str) -> str:
    if not text.strip():
        raise InvalidData(
            f"{file}: line {line}, column {TARGET}: the name is empty. Give the species, or remove the line."
        )
    return text.strip()


def _check_classes(table: Table, test_size: float) -> None:
    """A stratified split needs two species at least, two rows of each, and room for each species on both sides."""
    if not table.species:
        raise InvalidData(f"{table.path}: there are no rows below the header. Give a file with data.")
    counts = Counter(table.species)
    if len(counts) == 1:
        raise InvalidData(
            f"{table.path}: every row is of the species '{table.species[0]}'. A classifier needs two or more to tell apart."
        )
    rare = [f"{name} ({count})" for name, count in counts.items() if count < 2]
    if rare:
        raise InvalidData(
            f"{table.path}: species with a single row cannot be split: {', '.join(rare)}. Add rows or remove it."
        )
    rows, tests = len(table.species), math.ceil(len(table.species) * test_size)
    if min(tests, rows - tests) < len(counts):
        raise InvalidData(
            f"{table.path}: {rows} rows split by --test-size {test_size} leave {rows - tests} to train and {tests} to test, "
            f"fewer than the {len(counts)} species. Add rows or choose another --test-size."
        )

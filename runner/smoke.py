"""The smoke test of a new deployment: what it is invoked with, and what its scores must be before it serves.

A rule file lies beside the job, one for each component that is published: ``smoke/pipeline.yml`` for ``pipeline.yml``. A key that
is none, or a value of another type, is refused with its path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from runner import yaml_file
from runner.errors import JobFailed, Mistake
from runner.scores import Scores

Word = Annotated[str, StringConstraints(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Strict):
    """A number's least and greatest value, both allowed."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("it has neither min nor max")
        return self

    def hold(self, value: float) -> bool:
        """Whether ``value`` is within; what is not a number never is."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max) and value == value

    def __str__(self) -> str:
        return " and ".join(
            f"{word} {bound:g}" for word, bound in (("at least", self.min), ("at most", self.max)) if bound is not None
        )


class Table(_Strict):
    """What the scores must be; the keys are in docs/runner.md."""

    output: Word
    file: Word = "*.csv"
    rows: Annotated[int, Field(ge=0)] | Bounds | Literal["input"]
    columns: tuple[Word, ...]
    classes: Mapping[Word, tuple[str | int | float | bool, ...]] = Field(default_factory=dict)
    ranges: Mapping[Word, Bounds] = Field(default_factory=dict)
    nulls: bool | tuple[Word, ...] = False

    @model_validator(mode="after")
    def _of_its_columns(self) -> Table:
        named = {"classes": self.classes, "ranges": self.ranges, "nulls": self.nulls or ()}
        for key, columns in named.items():
            for column in columns if columns is not True else ():
                if column not in self.columns:
                    raise ValueError(f"{key} has '{column}', and columns has not")
        return self

    def broken(self, given: Scores, sample: int | None = None) -> list[str]:
        """What the scores have that the rules forbid, a sentence each; ``sample`` is how many rows were sent."""
        return [*self._shape(given, sample), *(line for name in self.columns for line in self._column(given, name))]

    def _shape(self, given: Scores, sample: int | None) -> list[str]:
        said = []
        count = len(given.rows)
        wanted = sample if self.rows == "input" else self.rows
        if isinstance(wanted, Bounds):
            if not wanted.hold(count):
                said.append(f"there are {count} rows, and must be {wanted}")
        elif wanted is not None and count != wanted:
            said.append(f"there are {count} rows, and must be {wanted}")
        if given.columns != self.columns:
            said.append(f"the columns are {', '.join(given.columns)}; they must be {', '.join(self.columns)}")
        return said

    def _column(self, given: Scores, name: str) -> list[str]:
        if name not in given.columns:
            return []
        values, said = given.column(name), []
        empty = sum(value == "" for value in values)
        if empty and not (name in self.nulls if isinstance(self.nulls, tuple) else self.nulls):
            said.append(f"column '{name}' is empty in {empty} of {len(values)} rows")
        filled = [value for value in values if value != ""]
        if name in self.classes:
            known = {str(one) for one in self.classes[name]}
            others = sorted(set(filled) - known)
            if others:
                said.append(f"column '{name}' has {_some(others)}; its classes are {', '.join(sorted(known))}")
        if name in self.ranges:
            outside = [value for value in filled if not self.ranges[name].hold(_number(value))]
            if outside:
                said.append(f"column '{name}' has {_some(outside)}; it must be {self.ranges[name]}")
        return said


class Rules(_Strict):
    """A rule file. ``gate`` is the output with what a gate said of a model: ``Gate`` as JSON."""

    inputs: Mapping[Word, bool | int | float | str] = Field(default_factory=dict)
    scores: Table
    gate: Word | None = None


class Gate(BaseModel):
    """What a training step says of its model: whether it is good enough, why not, its metrics, and what was registered."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    passed: bool
    reason: str | None = None
    metrics: Mapping[str, float] = Field(default_factory=dict)
    registered: Mapping[str, str] | None = None

    @staticmethod
    def read(file: Path, output: str) -> Gate:
        """From the file of an output, JSON whatever it is called; raises ``JobFailed`` for what is none."""
        try:
            return Gate.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise JobFailed(
                f"'{file.name}' of output '{output}' is not what a gate says:", details=wrong(error)
            ) from None


def read(file: Path) -> Rules:
    """The rule file; raises ``Mistake`` for one that is not there, and for every key or value that is none of its own."""
    if not file.is_file():
        raise Mistake(
            f"There is no rule file '{file}': a deployment serves only after its scores were checked.",
            next="write it; docs/runner.md has the keys",
        )
    try:
        return Rules.model_validate(yaml_file.read(file))
    except ValidationError as error:
        raise Mistake(f"'{file}' is not a rule file:", details=wrong(error)) from None


def wrong(error: ValidationError) -> list[str]:
    """A line for each key that pydantic did not take: its path, the value, and what is the matter."""
    said: dict[str, str] = {}
    for one in error.errors():
        path = ".".join(
            str(part) for part in one["loc"] if not re.search(r"[\[(]|^(int|float|str|bool|Bounds)$", str(part))
        )
        given = "" if one["type"] in ("missing", "value_error") else f" (here: {str(one['input'])[:60]})"
        said.setdefault(path, f"{path or 'it'}: {one['msg'].removeprefix('Value error, ')}{given}")
    return list(said.values())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _some(values: list[str], most: int = 3) -> str:
    shown = ", ".join(f"'{value}'" for value in values[:most])
    return f"{shown} and {len(values) - most} more" if len(values) > most else shown

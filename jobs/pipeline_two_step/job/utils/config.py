"""``cfg/train_config.yaml``, read into types: an unknown key or a wrong value is named with its path, its file and itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, NonNegativeFloat, ValidationError
from utils.step import Refused


class Section(BaseModel, frozen=True, extra="forbid", strict=True):
    """Keys that are not there, and values of another type, are refused."""


class Model(Section):
    name: str
    estimator: str
    parameters: dict[str, Any] = {}


class Column(Section):
    """A feature. ``minimum`` and ``maximum`` are of a number, ``values`` are all that a text may be."""

    type: Literal["number", "text"]
    minimum: float | None = None
    maximum: float | None = None
    values: list[str] | None = None


class Target(Section):
    name: str
    classes: Annotated[list[str], Field(min_length=2)]


class Data(Section):
    features: Annotated[dict[str, Column], Field(min_length=1)]
    target: Target

    @property
    def columns(self) -> dict[str, Column]:
        """Features and target, each with its rules."""
        return {**self.features, self.target.name: Column(type="text", values=self.target.classes)}

    def named(self, type: str) -> list[str]:
        return [name for name, column in self.features.items() if column.type == type]


class Split(Section):
    test_size: Annotated[float, Field(gt=0, lt=1)]


class Gate(Section):
    """Of each metric, more is better."""

    metric: Literal["accuracy", "f1", "roc_auc"]
    floor: float
    tolerance: NonNegativeFloat = 0.0


class Config(Section):
    model: Model
    seed: int
    data: Data
    split: Split
    gate: Gate


def read(file: Path) -> Config:
    """Raises ``Refused`` with everything that is wrong."""
    try:
        written = yaml.safe_load(file.read_text("utf-8"))
        config = Config.model_validate(written)
    except ValidationError as error:
        said = []
        for one in error.errors():
            there = "" if one["type"] == "missing" else f", not {one['input']!r:.60}"
            said.append(f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}{there}")
        raise Refused(f"{file}: {'; '.join(said)}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{file}: {' '.join(str(error).split())}") from None
    if config.data.target.name in config.data.features:
        raise Refused(f"{file}: data.target.name: '{config.data.target.name}' is a feature too. Take it out of one.")
    return config

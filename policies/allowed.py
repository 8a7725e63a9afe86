"""What an organisation decides: ``allowed.yaml``, beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

NAME = "policies/allowed.yaml"


@dataclass(frozen=True)
class Limits:
    """``sizes`` are patterns; ``tags`` are those that everything has to have."""

    regions: tuple[str, ...]
    sizes: tuple[str, ...]
    idle_minutes: int
    tags: tuple[str, ...]


@cache
def limits() -> Limits:
    found = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return Limits(tuple(found["regions"]), tuple(found["sizes"]), int(found["idle_minutes"]), tuple(found["tags"]))

"""The curated environments: what Microsoft publishes in the registry ``azureml``, with their known contents.

``curated.json`` says, per environment: the newest version known, other names by which workspaces know it, the Python it has, the
packages it has, and those that the emulator leaves out (the service's own agents, what has no wheel) with the reason in the log of
whoever builds it. ``source`` is Microsoft's own definition. An environment that is not in the table does not exist here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

IMAGES = "mcr.microsoft.com/azureml/curated/"


@dataclass(frozen=True)
class Curated:
    """One version of a curated environment. ``python`` is a minor version, ``packages`` and ``left_out`` are requirements."""

    name: str
    version: str
    latest: int
    python: str
    packages: Sequence[str]
    left_out: Sequence[str]
    tags: Mapping[str, str]
    description: str
    names: Sequence[str]

    @property
    def image(self) -> str:
        return f"{IMAGES}{self.name.lower()}:{self.version}"

    @property
    def conda_file(self) -> str:
        """The contents as a conda file."""
        content = {
            "name": self.name,
            "channels": ["conda-forge"],
            "dependencies": [f"python={self.python}", "pip", {"pip": list(self.packages)}],
        }
        return yaml.safe_dump(content, sort_keys=False)

    def properties(self) -> dict[str, Any]:
        """The properties of the environment version, as the registry answers them."""
        return {
            "description": self.description,
            "tags": dict(self.tags),
            "properties": {},
            "isAnonymous": False,
            "isArchived": False,
            "environmentType": "Curated",
            "image": self.image,
            "condaFile": None,
            "build": None,
            "osType": "Linux",
            "inferenceConfig": None,
            "autoRebuild": "Disabled",
        }


@lru_cache(1)
def _table() -> Mapping[str, Mapping[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return content


@lru_cache(1)
def _names() -> Mapping[str, str]:
    """Every name, as it is compared, with the environment's own."""
    found: dict[str, str] = {}
    for name, row in _table().items():
        for one in (name, *row["names"]):
            found[one.lower()] = name
    return found


def names() -> list[str]:
    return list(_table())


def find(name: str, version: str = "latest") -> Curated | None:
    """``version`` is a number up to the newest known, or ``latest``."""
    own = _names().get(name.lower())
    if own is None:
        return None
    row = _table()[own]
    if version == "latest":
        version = str(row["latest"])
    if not version.isdecimal() or not 1 <= int(version) <= row["latest"]:
        return None
    return Curated(
        name=own,
        version=version,
        latest=row["latest"],
        python=row["python"],
        packages=tuple(row["packages"]),
        left_out=tuple(row["leftOut"]),
        tags=row["tags"],
        description=row["description"],
        names=tuple(row["names"]),
    )


def of_image(image: str) -> Curated | None:
    """The environment whose image this is, ``mcr.microsoft.com/azureml/curated/sklearn-1.5:54``: how a job that names the image
    itself gets the same contents. A tag that is no version means the newest."""
    if not image.lower().startswith(IMAGES):
        return None
    name, _, tag = image[len(IMAGES) :].partition(":")
    return find(name, tag if tag.isdecimal() else "latest")

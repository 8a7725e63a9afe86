"""Where things lie on this machine: what is looked for in the working folder and above it, up to the project's top."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

TOP = ("Pulumi.yaml", "pyproject.toml", ".git")  # a folder with one of these is the project's top


def upwards(start: Path | None = None) -> Iterator[Path]:
    """The working folder and those above it, up to the project's top; the working folder alone outside of a project."""
    start = (start or Path.cwd()).absolute()
    folders = [start, *start.parents]
    top = next((folder for folder in folders if any((folder / mark).exists() for mark in TOP)), start)
    yield from folders[: folders.index(top) + 1]


def find(name: str, start: Path | None = None) -> Path | None:
    """The nearest file or folder called ``name``, in the working folder first."""
    return next((folder / name for folder in upwards(start) if (folder / name).exists()), None)


def shown(path: Path) -> str:
    """A path as it is shown to people: relative where it lies below the working folder."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)

"""Where things lie on this machine: what is looked for in the working folder and above it, up to the project's top."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

TOP = ("Pulumi.yaml", "pyproject.toml", ".git")  # a folder with one of these is the project's top
CHECKOUT = Path(__file__).parents[1]  # what a program that was started outside of any project (by an IDE) works in


def top() -> Path | None:
    """The top of the project that the working folder lies in; else the checkout that this runner stands in."""
    here = Path.cwd()
    found = (folder for folder in (here, *here.parents, CHECKOUT) if any((folder / mark).exists() for mark in TOP))
    return next(found, None)


def find(name: str) -> Path | None:
    """The nearest file or folder called ``name``: in the working folder, those above it, up to the project's top."""
    here, end = Path.cwd(), top()
    above = [folder for folder in here.parents if end is not None and folder.is_relative_to(end)]
    places = [here, *above, *([end] if end is not None else [])]
    return next((folder / name for folder in places if (folder / name).exists()), None)


def state_folder() -> Path:
    """Where the emulator keeps everything: ``AML_LOCAL_HOME``; else ``.local`` at the project's top."""
    named = os.environ.get("AML_LOCAL_HOME")
    return Path(named).absolute() if named else (top() or Path.cwd()) / ".local"


def typed(words: str) -> str:
    """``words`` with each ``aml …`` in them as a person can type it here: by its path where it is not on PATH."""
    program = Path(sys.executable).with_name("aml")
    if not program.exists() or shutil.which("aml") == str(program):
        return words
    return re.sub(r"(?<![\w./-])aml(?= [a-z])", shown(program).replace("\\", r"\\"), words)


def shown(path: Path) -> str:
    """A path as it is shown to people: relative where it lies below the working folder."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)

"""Jobs that score mini-batches in parallel: their command, and the driver that Azure ML lays beside their code.

The driver is a program of its own (``driver/amlbi_main.py``) that runs in the job's environment, with the job's folder as its own.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

FOLDER = "driver"
PROGRAM = f"python {FOLDER}/amlbi_main.py"
SOURCE = Path(__file__).with_name(FOLDER)


def command(arguments: Mapping[str, object], variables: Mapping[str, str], rest: str = "") -> str:
    """The command line of such a job. An argument that is ``True`` stands by itself; ``variables`` are arguments that stand in the
    environment of the job, maybe with a path below them; ``rest`` is the scoring script's own, as it was written."""
    words = [
        f"--{name}" if value is True else f"--{name} {shlex.quote(str(value))}" for name, value in arguments.items()
    ]
    words += [f'--{name} "${variable}"' for name, variable in variables.items()]
    return " ".join((PROGRAM, *words, rest)).rstrip()


def lay_out(command: str, work: Path) -> None:
    """Put the driver into the folder of a job whose command starts it."""
    if command.startswith(PROGRAM):
        shutil.copytree(SOURCE, work / FOLDER, ignore=shutil.ignore_patterns("__*"), dirs_exist_ok=True)

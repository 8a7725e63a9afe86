"""``aml --help``, cold process, against the interpreter's own start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, alternately


def run() -> Iterator[Figure]:
    aml = str(Path(sys.executable).with_name("aml"))
    ours, bare, ratio = alternately(
        lambda: subprocess.run([aml, "--help"], check=True, stdout=subprocess.DEVNULL),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        runs=15,
    )
    detail = f"{ratio:.1f} times `python -c pass` ({bare * 1000:.0f} ms)"
    yield Figure("aml --help", ours * 1000, "ms", "at most 150", ours <= 0.15, detail)

"""``aml local up``: into an empty folder, and onto a folder that has been used before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, seconds


def run() -> Iterator[Figure]:
    aml = str(Path(sys.executable).with_name("aml"))
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AML_LOCAL_HOME": str(Path(folder) / "home")}

        def call(*arguments: str) -> None:
            subprocess.run([aml, "local", *arguments], env=environment, check=True, capture_output=True)

        for name, goal in (("into an empty folder", 10.0), ("onto an existing folder", 5.0)):
            (taken,) = seconds(lambda: call("up"), runs=1, warmup=0)
            yield Figure(
                f"aml local up, {name}", taken, "s", f"at most {goal:.0f}", taken <= goal, "to ready, stack applied"
            )
            (again,) = seconds(lambda: call("up"), runs=1, warmup=0)
            yield Figure(f"aml local up, already up ({name.split()[-2]})", again, "s", "", None, "nothing changes")
            call("down")

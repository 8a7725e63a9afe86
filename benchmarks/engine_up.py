"""``pulumi up --stack local`` with the real engine against an emulator with nothing in it; then again, and down."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, seconds
from emulator import Emulator
from infra import engine

GOAL = 20.0
HOST = Path(__file__).parent.parent / "tests" / "engine" / "bin"  # where the vendor's language host is not there


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder) / "home", port=0) as azure:
        os.environ.update(azure.environment())
        os.environ.pop("PULUMI_BACKEND_URL", None)
        if shutil.which("pulumi-language-python") is None:
            os.environ["PATH"] += f"{os.pathsep}{HOST}"
        local = engine.open("local", Path(folder))
        how = f"Pulumi {local.program.version}"
        up = ("up", "--yes", "--skip-preview")
        (taken,) = seconds(lambda: local.run(*up), runs=1, warmup=0)
        yield Figure("pulumi up, from nothing", taken, "s", f"at most {GOAL:.0f}", taken <= GOAL, how)
        (again,) = seconds(lambda: local.run(*up, "--expect-no-changes"), runs=1, warmup=0)
        yield Figure("pulumi up, nothing changes", again, "s", "", None, how)
        (down,) = seconds(lambda: local.run("destroy", "--yes", "--skip-preview"), runs=1, warmup=0)
        yield Figure("pulumi destroy", down, "s", "", None, how)

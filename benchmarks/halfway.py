"""``pulumi up`` of each stack by the real engine, with every resource in turn refused, and again with every one that is made in the
background accepted and failed: each next ``up`` goes on, and the last leaves nothing to do. The suite does this for one stack with
two faults, and for each type without an engine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.engine_up import HOST
from benchmarks.figure import Figure
from emulator import Emulator
from infra import engine
from infra.recovery import deployment

UP = ("up", "--yes", "--skip-preview")
WORDS = {"forbidden": "refused", "operation-fails": "accepted and failed"}


def run() -> Iterator[Figure]:
    for stack in ("local", "dev", "prod"):
        for kind, words in WORDS.items():
            with _stack(stack) as (azure, opened):
                fault = {"kind": kind, "each": True, "methods": ["PUT"]}
                azure.control("/_emulator/faults", method="POST", body=fault)
                ups = _finished(opened)
                opened.run(*UP, "--refresh", "--expect-no-changes")
                made = len({one["id"].lower() for one in deployment(opened)["resources"] if "/" in one.get("id", "")})
                met = azure.control("/_emulator/faults")["value"][0]["met"]
            goal, reached = ("all", met == made) if kind == "forbidden" else ("", None)
            yield Figure(
                f"resources of {stack} that were {words}", met, f"of {made}", goal, reached, f"done by up {ups}"
            )


def _finished(opened: engine.Engine) -> int:
    """How many ups it takes until one ends well; every one before must have got further."""
    ups, before = 1, -1
    while opened.run(*UP, accept=range(256)).returncode:
        ups, there = ups + 1, len(deployment(opened).get("resources") or ())
        if there < before:
            raise RuntimeError(
                f"{opened.stack}: after up {ups} the state has {there} resources, after the one before {before}"
            )
        before = there
        if ups > 200:
            raise RuntimeError(f"{opened.stack}: {ups} ups, and none of them the last")
    return ups


@contextmanager
def _stack(stack: str) -> Iterator[tuple[Emulator, engine.Engine]]:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder) / "home", port=0) as azure:
        path = (
            os.environ["PATH"] if shutil.which("pulumi-language-python") else f"{os.environ['PATH']}{os.pathsep}{HOST}"
        )
        with patch.dict(os.environ, {**azure.environment(), "PATH": path}):
            os.environ.pop("PULUMI_BACKEND_URL", None)
            yield azure, engine.open(stack, Path(folder))

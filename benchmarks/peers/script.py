"""The four scripts as ``STEPS`` in the environment has them: a list of a path and its arguments each."""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEPS: list[list[str]] = json.loads(os.environ["STEPS"])


def run(index: int) -> None:
    """In this process, which the peer started for the step: another would be a second that is not the peer's."""
    path = STEPS[index][0]
    sys.argv = STEPS[index]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


@contextmanager
def timed() -> Iterator[None]:
    """Write what the pipeline itself takes, without the peer's import, into the file ``seconds``. Metaflow comes here in each
    step's process too; the pipeline's own ends last."""
    start = time.perf_counter()
    try:
        yield
    finally:
        Path("seconds").write_text(str(time.perf_counter() - start))

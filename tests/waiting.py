"""Waiting for what is under way, no longer than it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

ENDED = ("Completed", "Failed", "Canceled")


def until(true: Callable[[], Any], seconds: float = 60, pause: float = 0.05) -> Any:
    """What ``true`` gives once that counts as true; fails when it does not in time."""
    deadline, waiting = time.monotonic() + seconds, threading.Event()
    while not (value := true()):
        assert time.monotonic() < deadline, f"It did not come true in {seconds} s."
        waiting.wait(pause)
    return value


def over(client: MLClient, job: Job, seconds: float = 60) -> Any:
    """The job once it has ended, however it did."""
    return until(lambda: (now := client.jobs.get(str(job.name))).status in ENDED and now, seconds)

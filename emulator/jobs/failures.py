"""Why a job failed, in the shape in which run history keeps it.

``{"error": {"code", "message", …}, "correlation", "environment", "location", "time", "componentName"}``, as the model
``ErrorResponse`` of azure-ai-ml's run history client has it. ``code`` is ``UserError`` where the job's owner can mend it, and
``ServiceError`` where the emulator failed.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any


class JobFailed(Exception):
    """``code`` is UserError or ServiceError, ``inner`` the narrower code."""

    def __init__(
        self, message: str, inner: str, *, code: str = "UserError", parameters: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.inner, self.code = message, inner, code
        self.parameters = dict(parameters or {})


def exited(program: str, code: int, log: str, last_lines: str) -> JobFailed:
    """A process that ended with ``code`` (negative: by that signal); ``log`` is its log's name, as the job's owner finds it."""
    if code < 0:
        how = f"was ended by signal {-code} ({_signal(-code)})"
    else:
        how = f"exited with status code {code}"
    end = f" Error: {last_lines}" if last_lines.strip() else " The log is empty."
    return JobFailed(
        f"Execution failed. User process '{program}' {how}. Please check log file '{log}' for error details.{end}",
        "ExecutionFailed",
        parameters={"ProcessName": program, "ExitCode": str(code), "LogFile": log},
    )


def image_failed(message: str) -> JobFailed:
    return JobFailed(
        f"Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt. {message}",
        "ImageBuildFailure",
    )


def lost(status: str) -> JobFailed:
    """What the emulator was running when it ended."""
    return JobFailed(
        f"The emulator ended while the job was {status}, and everything that the job ran ended with it. "
        "What it had logged is kept. Submit the job again.",
        "NodeLost",
        code="ServiceError",
    )


def compute_deleted(name: str) -> JobFailed:
    return JobFailed(
        f"The compute '{name}' was deleted, and the job with it. Submit the job to another.", "ComputeNotFound"
    )


def engine_failed(error: Exception) -> JobFailed:
    return JobFailed(
        f"The emulator failed while it ran the job: {error!r}. Its log has more.", "EngineFailure", code="ServiceError"
    )


def response(failure: JobFailed, location: str) -> dict[str, Any]:
    return {
        "error": {
            "code": failure.code,
            "message": failure.message,
            "messageFormat": failure.message,
            "messageParameters": failure.parameters,
            "referenceCode": "",
            "details": [],
            "innerError": {"code": failure.inner, "innerError": None},
        },
        "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
        "environment": location,
        "location": location,
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "componentName": "CommonRuntime",
    }


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"

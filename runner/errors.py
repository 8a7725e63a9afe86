"""Everything that goes wrong in the runner, as one closed family; each knows its exit code.

    RunnerError
      Mistake        1  the caller's: a setting, a name, a file, an option
        NeverApplied    a stack that nobody has brought up yet
      CloudError     2  ours or Azure's: no answer, a refusal, something that does not work
      JobFailed      3  the job ran and did not complete

A message names the thing and its value; ``next`` is the command to type, ``details`` are lines that stand below the message.
Errors rise untouched to ``runner.main``, the one place that prints them. What Azure's own clients raise becomes one of the
family in ``runner.azure_errors``.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner import project

DONE = 0


class RunnerError(Exception):
    exit_code = 2

    def __init__(self, message: str, *, next: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.next = next
        self.details = tuple(details)

    def lines(self) -> list[str]:
        """The error as it is printed: message, details, next step."""
        said = [f"error: {self.message}", *(f"  {line}" for detail in self.details for line in detail.splitlines())]
        return [*said, f"  next: {project.typed(self.next)}"] if self.next else said


class Mistake(RunnerError):
    exit_code = 1


class NeverApplied(Mistake):
    pass


class CloudError(RunnerError):
    exit_code = 2


class JobFailed(RunnerError):
    exit_code = 3

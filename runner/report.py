"""What is said of a job that has ended: metrics, outputs, and where the rest is. The layout is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import talk, tracking
from runner.errors import JobFailed
from runner.following import Outcome, status_of
from runner.paths import JobPaths
from runner.progress import duration

if TYPE_CHECKING:
    from runner.workspace import Workspace


@dataclass(frozen=True)
class Report:
    """``limit`` is the job's time limit in seconds, where that ended it."""

    name: str
    outcome: Outcome
    studio: str | None
    metrics: Mapping[str, float]
    outputs: Mapping[str, str]
    limit: float | None = None

    @staticmethod
    def of(workspace: Workspace, name: str, outcome: Outcome, metrics: Mapping[str, float] | None = None) -> Report:
        """``metrics`` are those of a pipeline's steps; without them the job's own are asked for."""
        job = workspace.client.jobs.get(name)
        metrics = tracking.metrics(workspace, name) if metrics is None else metrics
        return Report(name, outcome, job.studio_url, metrics, outputs_of(job), _limit_reached(job, outcome))

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.outcome.status,
            "seconds": self.outcome.seconds,
            "studio": self.studio,
            "metrics": dict(self.metrics),
            "outputs": dict(self.outputs),
            "error": self.outcome.error,
        }

    def lines(self) -> list[str]:
        said = []
        if self.metrics:
            said += [
                *talk.table(("metric", "value"), [(key, f"{value:.6g}") for key, value in self.metrics.items()]),
                "",
            ]
        places = [
            (name, where or f"aml jobs download {self.name} --output {name}") for name, where in self.outputs.items()
        ]
        return [*said, *talk.table(("output", "where"), places)]

    def raise_for_status(self, flags: str) -> None:
        """Raise ``JobFailed`` for a job that did not complete; ``flags`` names its target in the next command."""
        if self.outcome.status == "Completed":
            return
        canceled = (
            "was cancelled" if self.limit is None else f"was cancelled at its time limit of {duration(self.limit)}"
        )
        said = {"Canceled": canceled, "Failed": "failed"}.get(self.outcome.status, f"ended {self.outcome.status}")
        after = f" after {duration(self.outcome.seconds)}" if self.outcome.seconds is not None else ""
        error = [self.outcome.error] if self.outcome.error else []
        told = self.outcome.last and self.outcome.error and self.outcome.last[-1].strip() in self.outcome.error
        last = [] if told else [f"  {line}" for line in self.outcome.last]
        last = ["the last lines of its log:", *last] if last else []
        look = "show" if self.outcome.told_by and not self.outcome.last else "logs"  # a step that never ran has no log
        raise JobFailed(
            f"Job {self.name} {said}{after}.",
            details=[*error, *last],
            next=f"aml jobs {look} {self.outcome.told_by or self.name}{flags} shows all of it",
        )


def show_submitted(job: Any, flags: str, *, as_json: bool) -> None:
    """What is said of a job that is not waited for: its name, and how to follow it."""
    talk.say(f"follow: aml jobs logs --follow {job.name}{flags}")
    submitted = {"name": job.name, "status": status_of(job), "studio": job.studio_url}
    talk.show_json(submitted) if as_json else talk.show(job.name)


def _limit_reached(job: Any, outcome: Outcome) -> float | None:
    """Azure cancels a job that has run for its ``limits.timeout``, and does not say that this was the reason:
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command#attributes-of-the-limits-key"""
    timeout = getattr(getattr(job, "limits", None), "timeout", None)
    reached = outcome.status == "Canceled" and timeout and outcome.seconds is not None and outcome.seconds >= timeout
    return float(timeout) if timeout and reached else None


def outputs_of(job: Any) -> dict[str, str]:
    """The outputs' addresses by name, ``""`` where Azure chose one; what is in the run's own folder stands as ``artifacts``."""
    given = getattr(job, "outputs", None) or {}  # a step that is listed by its pipeline has none
    named = {name: str(getattr(output, "path", None) or "") for name, output in given.items()}
    artifacts = named.pop("default", "") or JobPaths(job.name).artifacts
    return {**named, "artifacts": artifacts}

"""The steps of a pipeline job: what each is doing, asked of run history, and shown as they go.

Listed as children of their job: azure-ai-ml's ``batch_endpoints.list_jobs`` does not give a pipeline's
(https://github.com/Azure/azure-sdk-for-python/issues/45212).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from runner import following, tracking
from runner.errors import Mistake
from runner.following import ENDED, LAST_LINES, Outcome
from runner.graph import Graph
from runner.polling import Poller
from runner.progress import REPEAT, duration, is_live
from runner.rest import ML_SCOPE

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from runner.workspace import Workspace

WAITING = "NotStarted"
STYLES = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan", WAITING: "dim"}
MARKS = {"Completed": "✓", "Failed": "✗", "Canceled": "-", WAITING: "·"}


@dataclass(frozen=True)
class StepRun:
    """One run of a step: ``job`` is its name as a job, ``reused`` says that an earlier run's outputs stand for it."""

    step: str
    job: str
    status: str
    seconds: float | None = None
    reused: bool = False

    def words(self) -> str:
        """``Completed · 3 s``"""
        took = [duration(self.seconds)] if self.seconds is not None and self.status != WAITING else []
        return " · ".join([self.status, *(["reused"] if self.reused else took)])


def of(workspace: Workspace, pipeline: str) -> dict[str, StepRun]:
    """The runs of the steps by the step's name; a step that has not begun may have none yet."""
    url = f"{workspace.service('history')}/runs/{quote(pipeline, safe='')}/children"
    runs = [_run(run) for run in workspace.rest.pages(url, ML_SCOPE)]
    return {run.step: run for run in runs}


def metrics(workspace: Workspace, runs: Mapping[str, StepRun]) -> dict[str, float]:
    """What the steps logged to MLflow, as ``step.metric``."""
    return {
        f"{step}.{key}": value
        for step, run in runs.items()
        if run.status == "Completed"
        for key, value in tracking.metrics(workspace, run.job).items()
    }


def follow(
    workspace: Workspace, name: str, graph: Graph, *, live: bool | None = None, poller: Poller | None = None
) -> tuple[Outcome, dict[str, StepRun]]:
    """Show the steps until the pipeline has ended: how it did, and its steps. What failed tells its last lines."""
    poller = poller or Poller()
    status, runs = "", dict[str, StepRun]()
    with Shown(name, graph, live=live) as shown:
        for elapsed in poller:
            now = following.details(workspace, name) or {"status": status or WAITING}
            found = of(workspace, name)
            if (now["status"], _statuses(found)) != (status, _statuses(runs)):
                poller.hurry()
            status, runs = str(now["status"]), found
            shown.at(status, runs, elapsed)
            if status in ENDED:
                return _outcome(workspace, now, runs), runs
    raise AssertionError("a poller never ends by itself")


class Shown:
    """The steps on stderr: a table that changes on a terminal, a line for each change of status elsewhere."""

    def __init__(self, name: str, graph: Graph, *, live: bool | None = None) -> None:
        self._name, self._graph = name, graph
        self._on_terminal = is_live() if live is None else live
        self._live: Live | None = None
        self._said: dict[str, str] = {}
        self._said_at = 0.0

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def at(self, status: str, runs: Mapping[str, StepRun], elapsed: float) -> None:
        if self._on_terminal:
            self._draw(status, runs, elapsed)
            return
        for step in [*self._graph.names, *(name for name in runs if name not in self._graph.names)]:
            run = runs.get(step)
            if run is not None and run.status != WAITING:
                self._say(step, run.status, f"step {step} · {run.words()}", elapsed)
        self._say("", status, f"{self._name} · {status} · {duration(elapsed)}", elapsed)

    def _say(self, what: str, status: str, line: str, elapsed: float) -> None:
        quiet_for = elapsed - self._said_at
        if self._said.get(what) == status and (what or quiet_for < REPEAT):
            return
        click.echo(line, err=True)
        self._said[what], self._said_at = status, elapsed

    def _draw(self, status: str, runs: Mapping[str, StepRun], elapsed: float) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
            self._live.start()
        self._live.update(table(self._name, self._graph, status, runs, elapsed), refresh=True)


def table(name: str, graph: Graph, status: str, runs: Mapping[str, StepRun], elapsed: float) -> Table:
    """The graph for a terminal: a row a step, indented by how many come before it."""
    from rich.table import Table
    from rich.text import Text

    levels = graph.levels()
    waits = {step.name: step.after for step in graph.steps}
    drawn = Table.grid(padding=(0, 2))
    for step in [*graph.names, *(one for one in runs if one not in levels)]:
        run = runs.get(step) or StepRun(step, "", WAITING)
        style = STYLES.get(run.status, "")
        after = f"after {', '.join(waits[step])}" if waits.get(step) else ""
        drawn.add_row(
            Text(f"{'  ' * levels.get(step, 0)}{MARKS.get(run.status, '●')} {step}", style=style),
            Text(run.words(), style=style),
            Text(after, style="dim"),
        )
    drawn.add_row(Text(name, style="bold"), Text(f"{status} · {duration(elapsed)}", style=STYLES.get(status, "")))
    return drawn


def _run(run: Mapping[str, Any]) -> StepRun:
    properties = run.get("properties") or {}
    begin, end = following.time(run.get("startTimeUtc")), following.time(run.get("endTimeUtc"))
    seconds = ((end or datetime.now(timezone.utc)) - begin).total_seconds() if begin else None
    return StepRun(
        str(run.get("displayName") or properties.get("azureml.moduleName") or run["runId"]),
        str(run["runId"]),
        str(run.get("status") or WAITING),
        seconds,
        str(properties.get("azureml.isreused", "")).lower() == "true",
    )


def _statuses(runs: Mapping[str, StepRun]) -> dict[str, str]:
    return {step: run.status for step, run in runs.items()}


def _outcome(workspace: Workspace, details: dict[str, Any], runs: Mapping[str, StepRun]) -> Outcome:
    outcome = following.outcome(details)
    failed = next((run for run in runs.values() if run.status == "Failed"), None)
    if outcome.status == "Completed" or failed is None:
        return outcome
    told = following.details(workspace, failed.job) or {}
    error = following.error_of(told) or outcome.error or "it says no reason"
    last = deque[str](maxlen=LAST_LINES)
    try:
        following.printed(workspace, failed.job, lambda text: last.extend(text.splitlines()))
    except Mistake:  # it failed before it had a log
        pass
    return Outcome(outcome.status, f"step {failed.step}: {error}", tuple(last), outcome.seconds, failed.job)

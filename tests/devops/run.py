"""A pipeline's run: the stages, jobs and steps of an expanded document in their order, each with its variables resolved.

What a step does is the caller's: ``execute`` is given each step whose condition holds and says how it ended. Conditions,
``dependsOn``, ``continueOnError`` and outputs between steps, jobs and stages are followed as Azure does:
https://learn.microsoft.com/azure/devops/pipelines/process/conditions, …/process/set-variables-scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.devops.expressions import FUNCTIONS, Unknown, evaluate, text, truth

MACRO = re.compile(r"\$\(([A-Za-z_][\w.]*)\)")
STEPS = ("task", "bash", "script", "checkout", "publish", "download")
OF_A_STEP = {"displayName", "name", "condition", "continueOnError", "env", "inputs", "artifact", "path", "patterns"} | {
    "retryCountOnTaskFailure",
    "timeoutInMinutes",
    "workingDirectory",
}
OF_A_JOB = {
    "displayName",
    "dependsOn",
    "condition",
    "timeoutInMinutes",
    "cancelTimeoutInMinutes",
    "pool",
    "variables",
} | {
    "environment",
    "strategy",
    "steps",
}
SUCCEEDED, ISSUES, FAILED, CANCELED, SKIPPED = "Succeeded", "SucceededWithIssues", "Failed", "Canceled", "Skipped"


@dataclass(frozen=True)
class Step:
    """``kind``: task, bash, checkout …; ``what``: the task's name or the script. Macros in ``what``, ``inputs`` and ``env`` are
    resolved; ``variables`` are all that the step sees."""

    stage: str
    job: str
    kind: str
    what: str
    name: str
    inputs: Mapping[str, str]
    env: Mapping[str, str]
    condition: str
    more: Mapping[str, Any]
    variables: Mapping[str, str]


@dataclass
class Ended:
    """How something ended: ``outputs`` of a step by name, of a job by ``step.name``, of a stage by ``job.step.name``; ``variables``
    that a step set for those after it in its job."""

    result: str = SUCCEEDED
    outputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


class Run:
    """``cancelled`` is what a step's ``execute`` sets when somebody cancels the run meanwhile."""

    def __init__(
        self, document: Mapping[str, Any], predefined: Mapping[str, str], execute: Callable[[Step], Ended]
    ) -> None:
        self.document, self.predefined, self.execute = document, predefined, execute
        self.cancelled = False
        self.stages: dict[str, Ended] = {}
        self.jobs: dict[str, dict[str, Ended]] = {}

    def __call__(self) -> str:
        """Runs; the run's result."""
        _known(
            self.document,
            {"name", "trigger", "pr", "schedules", "resources", "pool", "variables", "stages", "lockBehavior"},
        )
        for name, stage, after in _ordered(self.document["stages"], ("stage",), chained=True):
            _known(stage, {"stage", "displayName", "dependsOn", "condition", "variables", "jobs"})
            variables = self._variables(stage.get("variables"))
            names = {"dependencies": {one: _told(self.stages[one]) for one in after}, "variables": variables}
            if self.stages.get(name, Ended(SKIPPED)).result in (
                SUCCEEDED,
                ISSUES,
            ):  # it runs again: what went well stays
                continue
            self.stages[name] = ended = Ended(SKIPPED)
            if self._holds(stage.get("condition"), [self.stages[one].result for one in after], names):
                self._jobs(name, stage, variables, ended)
        return _worst([ended.result for ended in self.stages.values()])

    def _jobs(self, stage: str, declared: Mapping[str, Any], of_stage: Mapping[str, str], stage_ended: Ended) -> None:
        jobs = self.jobs.setdefault(stage, {})
        others = {one: {job: _told(ended) for job, ended in found.items()} for one, found in self.jobs.items()}
        for name, job, after in _ordered(declared["jobs"], ("job", "deployment"), chained=False):
            _known(job, OF_A_JOB | {"job", "deployment"})
            names = {"dependencies": {one: _told(jobs[one]) for one in after}, "stageDependencies": others}
            variables = self._variables({**of_stage, **job.get("variables", {})}, names)
            jobs[name] = ended = Ended(SKIPPED)
            if self._holds(
                job.get("condition"), [jobs[one].result for one in after], {**names, "variables": variables}
            ):
                self._steps(stage, name, job, variables, ended)
        stage_ended.result = _worst([ended.result for ended in jobs.values()])
        for name, ended in jobs.items():
            stage_ended.outputs.update({f"{name}.{output}": value for output, value in ended.outputs.items()})

    def _steps(
        self, stage: str, name: str, job: Mapping[str, Any], variables: dict[str, str], job_ended: Ended
    ) -> None:
        results: list[str] = []
        # a deployment's outputs carry its name once more: the life cycle hook's, which of runOnce is the job's
        prefix = f"{name}." if "deployment" in job else ""
        for declared in steps_of(job):
            results_now = [CANCELED] if self.cancelled else results
            condition = str(declared.get("condition", "succeeded()"))
            if not self._holds(condition, results_now, {"variables": variables}):
                continue
            step = _resolved(stage, name, declared, condition, variables)
            ended = self.execute(step)
            result = (
                ISSUES if ended.result == FAILED and declared.get("continueOnError") in (True, "true") else ended.result
            )
            results.append(result)
            variables |= ended.variables
            if declared.get("name"):
                outputs = {f"{declared['name']}.{output}": value for output, value in ended.outputs.items()}
                variables |= outputs
                job_ended.outputs |= {prefix + output: value for output, value in outputs.items()}
        job_ended.result = CANCELED if self.cancelled else _worst(results)

    def _holds(self, condition: str | None, results: list[str], names: Mapping[str, Any]) -> bool:
        good = all(result in (SUCCEEDED, ISSUES) for result in results) and not self.cancelled
        bad = FAILED in results and not self.cancelled
        functions = {
            **FUNCTIONS,
            "succeeded": lambda: good,
            "failed": lambda: bad,
            "always": lambda: True,
            "canceled": lambda: self.cancelled,
            "succeededorfailed": lambda: not self.cancelled and SKIPPED not in results,
        }
        return truth(evaluate(condition or "succeeded()", names, functions))

    def _variables(
        self, inner: Mapping[str, str] | None = None, names: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """Those of the run, and within it; ``$[ ]`` in the latter is evaluated."""
        found = {**self.predefined, **self.document["variables"]}
        for name, value in (inner or {}).items():
            if value.startswith("$["):
                value = text(evaluate(value[2:-1], {**(names or {}), "variables": found}))
            found[name] = value
        return found


def _ordered(
    items: list[Mapping[str, Any]], keys: tuple[str, ...], *, chained: bool
) -> Iterator[tuple[str, Mapping[str, Any], list[str]]]:
    """Each with its name and those it depends on, none before these. ``chained``: in a row, where they do not say."""
    done: list[str] = []
    waiting = []
    for index, item in enumerate(items):
        name = next(item[key] for key in keys if key in item)
        before = [next(items[index - 1][key] for key in keys if key in items[index - 1])] if chained and index else []
        after = item.get("dependsOn", before)
        waiting.append((name, item, [after] if isinstance(after, str) else list(after)))
    while waiting:
        ready = next((one for one in waiting if set(one[2]) <= set(done)), None)
        if ready is None:
            raise Unknown(f"'{waiting[0][0]}' depends on {waiting[0][2]}, which there is not or which depends on it")
        waiting.remove(ready)
        done.append(ready[0])
        yield ready


def steps_of(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "deployment" not in job:
        return list(job["steps"])
    if set(job["strategy"]) != {"runOnce"} or set(job["strategy"]["runOnce"]) != {"deploy"}:
        raise Unknown(f"the strategy of deployment '{job['deployment']}' is not known to the expander")
    return list(job["strategy"]["runOnce"]["deploy"]["steps"])


def _resolved(stage: str, job: str, declared: Mapping[str, Any], condition: str, variables: Mapping[str, str]) -> Step:
    kind = next((kind for kind in STEPS if kind in declared), None)
    if kind is None:
        raise Unknown(f"a step with {sorted(declared)} is not known to the expander")
    _known(declared, OF_A_STEP | {kind})
    given = {name.lower(): value for name, value in variables.items()}

    def resolve(value: Any) -> str:
        def one(found: re.Match[str]) -> str:
            if found[1].lower() not in given:
                raise Unknown(f"'{value}' reads $({found[1]}), which no variable is called")
            return given[found[1].lower()]

        return MACRO.sub(one, text(value))

    return Step(
        stage,
        job,
        kind,
        resolve(declared[kind]),
        resolve(declared.get("displayName", "")),
        {name: resolve(value) for name, value in declared.get("inputs", {}).items()},
        {name: resolve(value) for name, value in declared.get("env", {}).items()},
        condition,
        {
            key: value
            for key, value in declared.items()
            if key not in (kind, "displayName", "inputs", "env", "condition")
        },
        dict(variables),
    )


def _told(ended: Ended) -> Mapping[str, Any]:
    """What an expression reads of it; an output that was not set is empty."""
    return {"result": ended.result, "outputs": _Outputs(ended.outputs)}


class _Outputs(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def _worst(results: list[str]) -> str:
    for result in (CANCELED, FAILED, ISSUES, SUCCEEDED):
        if result in results:
            return result
    return SKIPPED if results else SUCCEEDED


def _known(item: Mapping[str, Any], keys: set[str]) -> None:
    for key in item:
        if key not in keys:
            raise Unknown(f"'{key}' is not known to the expander")

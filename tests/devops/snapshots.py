"""The steps that each push, pull request and schedule leads to, as text. ``python -m tests.devops.snapshots`` writes them anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.devops.expander import Used, expand
from tests.devops.run import Ended, Run, Step

PIPELINES = Path(__file__).parents[2] / "devops_pipelines"
SNAPSHOTS = Path(__file__).with_name("snapshots")

# https://learn.microsoft.com/azure/devops/pipelines/build/variables
PREDEFINED = {
    "Agent.OS": "Linux",
    "Build.SourceBranch": "refs/heads/development",
    "Build.Reason": "IndividualCI",
    "Pipeline.Workspace": "/agent/1",
    "System.AccessToken": "***",
    "System.DefinitionId": "7",
    "System.TeamProject": "iris",
}
PULL_REQUEST: dict[str, str] = {"Build.SourceBranch": "refs/pull/1/merge", "Build.Reason": "PullRequest"}
SCHEDULE = {"Build.SourceBranch": "refs/heads/master", "Build.Reason": "Schedule"}
COMPLETED = "ResourceTrigger"

# snapshot -> pipeline, predefined variables, parameters
RUNS: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {
    "ci-feature": ("training-pipeline-ci", {"Build.SourceBranch": "refs/heads/feature/petals"}, {}),
    "ci-pre-development": ("training-pipeline-ci", {"Build.SourceBranch": "refs/heads/pre-development"}, {}),
    "ci-development": ("training-pipeline-ci", {}, {}),
    "ci-master": ("training-pipeline-ci", {"Build.SourceBranch": "refs/heads/master"}, {}),
    "ci-pull-request": ("training-pipeline-ci", PULL_REQUEST, {}),
    "infrastructure-development": ("infrastructure-cd", {"Build.Reason": COMPLETED}, {}),
    "infrastructure-master": (
        "infrastructure-cd",
        {"Build.SourceBranch": "refs/heads/master", "Build.Reason": "Manual"},
        {"allow_replace": "trainer"},
    ),
    "infrastructure-pre-development": ("infrastructure-cd", {"Build.SourceBranch": "refs/heads/pre-development"}, {}),
    "drift-schedule": ("infrastructure-drift", SCHEDULE, {}),
    "drift-feature": ("infrastructure-drift", {"Build.SourceBranch": "refs/heads/feature/petals"}, {}),
    "cd-development": ("training-pipeline-cd", {"Build.Reason": COMPLETED}, {}),
    "cd-master": ("training-pipeline-cd", {"Build.SourceBranch": "refs/heads/master", "Build.Reason": COMPLETED}, {}),
    "cd-cancelled": ("training-pipeline-cd", {"Build.Reason": COMPLETED}, {}),  # by somebody, while it publishes
    "cd-pull-request": ("training-pipeline-cd", PULL_REQUEST, {}),
    "rollback": ("rollback", {"Build.Reason": "Manual"}, {}),
    "rollback-dev-to": ("rollback", {"Build.Reason": "Manual"}, {"stack": "dev", "release": "v-1f2e3d"}),
}


def expanded(name: str) -> tuple[dict[str, Any], Used]:
    pipeline, predefined, parameters = RUNS[name]
    return expand(PIPELINES / f"{pipeline}.yaml", PREDEFINED | predefined, parameters)


def steps(name: str) -> tuple[str, dict[str, Any], list[Step]]:
    """The run's result when every step does well, its document, and the steps."""
    document, _ = expanded(name)
    found: list[Step] = []

    def execute(step: Step) -> Ended:
        found.append(step)
        run.cancelled = name == "cd-cancelled" and "aml publish" in step.inputs.get("inlineScript", "") or run.cancelled
        return Ended(outputs={"found": "true"} if "isOutput" in step.what else {})

    run = Run(document, PREDEFINED | RUNS[name][1], execute)
    return run(), document, found


def written(name: str) -> str:
    pipeline, predefined, parameters = RUNS[name]
    _, document, found = steps(name)
    stages = {stage["stage"]: stage for stage in document["stages"]}
    jobs = {job.get("job", job.get("deployment")): job for stage in document["stages"] for job in stage["jobs"]}
    lines = [
        f"{pipeline}.yaml on {(PREDEFINED | predefined)['Build.SourceBranch']}, {(PREDEFINED | predefined)['Build.Reason']}"
    ]
    lines += _values(parameters)
    lines += ["variables", *_values(document["variables"])] if document["variables"] else []
    before: tuple[str, str] = ("", "")
    for step in found:
        if (step.stage, step.job) != before:
            environment = jobs[step.job].get("environment")
            lines += [
                "",
                f"stage {step.stage}, job {step.job}" + (f", environment {environment}" if environment else ""),
            ]
            lines += [*_values(stages[step.stage].get("variables", {})), *_values(jobs[step.job].get("variables", {}))]
            before = (step.stage, step.job)
        lines += _lines(step)
    return "\n".join(lines) + "\n"


def _values(variables: Mapping[str, str]) -> Iterator[str]:
    yield from (f"  {name}: {value}".rstrip() for name, value in variables.items())


def _lines(step: Step) -> Iterator[str]:
    first, *rest = step.what.strip().splitlines()
    yield f"- {step.kind} {first}"
    yield from (f"  {line}" for line in rest)
    said = {**step.inputs, **{f"${key}": value for key, value in step.env.items()}, **step.more}
    if step.condition != "succeeded()":
        said["condition"] = step.condition
    yield from (f"    {key}: {value}" for key, value in said.items() if value not in ("False", False))


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for old in SNAPSHOTS.glob("*.txt"):
        old.unlink()
    for each in RUNS:
        (SNAPSHOTS / f"{each}.txt").write_text(written(each), "utf-8")

"""The pipelines, checked without Azure DevOps: well formed, valid, and exactly these steps on exactly these branches."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from runner.main import COMMANDS
from runner.settings import NAMES
from tests.devops import snapshots
from tests.devops.expander import Used
from tests.devops.run import Step

ROOT = snapshots.PIPELINES.parent
WORKFLOWS = ROOT / ".github" / "workflows"
BIN = Path(sys.executable).parent
STACKS = ("dev", "prod")
READ_BY_PULUMI = {"PULUMI_BACKEND_URL"}  # of the environment, in which Azure Pipelines puts every variable
STEPS = {name: snapshots.steps(name)[2] for name in snapshots.RUNS}


def scripts(step: Step) -> str:
    return step.inputs.get("inlineScript", "") if step.kind == "task" else step.what if step.kind == "bash" else ""


def everything_used() -> Used:
    whole = Used()
    for name in snapshots.RUNS:
        _, used = snapshots.expanded(name)
        for part in vars(whole):
            getattr(whole, part).update(getattr(used, part))
    return whole


def test_the_yaml_is_tidy() -> None:
    said = subprocess.run(
        [BIN / "yamllint", "--strict", "devops_pipelines", ".github"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout


def test_the_shell_scripts_are_sound(tmp_path: Path) -> None:
    said = subprocess.run(
        [BIN / "shellcheck", "scripts/setup", "scripts/lock", ".ci/run"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout
    inline = "\n".join(sorted({scripts(step) for steps in STEPS.values() for step in steps} - {""}))
    (tmp_path / "inline").write_text(f"#!/bin/bash\n{inline}")
    # SC2317: behind the exit of one script stands the next
    said = subprocess.run([BIN / "shellcheck", "--exclude=SC2317", tmp_path / "inline"], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_what_azure_runs_is_valid_by_its_schema(tmp_path: Path) -> None:
    """The schema is one of documents without expressions, and of scalars as Azure reads them: as text."""

    def read(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: read(one) for key, one in value.items()}
        if isinstance(value, list):
            return [read(one) for one in value]
        # The schema names this version, and has the inputs of the one before only, which are a superset.
        text = str(value).replace("PublishCodeCoverageResults@2", "PublishCodeCoverageResults@1")
        return value if isinstance(value, bool) else text

    # The stages are what differs, and not on every branch: each document once.
    texts = {yaml.safe_dump(read(snapshots.expanded(name)[0]["stages"])): name for name in snapshots.RUNS}
    files = []
    for name in texts.values():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(read(snapshots.expanded(name)[0])))
    assert valid("azure-pipelines", files) == ""
    wrong = tmp_path / "cd-pull-request.yaml"
    assert wrong in files
    wrong.write_text(wrong.read_text().replace("checkout", "chekout"))
    assert "chekout" in valid("azure-pipelines", [wrong])


def test_the_workflows_of_github_are_valid_by_its_schema() -> None:
    assert valid("github-workflows", list(WORKFLOWS.glob("*.yml"))) == ""
    assert valid("github-actions", list(WORKFLOWS.parent.glob("actions/*/action.yml"))) == ""


def test_the_workflows_of_github_are_clean_by_actionlint(tmp_path: Path) -> None:
    """actionlint is the one on PATH, else built from its Go module: once for this user, in seconds. It asks shellcheck, too."""
    found, go = shutil.which("actionlint"), shutil.which("go")
    if not found and not go:
        pytest.skip("no 'actionlint' on PATH, and no 'go' to build it with: https://go.dev/dl/")
    program = [found] if found else [str(go), "-C", str(ROOT / "requirements" / "actionlint"), "tool", "actionlint"]

    def lint(*files: Path) -> str:
        said = subprocess.run(
            [*program, "-no-color", "-shellcheck", BIN / "shellcheck", "-pyflakes", "", *files],
            capture_output=True,
            text=True,
        )
        assert said.returncode in (0, 1), said.stderr
        return said.stdout

    assert lint(*WORKFLOWS.glob("*.yml")) == ""
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(
        "{on: push, jobs: {a: {runs-on: ubuntu-24.04, steps: [{run: 'cd $X'}, {run: 'echo ${{ inputs.nobody }}'}]}}}"
    )
    said = lint(workflow)
    assert "SC2086" in said and '"nobody" is not defined' in said, said


def valid(schema: str, files: list[Path]) -> str:
    """What check-jsonschema says against them. Some of the schemas' patterns are none in its own dialect of them."""
    options = ("--regex-variant", "python", "--builtin-schema", f"vendor.{schema}")
    said = subprocess.run([BIN / "check-jsonschema", *options, *files], capture_output=True, text=True)
    return said.stdout if said.returncode else ""


@pytest.mark.parametrize("name", snapshots.RUNS)
def test_a_branch_and_a_reason_lead_to_exactly_these_steps(name: str) -> None:
    """A change is meant: python -m tests.devops.snapshots."""
    assert snapshots.written(name) == (snapshots.SNAPSHOTS / f"{name}.txt").read_text("utf-8")


def test_there_is_no_snapshot_of_nothing() -> None:
    assert {file.stem for file in snapshots.SNAPSHOTS.iterdir()} == set(snapshots.RUNS)


def test_every_variable_stands_in_each_variable_file_and_is_used() -> None:
    read = {stack: yaml.safe_load((ROOT / f"devops_pipelines/variables/{stack}.yaml").read_text()) for stack in STACKS}
    names = {stack: list(read[stack]["variables"]) for stack in STACKS}
    assert names["dev"] == names["prod"] and set(NAMES) <= set(names["dev"])
    used = {name for name in everything_used().variables if name not in snapshots.PREDEFINED}
    assert set(names["dev"]) == used | READ_BY_PULUMI
    assert all(read[stack]["variables"]["STACK"] == stack for stack in STACKS)


def test_every_parameter_and_every_file_is_used() -> None:
    used = everything_used()
    assert used.declared == used.parameters
    files = {file.relative_to(snapshots.PIPELINES).as_posix() for file in snapshots.PIPELINES.rglob("*.yaml")}
    assert files == used.files


@pytest.mark.parametrize("name", snapshots.RUNS)
def test_a_script_is_a_line_that_a_person_could_type(name: str) -> None:
    for step in STEPS[name]:
        assert len(scripts(step).strip().splitlines()) <= 3, step.what
        # what somebody else names (a branch, a parameter) reaches a shell as a variable, never as part of its text
        assert not re.search(r"refs/heads/|petals|v-1f2e3d|trainer", scripts(step)), scripts(step)


def test_runs_are_pinned_and_only_what_can_be_repeated_is_tried_again() -> None:
    assert {str(snapshots.expanded(name)[0]["pool"]) for name in STEPS} == {"{'vmImage': 'ubuntu-24.04'}"}
    again = {step.what for steps in STEPS.values() for step in steps if "retryCountOnTaskFailure" in step.more}
    assert again == {"scripts/setup demo", "scripts/setup test"}
    for file in WORKFLOWS.glob("*.yml"):
        jobs = yaml.safe_load(file.read_text())["jobs"].values()
        assert all(
            job.get("runs-on", "ubuntu-24.04") == "ubuntu-24.04" and "timeout-minutes" in job or "uses" in job
            for job in jobs
        )
        scripts = [step.get("run", "") for job in jobs for step in job.get("steps", ())]
        assert all(len(script.strip().splitlines()) <= 3 for script in scripts), scripts


def test_every_command_is_one_that_there_is() -> None:
    """Parsed by the command's own options; a file that a step before makes is not there."""
    commands = set(commands_of_azure()) | set(commands_of_github())
    assert {words[0] for words in commands} >= {"aml", "make", "pytest", "scripts/setup", "python"}
    for program, *rest in commands:
        if program == "make":
            assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.M), rest
        elif "/" in program or program == "python":
            assert (ROOT / (rest[0] if program == "python" else program)).is_file(), (program, rest)
        elif program == "aml":
            command = import_module(COMMANDS[rest.pop(0)][0]).command
            while isinstance(command, click.Group):
                command = command.commands[rest.pop(0)]
            try:
                command.make_context("aml", rest)
            except click.BadParameter as error:
                assert "does not exist" in error.message, (rest, error.message)


def test_github_runs_the_same_commands() -> None:
    def names(commands: Iterator[tuple[str, ...]]) -> set[tuple[str, ...]]:
        return {words[:3] if words[:2] in (("aml", "infra"), ("aml", "jobs")) else words[:2] for words in commands}

    only_azure = {("aml", "rollback"), ("aml", "releases"), ("aml", "infra", "drift")}
    only_azure |= {("python", "devops_pipelines/comment.py"), ("scripts/setup", "demo"), ("scripts/setup", "test")}
    only_github = {("scripts/setup", "$KIND"), ("run=$(gh", "run"), ("gh", "run")}
    assert names(commands_of_azure()) - only_azure == names(commands_of_github()) - only_github


def commands_of_azure() -> Iterator[tuple[str, ...]]:
    for steps in STEPS.values():
        for step in steps:
            yield from commands_of(scripts(step))


def commands_of_github() -> Iterator[tuple[str, ...]]:
    for file in (*WORKFLOWS.glob("*.yml"), *WORKFLOWS.parent.glob("actions/*/action.yml")):
        document = yaml.safe_load(file.read_text())
        for part in (*document.get("jobs", {}).values(), document.get("runs", {})):
            for step in part.get("steps", []):
                yield from commands_of(step.get("run", ""))


def commands_of(script: str) -> Iterator[tuple[str, ...]]:
    """Its lines as words, without what the shell itself does: redirections, echo, cat, grep, exit."""
    for line in script.strip().splitlines():
        words = shlex.split(line.split(" > ")[0])
        if words[0] not in ("echo", "cat", "grep", "exit"):
            yield tuple(words)


def test_only_master_reaches_prod_and_a_pull_request_never_does() -> None:
    connections = {
        name: {step.inputs.get("azureSubscription") for step in steps} - {None} for name, steps in STEPS.items()
    }
    prod = {name for name, found in connections.items() if "azure-ml-prod" in found}
    # A rollback is started by a person, who chooses.
    assert prod == {"infrastructure-master", "cd-master", "drift-schedule", "rollback"}
    assert connections["ci-pull-request"] == {"azure-ml-dev"}
    assert not any(connections[name] for name in connections if name.startswith("ci-") and name != "ci-pull-request")


@pytest.mark.parametrize("name", ["infrastructure-pre-development", "drift-feature", "cd-pull-request"])
def test_a_branch_without_a_stack_is_refused_by_its_name(name: str) -> None:
    _, refusing = STEPS[name]
    branch = "refs/heads/`id`"
    said = subprocess.run(
        ["bash", "-c", refusing.what], env={"BUILD_SOURCEBRANCH": branch}, capture_output=True, text=True
    )
    assert said.returncode == 1 and f"Branch '{branch}' has no stack" in said.stdout


def test_prod_gets_the_release_of_dev_and_builds_nothing() -> None:
    commands = [scripts(step) for step in STEPS["cd-master"] if "aml publish" in scripts(step)]
    assert commands == ["aml publish --manifest promoted/release.json > release.json"]
    assert [scripts(step) for step in STEPS["cd-development"] if "aml publish" in scripts(step)] == [
        "aml publish > release.json"
    ]

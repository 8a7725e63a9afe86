"""A project in Azure DevOps, set up: everything that the pipelines need is made, once, and nothing in a dry run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.devops.snapshots import PIPELINES

EMPTY: dict[str, Any] = {
    "repositories": [{"id": "repository-id", "name": "iris"}],
    "refs": [{"name": "refs/heads/master", "objectId": "c0ffee"}],
    **{kind: [] for kind in ("endpoints", "environments", "checks", "pipelines", "policies")},
    "permissions": {},
}
WORDS = ["--organization", "https://dev.azure.com/org", "--project", "iris", "--tenant", "t", "--approver", "group"]
STACKS = ["--client", "dev=a", "--client", "prod=b", "--subscription", "dev=s", "--subscription", "prod=s"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "az").symlink_to(Path(__file__).with_name("az.py"))
    (tmp_path / "project.json").write_text(json.dumps(EMPTY))
    return tmp_path / "project.json"


def set_up(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(project.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, PIPELINES / "setup_project.py", *WORDS, *words]
    return subprocess.run(command, env={"PATH": path, "AZ_PROJECT": str(project)}, capture_output=True, text=True)


def test_everything_is_made_once_and_nothing_in_a_dry_run(project: Path) -> None:
    tried = set_up(project, *STACKS, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert json.loads(project.read_text()) == EMPTY
    made = set_up(project, *STACKS)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.splitlines()) == len(tried.stdout.splitlines()), "a dry run says what would be done"
    assert "sc://org/project/azure-ml-dev" in made.stdout
    now = json.loads(project.read_text())
    assert {one["name"] for one in now["pipelines"]} == {file.stem for file in PIPELINES.glob("*.yaml")}
    assert {one["name"] for one in now["refs"]} == {
        f"refs/heads/{name}" for name in ("pre-development", "development", "master")
    }
    assert (
        [one["name"] for one in now["endpoints"]]
        == [one["name"] for one in now["environments"]]
        == ["azure-ml-dev", "azure-ml-prod"]
    )
    checks = [(one["resource"]["id"], one["type"]["name"]) for one in now["checks"]]
    assert checks == [
        ("environments-0", "ExclusiveLock"),
        ("endpoints-1", "Task Check"),
        *(("environments-1", name) for name in ("ExclusiveLock", "Task Check", "Approval")),
    ]
    names = {one["id"]: one["name"] for one in now["pipelines"]}
    permitted = {to: {names[one["id"]] for one in users} for to, users in now["permissions"].items()}
    assert permitted["endpoint endpoints-0"] == set(names.values())
    assert permitted["endpoint endpoints-1"] == set(names.values()) - {"training-pipeline-ci"}
    deploying = {"infrastructure-cd", "training-pipeline-cd", "rollback"}
    assert permitted["environment environments-0"] == permitted["environment environments-1"] == deploying
    assert {(one["branch"], one["type"]["displayName"]) for one in now["policies"]} == {
        (branch, policy) for branch in ("development", "master") for policy in ("Build", "Minimum number of reviewers")
    }
    again = set_up(project, *STACKS)
    assert (again.returncode, again.stdout) == (0, "") and json.loads(project.read_text()) == now


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"repositories": []}, STACKS, "has no repository 'iris'"),
        ({"refs": []}, STACKS, "has no branch 'master'"),
        ({}, STACKS[:-2], "--subscription prod=ID"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_made(
    change: dict[str, Any], words: list[str], said: str, project: Path
) -> None:
    project.write_text(json.dumps(EMPTY | change))
    ended = set_up(project, *words)
    assert ended.returncode != 0 and said in ended.stderr and "Traceback" not in ended.stderr
    assert json.loads(project.read_text()) == EMPTY | change

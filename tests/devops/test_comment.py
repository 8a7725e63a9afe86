"""The plan as a comment of a pull request, against a server that answers as Azure DevOps does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devops.conftest import DevOps

SCRIPT = Path(__file__).parents[2] / "devops_pipelines" / "comment.py"


def commented(devops: DevOps, file: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    predefined = {name.upper().replace(".", "_"): value for name, value in devops.variables.items()}
    variables = {**predefined, "SYSTEM_ACCESSTOKEN": "job", "PATH": os.environ["PATH"]}
    return subprocess.run([sys.executable, SCRIPT, file], env=variables | changed, capture_output=True, text=True)


def test_the_plan_is_one_comment_however_often_it_is_built(devops: DevOps, tmp_path: Path) -> None:
    plan = tmp_path / "plan.md"
    for text, said in (
        ("### Plan\nünïcode", "wrote comment 5 of"),
        ("### Another", "wrote comment 5 of pull request 12 anew"),
    ):
        plan.write_text(text, "utf-8")
        ended = commented(devops, plan)
        assert ended.returncode == 0 and said in ended.stdout, ended.stderr
        assert len(devops.threads) == 3
        assert devops.threads[-1]["comments"][0]["content"] == f"<!-- plan.md -->\n{text}"
    assert devops.threads[-1]["status"] == "closed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "there is nothing in a file"),
        ({"SYSTEM_ACCESSTOKEN": "bad"}, "Contribute to pull requests"),
        ({"SYSTEM_ACCESSTOKEN": ""}, "SYSTEM_ACCESSTOKEN not set"),
        ({"SYSTEM_PULLREQUEST_PULLREQUESTID": ""}, "SYSTEM_PULLREQUEST_PULLREQUESTID not set"),
    ],
)
def test_what_hinders_a_comment_is_named(changed: dict[str, str], said: str, devops: DevOps, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("" if not changed else "x")
    ended = commented(devops, tmp_path / "plan.md", **changed)
    assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr
    assert len(devops.threads) == 2

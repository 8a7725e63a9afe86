"""The runner's commands, called as people call them, with the settings of a workspace of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner import settings
from runner.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command line ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Aml:
    """``aml("jobs", "list")`` in this process; ``aml.program`` is the installed one."""

    program = Path(sys.executable).with_name("aml")

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str | Path) -> Said:
        self._capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return Said(code, out, err)

    def start(self, *args: str, **kwargs: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.program), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs
        )


@pytest.fixture
def aml(capsys: pytest.CaptureFixture[str]) -> Aml:
    return Aml(capsys)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting in the process."""
    for name in settings.NAMES:
        monkeypatch.delenv(name, raising=False)
    yield


def put(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def place(workspace: Any, unset: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The settings of a workspace of the test's own, in the process; its default blob store is the datastore."""
    values = {
        settings.SUBSCRIPTION: workspace.subscription_id,
        settings.GROUP: workspace.resource_group_name,
        settings.WORKSPACE: workspace.workspace_name,
        settings.COMPUTE: "cpu-cluster",
        settings.EXPERIMENT: "trial",
        settings.DATASTORE: "workspaceblobstore",
        settings.ENDPOINT: "trial-batch",
        settings.ENVIRONMENT: "trial-environment",
        settings.ENVIRONMENT_VERSION: "1",
    }
    put(monkeypatch, values)
    monkeypatch.chdir(tmp_path)
    return values

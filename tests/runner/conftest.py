"""The runner's commands, called as people call them, with the settings of a workspace of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner import settings
from runner.main import main
from tests.conftest import Arm

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
def place(arm: Arm, group: str, unset: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The settings of a workspace of the test's own, in the process; its default blob store is the datastore."""
    suffix = uuid.uuid4().hex[:10]
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{suffix}"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv-{suffix}"
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw-{suffix}"
    tenant = {
        "tenantId": os.environ["AZURE_TENANT_ID"],
        "sku": {"family": "A", "name": "standard"},
        "accessPolicies": [],
    }
    made(arm, account, {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}})
    made(arm, vault, {"properties": tenant})
    bound = {"storageAccount": account, "keyVault": vault}
    made(arm, workspace, {"identity": {"type": "SystemAssigned"}, "properties": bound})
    values = {
        settings.SUBSCRIPTION: arm.subscription,
        settings.GROUP: group.rpartition("/")[2],
        settings.WORKSPACE: f"mlw-{suffix}",
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


def made(arm: Arm, id: str, body: Mapping[str, Any]) -> None:
    """A resource, PUT and waited for."""
    answer = arm.put(id, {"location": "westeurope", **body})
    assert answer.status_code in (200, 201, 202), answer.text
    deadline = time.monotonic() + 30
    while arm.get(id).json().get("properties", {}).get("provisioningState") != "Succeeded":
        assert time.monotonic() < deadline, f"{id} is not made: {arm.get(id).text}"

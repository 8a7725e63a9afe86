"""``aml infra plan``, ``apply`` and ``drift`` with the real engine, on a small program of this test's own."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator import Emulator
from infra import engine, stackfile
from infra.errors import EngineError
from tests.conftest import Arm
from tests.runner.conftest import Aml

pytestmark = [pytest.mark.engine, pytest.mark.slow]
HOST = Path(__file__).parents[1] / "engine" / "bin"  # the language host, where the vendor's is not there
PROGRAM = """
import pulumi
from pulumi_azure_native import resources, storage

config = pulumi.Config()
group = resources.ResourceGroup("group", resource_group_name=config.require("group"), location="westeurope")
storage.StorageAccount(
    "account",
    account_name=config.require("account"),
    resource_group_name=group.name,
    location="westeurope",
    kind=config.get("kind") or "StorageV2",
    sku=storage.SkuArgs(name="Standard_LRS"),
    tags={"owner": config.get("owner") or "nobody"},
)
"""


# What the engine leaves in its backend for as long as it is at work.
LOCK = '{"pid": 1, "username": "somebody", "hostname": "elsewhere", "timestamp": "2026-11-27T12:00:00Z"}'


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder, word = folder, uuid.uuid4().hex[:10]
        self.config = {"aml:group": f"g-{word}", "aml:account": f"st{word}"}
        (folder / "program").mkdir()
        (folder / "stacks").mkdir()
        (folder / "program" / "__main__.py").write_text(PROGRAM)
        content = {"name": "aml", "runtime": "python", "main": str(folder / "program"), "stackConfigDir": "stacks"}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(content))
        self.set()

    def set(self, **values: str) -> None:
        self.config |= {f"aml:{key}": value for key, value in values.items()}
        (self.folder / "stacks" / "Pulumi.test.yaml").write_text(yaml.safe_dump({"config": self.config}))

    def account(self, arm: Arm) -> str:
        group = f"/subscriptions/{arm.subscription}/resourceGroups/{self.config['aml:group']}"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{self.config['aml:account']}"


@pytest.fixture
def project(azure: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    try:
        program = engine.find()
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} Next: {error.next}")
        pytest.skip(f"{error} Next: {error.next}")
    path = [str(program.path.parent), os.environ["PATH"]]
    if not shutil.which("pulumi-language-python", path=os.pathsep.join(path)):
        path.insert(0, str(HOST))
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("AML_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def test_what_was_reviewed_is_applied_or_nothing(aml: Aml, project: Project, arm: Arm, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")

    def planned(*more: str) -> Any:
        said = aml("infra", "plan", "--stack", "test", "--out", file, *more)
        assert said.code == 0, said.err
        return said

    def refused(words: str) -> None:
        said = aml("infra", "apply", "--plan", file)
        assert said.code == 1 and words in said.err, said.err
        assert arm.get(project.account(arm)).json()["tags"] == tags

    doctor = {one["check"]: (one["level"], one["text"]) for one in aml("doctor", "--stack", "test", "--json").json}
    assert doctor["settings"] == ("ok", "The stack 'test' has no outputs: it was never applied.")
    said = planned()
    assert "account (StorageAccount)" in said.out and "stack test: 2 create" in said.err
    assert arm.get(project.account(arm)).status_code == 404  # a plan changes nothing
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert aml("infra", "apply", "--plan", file).code == 0
    tags = {"owner": "nobody"}
    refused("The stack 'test' was updated since the plan was made.")

    project.set(owner="me")
    assert "tags.owner" in planned("--markdown").out
    tags = {"owner": "nobody", "more": "x"}
    assert arm.patch(project.account(arm), {"tags": tags}).status_code == 200
    drift = aml("infra", "drift", "--stack", "test", "--json")
    (found,) = drift.json
    assert drift.code == 1 and found["properties"] == [{"path": "tags.more", "old": "", "new": "x", "replaces": False}]
    refused("Azure is not what it was when the plan was made")
    project.set(owner="you")
    refused("The plan was made of other code")
    assert "changed by hand" in planned().out
    (locks,) = (tmp_path / "home").glob("pulumi/.pulumi/locks/organization/aml/test")
    (locks / "theirs.json").write_text(LOCK)
    locked = aml("infra", "apply", "--plan", file)
    assert locked.code == 2 and "error: Another update of stack 'test' is at work" in locked.err, locked.err
    assert arm.get(project.account(arm)).json()["tags"] == tags
    (locks / "theirs.json").unlink()
    assert aml("infra", "apply", "--plan", file).code == 0
    assert arm.get(project.account(arm)).json()["tags"]["owner"] == "you"


def test_what_is_no_plan_is_refused_by_name(aml: Aml, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    said = aml("infra", "apply", "--plan", tmp_path / "x.json")
    assert said.code == 1 and "x.json' is not a plan" in said.err and "aml infra plan --stack NAME --out" in said.err

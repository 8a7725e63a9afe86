"""The pipelines that change something, run step by step: dev and prod side by side in the emulator, by the real engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

from emulator import Emulator
from infra import engine
from tests.devops import conftest
from tests.devops.agent import Agent
from tests.runner.conftest import PIPELINE

ROOT = Path(__file__).parents[2]
COPIED = (
    "Makefile",
    "requirements",
    "Pulumi.yaml",
    "pyproject.toml",
    "scripts",
    "devops_pipelines",
    "emulator",
    "infra",
    "policies",
    "runner",
)


@pytest.fixture
def agent(
    azure: Emulator,
    agent: conftest.Agent,
    program: engine.Program,
    language_host: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Agent:
    """With a project of its own name, the smallest pipeline in the place of the iris, and two stacks that were never applied."""
    sources, word = tmp_path / "s", f"t{uuid.uuid4().hex[:7]}"
    sources.mkdir()
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, sources / name)
    # What is installed is this checkout's, and stays as it is: scripts/setup has tests of its own.
    (sources / ".venv").symlink_to(ROOT / ".venv")
    (sources / "scripts" / "setup").write_text("#!/bin/sh\n")
    shutil.copytree(ROOT / "jobs" / "batch_single_step", sources / "jobs" / "batch_single_step")
    for name, text in PIPELINE.items():
        (sources / "jobs/pipeline_two_step" / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / "jobs/pipeline_two_step" / name).write_text(text.replace("workspaceblobstore", "flatfilestorage"))
    content = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    (sources / "Pulumi.yaml").write_text(yaml.safe_dump({**content, "name": word, "main": "infra"}))
    own = str(ROOT / ".venv" / "bin")  # an agent has only what its steps put on PATH
    monkeypatch.setenv("PATH", os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != own))
    monkeypatch.setenv("PYTHONPATH", str(sources))  # there the package is installed from another checkout
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of this test")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    backend = tmp_path / "backend"
    backend.mkdir()
    connections = {}
    for stack in ("dev", "prod"):
        config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
        own = {re.sub("^aml:", f"{word}:", key): value for key, value in config.items()}
        (sources / "stacks").mkdir(exist_ok=True)
        (sources / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": own}))
        variables = sources / "devops_pipelines/variables" / f"{stack}.yaml"
        variables.write_text(
            variables.read_text().replace("PULUMI_BACKEND_URL: ''", f"PULUMI_BACKEND_URL: file://{backend}")
        )
        connections[f"azure-ml-{stack}"] = {
            "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "connection",
            "AZURESUBSCRIPTION_CLIENT_ID": azure.settings.client_id,
            "AZURESUBSCRIPTION_TENANT_ID": azure.settings.tenant,
            "SYSTEM_OIDCREQUESTURI": f"http://127.0.0.1:{agent.server_port}/oidc",
        }
        words = [program.path, "stack", "init", stack, "--non-interactive"]
        made = subprocess.run(
            words,
            cwd=sources,
            env={**os.environ, "PULUMI_BACKEND_URL": f"file://{backend}"},
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
    az = {name: value for name, value in azure.environment().items() if name.startswith("AZURE_")}
    return Agent(sources, tmp_path / "w", connections, az)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dev_serves_what_it_tried_and_then_prod_does(agent: Agent) -> None:
    manifests = {}
    for stack, branch in (("dev", "development"), ("prod", "master")):
        assert agent.run("infrastructure-cd", branch) == "Succeeded", agent.said
        assert f"stack {stack}: applied as planned" in agent.said
        agent.typed(f"aml settings --stack {stack} --write-variables {stack}", stack)
        assert agent.run("training-pipeline-cd", branch) == "Succeeded", agent.said
        assert "service connection of Azure Pipelines" in agent.said and not agent.issues
        manifests[stack] = json.loads(agent.artifacts["training-pipeline-cd", branch, "release"].read_text())
    assert manifests["dev"]["component"]["version"] == manifests["prod"]["component"]["version"]
    assert agent.run("training-pipeline-cd", "pre-development") == "Failed"
    assert agent.issues[0].startswith("Branch 'refs/heads/pre-development' has no stack")

"""An emulator that dies: what its jobs ran dies with it, and the next start tells what became of each job."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import AmlCompute, Environment

from emulator import Emulator
from tests.conftest import Arm, new_workspace
from tests.emulator.jobs import IMAGE, details, ended, log_of
from tests.emulator.test_pipelines import children, pipeline, step
from tests.waiting import until


def running(mark: str) -> list[str]:
    found = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [line for line in found if mark in line]


def workspace(azure: Emulator) -> MLClient:
    client: MLClient = new_workspace(Arm(azure))
    client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))
    client.compute.begin_create_or_update(AmlCompute(name="one", size="Standard_DS3_v2", max_instances=1)).result()
    return client


def submit(client: MLClient, line: str) -> Any:
    return client.jobs.create_or_update(command(command=line, environment="plain:1", compute="one"))


@pytest.mark.parametrize("dies", ["killed", "stopped"])
def test_jobs_after_the_end_of_their_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    azure = Emulator(tmp_path / "home", port=0)
    found = azure.start(detached=True)
    try:
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        client, mark = workspace(azure), f"sleep 31{uuid.uuid4().int % 10000}"
        lost = submit(client, f"echo before; setsid {mark} & {mark}")
        # It has the node before the others ask for it: all wait for the same environment, and whoever is first takes it.
        until(lambda: log_of(client, lost) == "before\n" and len(running(mark)) >= 2)
        waiting = submit(client, "echo went on")
        made = {"o": {"type": "uri_folder"}}
        after = step("true", {"i": "${{parent.jobs.first.outputs.o}}"})
        cut = client.jobs.create_or_update(pipeline(tmp_path, {"first": step(f"{mark}", outputs=made), "after": after}))
        first = step("touch ${{outputs.o}}/x", outputs=made, compute="azureml:one")
        goes_on = client.jobs.create_or_update(pipeline(tmp_path, {"first": first, "after": after}))
        until(lambda: children(client, cut)["first"].status == "Running")
        until(lambda: children(client, goes_on)["first"].status == "Queued")
        if dies == "killed":
            os.kill(found.pid, signal.SIGKILL)
        else:
            azure.stop()
        until(lambda: not running(mark), 5)
        Emulator(tmp_path / "home", port=found.port).start(detached=True)
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        assert client.jobs.get(lost.name).status == "Failed", "What was lost is told before anything is answered."
        error = details(client, lost).error.error
        assert error.code == "ServiceError" and "The emulator ended while the job was Running" in error.message
        until(lambda: log_of(client, lost) == "before\n")
        assert log_of(client, ended(client, waiting)) == "went on\n"
        statuses = {name: one.status for name, one in children(client, ended(client, cut, "Failed")).items()}
        assert statuses == {"first": "Failed", "after": "Canceled"}
        assert "The emulator ended while the job was Running" in details(client, cut).error.error.message
        statuses = {name: one.status for name, one in children(client, ended(client, goes_on)).items()}
        assert statuses == {"first": "Completed", "after": "Completed"}
        until(lambda: not list((tmp_path / "home/runs").iterdir()))
    finally:
        azure.stop()

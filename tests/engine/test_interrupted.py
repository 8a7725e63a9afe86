"""Updates that are killed: what Azure was asked for is neither lost nor made twice, and the next update finishes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.identity import EnvironmentCredential

from emulator import Emulator
from infra import arm as client
from infra import recovery
from infra.errors import EngineError, PlanError
from tests.conftest import Arm
from tests.engine.conftest import Project
from tests.engine.test_plans import ALL
from tests.waiting import until

pytestmark = pytest.mark.engine
CHAIN = ("group", "account", "vault", "identity", "workspace")


def child(parent: int, program: str) -> int:
    """The process of that name which ``parent`` has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if started_by == parent and program in (folder / "cmdline").read_text():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError(f"{parent} has started no {program}.")


@contextmanager
def stopped(
    project: Project, azure: Emulator, method: str, path: str, there: Callable[[], bool] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """An ``up`` that Azure keeps waiting at a request, or from when something is ``there``; it goes on, if it can, when the block
    ends."""
    body = {"kind": "throttle", "path": path, "methods": [method], "times": 0, "seconds": 2}
    fault = azure.control("/_emulator/faults", method="POST", body=body)["id"]

    def faults() -> Any:
        return azure.control("/_emulator/faults")["value"]

    environment, pipes = dict(project.engine.environment), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = project.engine.command("up", "--yes", "--skip-preview")
    with subprocess.Popen(command, cwd=project.folder, env=environment, text=True, **pipes) as up:  # type: ignore[call-overload]
        reached = there or (lambda: any(one["id"] == fault and one["met"] for one in faults()))
        until(lambda: reached() or up.poll() is not None)
        assert up.poll() is None, up.communicate()
        yield up
        azure.control(f"/_emulator/faults?id={fault}", method="DELETE")
        said, _ = up.communicate(timeout=60)
        # Pulumi's own SDK may have a traceback, of a program whose engine is gone; the provider and the stack have none.
        assert up.returncode and not re.search(r'File ".*/infra/', said), said


def test_an_update_that_is_killed_is_finished_by_the_next(project: Project, azure: Emulator, arm: Arm) -> None:
    project.say(
        {name: {**ALL[name], **({"after": CHAIN[index - 1]} if index else {})} for index, name in enumerate(CHAIN)}
    )
    with stopped(project, azure, "PUT", f"/st{project.word}") as up:
        os.kill(child(up.pid, "pulumi-resource-azure-native"), signal.SIGKILL)
    with stopped(project, azure, "PUT", f"/kv-{project.word}") as up:  # what is being made is waited for, and kept
        os.kill(child(up.pid, "pulumi-language-python"), signal.SIGKILL)
    with stopped(project, azure, "PUT", f"/id-{project.word}") as up:
        up.send_signal(signal.SIGINT)
    state = project.state()
    assert {"account", "vault", "identity"} < state.keys()

    workspace = f"{state['group']['id']}/providers/Microsoft.MachineLearningServices/workspaces/mlw-{project.word}"

    def made() -> bool:
        return bool(arm.get(workspace).status_code == 200)

    with stopped(project, azure, "GET", "/operation", made) as up:  # by Azure, and the engine did not hear of it
        up.kill()
    with pytest.raises(EngineError, match="at work, or was killed") as locked:
        project.engine.run("up", "--yes", "--skip-preview")
    assert "aml infra recover --stack test" in str(locked.value.next)
    with pytest.raises(PlanError, match="was killed while it made workspace"):
        recovery.check(recovery.deployment(project.engine), "test")
    with client.Arm(EnvironmentCredential()) as asked:
        assert recovery.recover(project.engine, asked) == (recovery.Left("workspace", workspace, True),)
    assert project.state()["workspace"]["outputs"]["workspaceId"], "The program reads what Azure says of it."
    project.up()
    project.up("--refresh", "--expect-no-changes")

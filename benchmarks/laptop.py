"""A laptop for one benchmark: an emulator in a folder of its own, the local stack applied, the Iris file uploaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator import Emulator
from tests.conftest import Arm

ROOT = Path(__file__).parent.parent
AML = str(Path(sys.executable).with_name("aml"))
INPUT = "/iris_dataset.csv"


@dataclass(frozen=True)
class Laptop:
    """``environment`` is what any client needs to reach it; ``settings`` are the stack's outputs."""

    home: Path
    environment: dict[str, str]
    settings: dict[str, str]

    def aml(self, *arguments: str) -> str:
        """Run the command line, and return what it printed on stdout."""
        done = subprocess.run([AML, *arguments], env=self.environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"aml {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def experiment(self, *more: str) -> str:
        return self.aml(
            "experiment",
            "--stack",
            "local",
            "--input-data-path",
            INPUT,
            "--output-data-path",
            "/bench",
            "--json",
            *more,
        )


def workspace(azure: Emulator, name: str) -> str:
    """The id of a workspace that is made here, with what it needs, in a group of its name."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Workspace
    from azure.identity import EnvironmentCredential

    arm = Arm(azure)
    arm.put(f"/subscriptions/{arm.subscription}/resourceGroups/{name}", {"location": "westeurope"})
    client = MLClient(EnvironmentCredential(), arm.subscription, name, name)
    return str(client.workspaces.begin_create(Workspace(name=name, location="westeurope")).result().id)


@contextmanager
def laptop() -> Iterator[Laptop]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AML_LOCAL_HOME": str(Path(folder) / "home")}
        subprocess.run([AML, "local", "up"], env=environment, check=True, capture_output=True, cwd=ROOT)
        try:
            said = subprocess.run(
                [AML, "local", "env", "--shell", "json"], env=environment, check=True, capture_output=True
            )
            values: dict[str, str] = json.loads(said.stdout)
            it = Laptop(Path(environment["AML_LOCAL_HOME"]), {**environment, **values}, values)
            it.aml("data", "upload", str(ROOT / "jobs/data/iris_dataset.csv"), INPUT, "--stack", "local")
            yield it
        finally:
            subprocess.run([AML, "local", "down"], env=environment, check=True, capture_output=True, cwd=ROOT)

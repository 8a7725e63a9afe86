"""The real engine, its own backend for each test, and the session's emulator behind the provider."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator import Emulator
from infra import engine
from infra.errors import EngineError

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]


@pytest.fixture(scope="session")
def program() -> engine.Program:
    """The engine; without one these tests fail where all must run, and are skipped elsewhere."""
    try:
        return engine.find()
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} Next: {error.next}")
        pytest.skip(f"{error} Next: {error.next}")


@dataclass
class Project:
    """A project of this test's own, by a name that nobody else has, its state beside it."""

    folder: Path
    engine: engine.Engine
    word: str

    def say(self, resources: Mapping[str, Any]) -> None:
        """What the small program declares from now on; ``@`` is ``word``, for names that are shared with all of Azure."""
        text = yaml.safe_dump(dict(resources), sort_keys=False).replace("@", self.word)
        (self.folder / "program" / "resources.yaml").write_text(text)

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """``pulumi ARGUMENTS``; all that it said."""
        ended = subprocess.run(
            self.engine.command(*arguments),
            cwd=self.folder,
            env=dict(self.engine.environment),
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = f"{ended.stdout}\n{ended.stderr}"
        assert (ended.returncode != 0) == fails, said
        assert "Traceback" not in said, said
        return said

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def plan(self, *arguments: str) -> dict[str, tuple[str, dict[str, str]]]:
        """What ``preview`` would do: by resource, the operation, and the kind of change by property. Of a replacement the one
        step that says so; what stays is left out."""
        said = self.pulumi("preview", "--json", *arguments)
        steps = json.loads(said[said.index("{") : said.rindex("}") + 1]).get("steps", [])
        return {
            step["urn"].rpartition("::")[2]: (
                step["op"],
                {path: change["kind"] for path, change in (step.get("detailedDiff") or {}).items()},
            )
            for step in steps
            if step["op"] not in ("same", "create-replacement", "delete-replaced", "read", "refresh")
        }

    def state(self, *, whole: bool = False) -> dict[str, dict[str, Any]]:
        """The state's resources, by name; ``whole``: by URN, since a name is its type's alone, and with the secrets in plain."""
        said = self.pulumi("stack", "export", *(["--show-secrets"] if whole else []))
        resources = json.loads(said[: said.rindex("}") + 1])["deployment"].get("resources", [])
        return {item["urn"] if whole else item["urn"].rpartition("::")[2]: item for item in resources}


@pytest.fixture
def language_host(program: engine.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PATH, as the vendor's is on a machine with the vendor's engine."""
    monkeypatch.setenv("PATH", os.pathsep.join(path_of(program)))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)


def path_of(program: engine.Program) -> list[str]:
    """With the engine, and a language host where the vendor's is not there."""
    path = [str(CHECKOUT / ".venv" / "bin"), str(program.path.parent), os.environ["PATH"]]
    if not shutil.which("pulumi-language-python", path=os.pathsep.join(path)):
        path.insert(0, str(HERE / "bin"))
    return path


def _environment(program: engine.Program, backend: Path) -> dict[str, str]:
    """As a person sets it for the emulator; a language host is the vendor's, where that is there."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(engine.PROVIDER), *path_of(program)]),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "of this test",
        "PULUMI_HOME": str(backend / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _made(folder: Path, program: engine.Program, stack: str, main: str, config: Mapping[str, Any]) -> Project:
    word = f"t{uuid.uuid4().hex[:7]}"
    content = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({**content, "name": word, "main": main}))
    (folder / "backend" / "home").mkdir(parents=True)
    (folder / "stacks").mkdir()
    own = {re.sub("^aml:", f"{word}:", key): value for key, value in config.items()}
    (folder / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": own}))
    made = Project(folder, engine.Engine(program, stack, folder, _environment(program, folder / "backend"), True), word)
    made.pulumi("stack", "init")
    return made


@pytest.fixture
def project(program: engine.Program, azure: Emulator, tmp_path: Path) -> Project:
    """A project with the small program."""
    shutil.copytree(HERE / "program", tmp_path / "program")
    return _made(tmp_path, program, "test", "program", {"azure-native:location": "westeurope"})


@pytest.fixture
def stacks(program: engine.Program, azure: Emulator, tmp_path: Path) -> Any:
    """Makes a project of the checkout's own program, for the stack of a name."""

    def make(stack: str, **config: str) -> Project:
        written = yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
        return _made(tmp_path, program, stack, str(CHECKOUT / "infra"), {**written, **config})

    return make

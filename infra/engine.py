"""The Pulumi engine: found, given the environment that a stack needs, asked.

Must live here: which engine is good enough, where a stack's state lies, and what the engine's refusals mean. Must not: what is
done with a plan, or any resource.

Against Azure the engine runs as a person's own ``pulumi`` does: with the vendor's provider, and the backend and passphrase that
they set. Where the emulator answers for Azure, the provider is ours (``infra/provider``), and what Pulumi keeps lies in the
emulator's own folder, so that nothing of a laptop's cloud gets into the checkout or into anybody's backend.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import engine_build, stackfile
from infra.arm import ENDPOINT
from infra.emulated import emulator_behind
from infra.errors import EngineError, NotTheEmulator

INSTALL = engine_build.INSTALL
OLDEST = (3, 255)  # the first whose stack files, plan files and events this project was tried with
PROVIDER = Path(__file__).parent / "provider" / "bin"
PASSPHRASE = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@dataclass(frozen=True)
class Program:
    path: Path
    version: str

    @property
    def python(self) -> str | None:
        """What runs a Python program for it, on PATH or beside it: Pulumi's own distribution has it, and ``make engine`` not."""
        folders = [os.environ.get("PATH", os.defpath), str(self.path.parent)]
        return shutil.which("pulumi-language-python", path=os.pathsep.join(folders))


@dataclass(frozen=True)
class Engine:
    """The engine for one stack. ``emulated``: the emulator answers for Azure, and the provider is ours. ``folder`` holds the
    ``Pulumi.yaml`` that the engine reads."""

    program: Program
    stack: str
    folder: Path
    environment: Mapping[str, str]
    emulated: bool

    def command(self, *arguments: str) -> list[str]:
        return [str(self.program.path), *arguments, "--stack", self.stack, "--non-interactive"]

    def run(self, *arguments: str, accept: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """``pulumi ARGUMENTS --stack STACK``, with what it said. An exit code that is not one of ``accept`` raises
        ``EngineError``, with the cause and what to do about it where the engine's words are known."""
        ended = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=dict(self.environment), capture_output=True, text=True
        )
        if ended.returncode not in accept:
            raise self.explained(ended.stdout + ended.stderr, arguments[0])
        return ended

    def explained(self, said: str, what: str) -> EngineError:
        """The error for what the engine said when it refused."""
        for pattern, message, next in REFUSALS:
            found = re.search(pattern, said)
            if found:
                words = {"stack": self.stack, "install": INSTALL, **found.groupdict()}
                return EngineError(message.format(**words), next.format(**words))
        return EngineError(f"pulumi {what} --stack {self.stack} failed:\n{said.strip()}")


LOCKED = "the stack is currently locked by"
# What the engine says -> what it means, and what to do.
REFUSALS = (
    (
        r"passphrase must be set|incorrect passphrase",
        "The secrets of stack '{stack}' are encrypted with a passphrase, and the one given is missing or wrong.",
        "export PULUMI_CONFIG_PASSPHRASE=… (or PULUMI_CONFIG_PASSPHRASE_FILE=…), the one that the stack was made with",
    ),
    (
        r"PULUMI_ACCESS_TOKEN must be set",
        "No backend is chosen: the engine does not know where the state of stack '{stack}' is kept.",
        "export PULUMI_BACKEND_URL=azblob://… (or file://…), or sign in: pulumi login",
    ),
    (
        r"no stack named '(?P<name>[^']+)' found",
        "The backend has no stack '{name}'.",
        "pulumi stack init {stack}, or PULUMI_BACKEND_URL, if it is kept elsewhere",
    ),
    (
        r"no language plugin 'pulumi-language-python'|failed to load language plugin",
        "The engine found no 'pulumi-language-python', which runs the program; Pulumi's own distribution has it.",
        "install Pulumi: {install}",
    ),
    (
        r"(no resource plugin|could not (find|download)|failed to (load|install))[^\n]*azure-native",
        "The engine found no provider 'pulumi-resource-azure-native'.",
        "pulumi plugin install resource azure-native; against the emulator: put infra/provider/bin on PATH",
    ),
    (
        r"error: (?P<what>[\w-]+:[^\s:]+: [^\n]+)",  # infra.config: a key, and what is wrong with it
        "{what}",
        "set it right in stacks/Pulumi.{stack}.yaml; docs/stacks.md has every key",
    ),
    (
        LOCKED,
        "Another update of stack '{stack}' is at work, or was killed.",
        "wait for it; when there is none: aml infra recover --stack {stack}",
    ),
)


def find() -> Program:
    """The engine: ``pulumi`` on ``PATH``, else the one that ``make engine`` built; raises ``EngineError``."""
    on_path = shutil.which("pulumi")
    places = ([Path(on_path)] if on_path else []) + ([engine_build.cached()] if engine_build.MODULE.is_dir() else [])
    found = [Program(place, _version(place)) for place in places if place.is_file()]
    for program in found:
        if _numbers(program.version) >= OLDEST:
            return program
    oldest = ".".join(map(str, OLDEST))
    if found:
        raise EngineError(
            f"The Pulumi engine {found[0].path} is {found[0].version or 'broken'}, and {oldest} is the oldest that will do.",
            f"install a newer one: {INSTALL}; for the tests alone, make engine builds one with Go",
        )
    raise EngineError(
        "There is no Pulumi engine: no 'pulumi' on PATH, and none was built.",
        f"install {oldest} or newer: {INSTALL}; for the tests alone, make engine builds one with Go",
    )


def open(stack: str, home: Path) -> Engine:
    """The engine, ready for ``stack``. ``home`` is the emulator's folder, used only where that answers for Azure.

    Raises ``ConfigError`` for a stack that the project has not, ``NotTheEmulator`` for ``local`` where Azure's hosts would not
    be answered by the emulator, ``EngineError``.
    """
    checkout = stackfile.checkout()
    configured = stackfile.find(stack.rpartition("/")[2], checkout)
    program = find()
    emulated = _emulated(required=stack == "local")
    path = [os.environ.get("PATH", os.defpath), str(program.path.parent)]  # a language host lies beside the engine
    if emulated:
        path = [str(PROVIDER), str(Path(sys.executable).parent), *path]
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1", "PATH": os.pathsep.join(path)}
    folder = checkout
    if emulated:
        environment |= {
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "no_grpc_proxy": "127.0.0.1,localhost",  # gRPC reads the lower-case https_proxy, for loopback too
        }
        environment.pop("PULUMI_IGNORE_AMBIENT_PLUGINS", None)
        if "PULUMI_BACKEND_URL" not in environment:
            folder = home / "pulumi" / "project"
            _copy_project(checkout, configured, folder)
            environment["PULUMI_BACKEND_URL"] = f"file://{home / 'pulumi'}"
            # The keys of the laptop's cloud lie in the same folder: a passphrase would protect nothing.
            if not any(name in environment for name in PASSPHRASE):
                environment["PULUMI_CONFIG_PASSPHRASE"] = ""
    engine = Engine(program, stack, folder, environment, emulated)
    if folder != checkout:
        engine.run("stack", "select", "--create")
    return engine


def _emulated(required: bool) -> bool:
    try:
        emulator_behind(ENDPOINT)
    except NotTheEmulator:
        if required:
            raise
        return False
    return True


def _copy_project(checkout: Path, configured: Path, folder: Path) -> None:
    """The project, for an engine that writes into it: it keeps a salt in the stack's file, which stays between two runs."""
    project = _yaml(checkout / "Pulumi.yaml")
    copy = folder / "stacks" / configured.name
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    salt = {key: value for key, value in (_yaml(copy) if copy.is_file() else {}).items() if key == "encryptionsalt"}
    copy.write_text(yaml.safe_dump({**_yaml(configured), **salt}), "utf-8")
    main = str(checkout / project.get("main", "."))
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "main": main, "stackConfigDir": "stacks"}), "utf-8")


def _yaml(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text("utf-8")) or {})


def _version(program: Path) -> str:
    try:
        ended = subprocess.run(
            [program, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip().removeprefix("v") if ended.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

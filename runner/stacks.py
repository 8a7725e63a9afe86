"""Stacks: the outputs of one by its name, and what reaches the cloud it was applied to.

A stack that ``aml local up`` applied has its outputs in the state folder, with the variables (proxy, CA, credential) that make
any client reach that cloud; those are put into the process before an Azure package is imported, and nothing else in the runner
knows where it runs. Any other stack is asked of Pulumi.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from runner import project
from runner.errors import CloudError, Mistake, NeverApplied

NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}(/[A-Za-z0-9_.-]{1,100}){0,2}")  # Pulumi's: [[organisation/]project/]stack


@dataclass(frozen=True)
class Stack:
    """``outputs`` has the settings by their names; ``environment`` what a client's process needs, empty for Azure itself."""

    name: str
    outputs: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)


def read(name: str) -> Stack:
    """The stack called ``name``; raises ``Mistake`` for one that is not known, ``CloudError`` when it cannot be asked."""
    if not NAME.fullmatch(name) or ".." in name:
        raise Mistake(f"'{name}' is not a stack's name: letters, digits, '_', '-' and '.' make one.")
    file = project.state_folder() / "stacks" / f"{name}.json"
    if "/" not in name and file.is_file():
        return _from_file(name, file)
    if name == "local":
        raise Mistake("The stack 'local' is not applied on this machine.", next="aml local up")
    return _from_pulumi(name)


def known() -> list[str]:
    """The names of the stacks that this project and this machine have."""
    applied = {file.stem for file in (project.state_folder() / "stacks").glob("*.json")}
    folder = project.find("stacks")
    declared = {file.name.split(".")[1] for file in folder.glob("Pulumi.*.yaml")} if folder else set()
    return sorted(applied | declared)


def _from_file(name: str, file: Path) -> Stack:
    try:
        content = json.loads(file.read_text("utf-8"))
        outputs, environment = _texts(content["outputs"]), _texts(content.get("environment", {}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CloudError(
            f"'{file}', the outputs of stack '{name}', cannot be read: {error!r}.", next="aml local up writes it anew"
        ) from None
    proxy = urlsplit(environment.get("HTTPS_PROXY", ""))
    if proxy.hostname and not _listens(proxy.hostname, proxy.port or 443):
        raise CloudError(
            f"The emulator that stack '{name}' was applied to is not running: nothing listens on {proxy.netloc}.",
            next="aml local up",
        )
    return Stack(name, outputs, environment)


def _from_pulumi(name: str) -> Stack:
    from runner import planning

    with planning.engine_of(name) as engine:
        said = engine.run("stack", "output", "--json", "--show-secrets=false").stdout
    try:
        outputs = _texts(json.loads(said))
    except (ValueError, AttributeError) as error:
        raise CloudError(f"Pulumi's outputs of stack '{name}' are not JSON: {error}.") from None
    if not outputs:
        raise NeverApplied(
            f"The stack '{name}' has no outputs: it was never applied.", next=f"pulumi up --stack {name}"
        )
    return Stack(name, outputs)


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    """What is text or a number; a structured output is nobody's setting."""
    return {name: str(value) for name, value in values.items() if isinstance(value, str | int | float)}


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False

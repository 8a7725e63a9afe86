"""What Pulumi reads before the program runs: the project and a stack's configuration, for when there is no engine to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def read(stack: str, root: Path | None = None) -> tuple[str, dict[str, str]]:
    """``(project, values)``: the values by full key, all text, an object or list as JSON, as the engine hands them on.

    They stand in the checkout that this module is part of; installed apart from it, in the one that the working folder is in.
    """
    root = root or checkout()
    project = _mapping(root / "Pulumi.yaml")
    file = find(stack, root)
    values = {}
    for key, value in (_mapping(file).get("config") or {}).items():
        if isinstance(value, Mapping) and "secure" in value:
            raise ConfigError(f"{key}: is encrypted, and only the Pulumi engine can read it: pulumi up --stack {stack}")
        if ":" not in key:
            key = f"{project['name']}:{key}"
        values[key] = value if isinstance(value, str) else json.dumps(value)
    return project["name"], values


def checkout() -> Path:
    """The folder with the project's ``Pulumi.yaml``; raises ``ConfigError``."""
    here = Path.cwd()
    for folder in (ROOT, here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise ConfigError(
        f"There is no Pulumi.yaml in {here} or above it: the stacks are described in a checkout of the repository; work in one"
    )


def find(stack: str, root: Path) -> Path:
    """The stack's file; raises ``ConfigError`` for a stack that the project has not."""
    folder = str(_mapping(root / "Pulumi.yaml").get("stackConfigDir", "."))
    file = root / folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        there = sorted(found.name.split(".")[1] for found in file.parent.glob("Pulumi.*.yaml"))
        raise ConfigError(f"There is no stack '{stack}'; there are {', '.join(there)} ({file.parent.name}/)")
    return file


def _mapping(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.name} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file.name} must be a mapping of keys to values")
    return content

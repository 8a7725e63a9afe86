"""The variable files of the pipelines: the settings of a stack written into one, everything else in it as it was."""

from __future__ import annotations

import re

import yaml

from runner import project
from runner.errors import Mistake
from runner.settings import Settings

FOLDER = "devops_pipelines/variables"


def write(name: str, settings: Settings) -> str:
    """The file ``name`` of ``FOLDER`` gets the settings; its path, as it is shown. Raises ``Mistake`` where there is none."""
    path = f"{FOLDER}/{name}.yaml"
    file = project.find(path) if re.fullmatch(r"[\w-]+", name) else None
    if file is None:
        raise Mistake(
            f"There is no '{path}'.", next=f"copy {FOLDER}/dev.yaml to it, and change what is particular to {name}"
        )
    text = file.read_text("utf-8")
    if not re.search(r"^variables:$", text, re.M):
        raise Mistake(f"'{path}' has no 'variables:'.", next=f"write it as {FOLDER}/dev.yaml is")
    for setting, value in settings.values.items():
        line = f"  {yaml.safe_dump({setting: value}, width=10_000).strip()}"
        replacement = line.replace("\\", r"\\")
        there = re.compile(rf"^  {setting}:.*$", re.M)
        text = there.sub(replacement, text) if there.search(text) else f"{text.rstrip()}\n{line}\n"
    file.write_text(text, "utf-8")
    return project.shown(file)

"""The runner's page names every command, setting and key that there is, and none that there is not."""

import dataclasses
import re
from importlib import import_module

import click
import pytest

from runner import config
from runner.main import COMMANDS
from tests.runner.conftest import ROOT

PAGE = (ROOT / "docs" / "runner.md").read_text("utf-8")
ROWS = {match[1]: match[2].split(" / ") for match in re.finditer(r"^\| `aml (\w+) ?([^`]*)` \|", PAGE, re.MULTILINE)}


def test_the_page_has_the_commands_of_the_table() -> None:
    assert set(ROWS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_commands_of_each_group(name: str) -> None:
    command = import_module(COMMANDS[name][0]).command
    inside = set(command.commands) if isinstance(command, click.Group) else {""}
    assert set(ROWS[name]) == inside


def test_the_page_has_the_keys_of_the_configuration() -> None:
    keys = {
        f"{section.name}.{field.name}"
        for section, kind in zip(dataclasses.fields(config.Config), (config.Compute, config.Environment), strict=True)
        for field in dataclasses.fields(kind)
    }
    assert set(re.findall(r"`((?:compute|environment)\.\w+)`", PAGE)) == keys


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("http") or (ROOT / "docs" / target).exists(), target

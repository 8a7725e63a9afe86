"""The journal, and what is said where Azurite cannot be started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from emulator.errors import ToolError
from emulator.storage.azurite import process
from emulator.storage.azurite.process import find_node


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_journal_gives_back_what_was_written(tmp_path: Path, seed: int) -> None:
    script = Path(__file__).with_name("journal_test.js")
    done = subprocess.run(
        [find_node(), str(script), str(tmp_path / "journal"), str(seed)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_no_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "PROGRAM", tmp_path / "a" / "b" / "main.js")
    with pytest.raises(ToolError, match="scripts/setup demo"):
        find_node()


def test_the_node_that_the_set_up_installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = tmp_path / ".setup" / "node" / "bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\necho v22.1.0\n")
    node.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "PROGRAM", tmp_path / process.PROGRAM.relative_to(Path(__file__).parents[2]))
    assert find_node() == str(node)


def test_a_node_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v16.20.0\n")
    old.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setattr(process, "PROGRAM", tmp_path / "a" / "b" / "main.js")
    with pytest.raises(ToolError, match="v16.20.0"):
        find_node()


def test_no_azurite(tmp_path: Path) -> None:
    """The program says what to run where its package is not there."""
    alone = tmp_path / "main.js"
    alone.write_text(process.PROGRAM.read_text())
    done = subprocess.run(
        [find_node(), str(alone), str(tmp_path)], input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Azurite is not installed" in done.stderr and "npm ci" in done.stderr

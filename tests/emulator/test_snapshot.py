"""A job's code, laid out."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from emulator.data import snapshot
from emulator.data.bindings import DataFailed
from tests.emulator.rooms import Rooms, tree


def test_a_snapshot_is_laid_out_for_each_job_apart(rooms: Rooms, below: str, tmp_path: Path) -> None:
    version = f"{rooms.workspace}/codes/{uuid.uuid4()}/versions/1"
    rooms.put(version, {"properties": {"codeUri": f"{rooms.url}/{below}"}})
    rooms.run(snapshot.lay_out(rooms.cloud, rooms.workspace, version, tmp_path))
    assert tree(tmp_path) == {"a.csv", "sub/b.csv"}
    assert os.access(tmp_path / "a.csv", os.X_OK)
    (tmp_path / "a.csv").write_text("mine")
    rooms.blobs.delete_blob(f"{below}/a.csv")
    (tmp_path / "other").mkdir()
    rooms.run(snapshot.lay_out(rooms.cloud, rooms.workspace, version, tmp_path / "other"))
    assert (tmp_path / "other" / "a.csv").read_bytes() == b"a,b\n1,2\n"


def test_code_that_is_not_there_is_named(rooms: Rooms, tmp_path: Path) -> None:
    with pytest.raises(DataFailed, match="code was not found"):
        rooms.run(snapshot.lay_out(rooms.cloud, rooms.workspace, f"{rooms.workspace}/codes/none/versions/1", tmp_path))
    version = f"{rooms.workspace}/codes/{uuid.uuid4()}/versions/1"
    rooms.put(version, {"properties": {"codeUri": f"{rooms.url}/nothing-here"}})
    with pytest.raises(DataFailed, match="nothing was uploaded to '.*nothing-here'"):
        rooms.run(snapshot.lay_out(rooms.cloud, rooms.workspace, version, tmp_path))

"""Ten kills under load, of Azurite, the emulator, and both: what was acknowledged is there afterwards, and every job ends."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.crash import crash
from tests.emulator.storage import storage_at


def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    with storage_at(tmp_path / "home") as storage:
        tally = crash(storage, kills=10, seed=7)
    assert tally.wrong == [] and tally.unended == []
    assert tally.kills == 10 and all(tally.acknowledged[kind] >= 10 for kind in ("blobs", "resources", "jobs")), tally


def test_a_journal_that_breaks_off_is_read_to_where_it_is_whole(tmp_path: Path) -> None:
    with storage_at(tmp_path / "home") as storage:
        container = storage.service().create_container("kept")
        container.upload_blob("x", b"before")
        azurite = storage.azurite()
        storage.kill()
        azurite.wait(10)  # it does not outlive the emulator
        newest = max((storage.home.blobs / "journal").glob("journal-*.jsonl"), key=os.path.getmtime)
        with newest.open("ab") as file:
            file.write(b'["$BLOBS_COLLECTION$","put",{"$loki":99,"name":"torn')
        storage.restart()
        container = storage.service().get_container_client("kept")
        assert [blob.name for blob in container.list_blobs()] == ["x"]
        container.upload_blob("y", b"after")
        storage.kill()
        storage.restart()
        container = storage.service().get_container_client("kept")
        assert [blob.name for blob in container.list_blobs()] == ["x", "y"]
        assert container.download_blob("x").readall() == b"before"

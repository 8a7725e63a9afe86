"""The files that an MLTable names."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.data.bindings import DataFailed
from tests.emulator.rooms import Rooms, fetch, short, tree


def test_the_files_of_an_mltable_are_what_its_paths_name(rooms: Rooms, below: str, tmp_path: Path) -> None:
    rooms.blobs.upload_blob(f"{below}/c.txt", b"c")
    table = [
        "paths:",
        "  - pattern: ./**/*.csv",
        f"  - file: {short(f'{below}/c.txt')}",
        "transformations:",
        "  - take: 1",
    ]
    rooms.blobs.upload_blob(f"{below}/t/MLTable", "\n".join(table))
    rooms.blobs.upload_blob(f"{below}/t/x.csv", b"x")
    rooms.blobs.upload_blob(f"{below}/t/deep/y.csv", b"y")
    rooms.blobs.upload_blob(f"{below}/t/deep/z.bin", b"z")
    assert tree(fetch(rooms, tmp_path / "eval", short(f"{below}/t"), "mltable", "EvalMount")) == {
        "x.csv",
        "deep/y.csv",
        "c.txt",
    }
    assert "MLTable" in tree(fetch(rooms, tmp_path / "as it is", short(f"{below}/t"), "mltable"))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("paths:\n  - file: ../../x", "leads out"),
        ("paths:\n  - table: x", "neither file:"),
        ("rows: 1", "is no MLTable"),
        ("paths:\n  - file: ./nothing.csv", "'file: nothing.csv' of .* was not found"),
    ],
)
def test_an_mltable_that_names_nothing_is_refused(
    rooms: Rooms, below: str, tmp_path: Path, table: str, told: str
) -> None:
    rooms.blobs.upload_blob(f"{below}/MLTable", table)
    with pytest.raises(DataFailed, match=told):
        fetch(rooms, tmp_path, short(below), "mltable", "EvalDownload")

"""The scoring of an MLflow model's files, read at once and in parts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.jobs.driver import amlbi_mlflow


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the frames that the model was given."""
    seen: list[int] = []

    def predict(data: Any) -> Any:
        seen.append(len(data))
        return data["a"] + data["b"]

    monkeypatch.setattr(amlbi_mlflow, "model", SimpleNamespace(predict=predict))
    monkeypatch.setattr(amlbi_mlflow, "types", {"a": "float64"})
    return seen


def test_a_big_file_is_scored_in_parts_with_the_same_result(
    frames: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, whole, parts = (tmp_path / name for name in ("rows, all.csv", "whole", "parts"))
    source.write_text("a,b\n" + "".join(f"{number},0.5\n" for number in range(1000)))
    assert amlbi_mlflow.score([str(source)], whole) == 1
    monkeypatch.setattr(amlbi_mlflow, "BIG", 100)
    monkeypatch.setattr(amlbi_mlflow, "PART", 1000)
    assert amlbi_mlflow.score([str(source)], parts) == 1
    assert frames[0] == 1000 and len(frames) > 5
    assert parts.read_text() == whole.read_text()
    assert whole.read_text().splitlines()[-1] == '999,999.5,"rows, all.csv"'


def test_what_was_written_of_a_file_that_fails_is_taken_back(
    frames: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, part = (tmp_path / name for name in ("good.csv", "late.csv", "part"))
    good.write_text("a,b\n1,2\n")
    bad.write_text("a,b\n" + "1,2\n" * 1000 + "x,2\n")
    monkeypatch.setattr(amlbi_mlflow, "BIG", 100)
    monkeypatch.setattr(amlbi_mlflow, "PART", 1000)
    assert amlbi_mlflow.score([str(good), str(bad), str(good)], part) == 2
    assert part.read_text() == "0,3.0,good.csv\n" * 2
    with pytest.raises(ValueError, match="No objects to concatenate"):
        amlbi_mlflow.score([str(bad)], part)
    assert part.read_text() == ""

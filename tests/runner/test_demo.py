"""What ``make demo`` runs, from an empty state folder to metrics; and again, when everything is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SECONDS = 280.0


def aml(*words: str, home: Path, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    return subprocess.run(
        [sys.executable, "-m", "runner.main", *words],
        cwd=cwd,
        env={**environ, "AML_LOCAL_HOME": str(home), "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo") / "home"
    yield folder
    assert aml("local", "down", home=folder).returncode == 0


@pytest.mark.slow
def test_the_demo_from_nothing(home: Path) -> None:
    ended = aml("demo", home=home)
    assert ended.returncode == 0, ended.stderr
    said = ended.stderr
    order = [
        "$ aml local up",
        "stack local: 21 created",
        "$ aml data upload jobs/data/iris_dataset.csv /iris_dataset.csv --stack local",
        "is now at /iris_dataset.csv",
        "environment iris:1 does not exist: making it",
        "compute demo-cluster does not exist: making it",
        "link: http://127.0.0.1:",
        "species setosa, versicolor, virginica",  # the job's own line, in its streamed log
        "And then",
    ]
    places = [said.find(words) for words in order]
    assert -1 not in places and places == sorted(places), dict(zip(order, places, strict=True))
    assert "accuracy" in ended.stdout and "azureml://datastores/flatfilestorage/paths/" in ended.stdout


@pytest.mark.slow
def test_the_demo_again_makes_nothing_but_the_job(home: Path) -> None:
    ended = aml("demo", home=home)
    assert ended.returncode == 0, ended.stderr
    assert "does not exist" not in ended.stderr and "is already at /iris_dataset.csv" in ended.stderr
    jobs = json.loads(aml("jobs", "list", "--stack", "local", "--json", home=home).stdout)
    assert [job["status"] for job in jobs] == ["Completed", "Completed"]


def test_without_the_repository_there_is_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.commands import demo
    from runner.errors import Mistake

    monkeypatch.setattr(demo, "DATA", "jobs/data/other.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Mistake, match="There is no 'jobs/data/other.csv' here"):
        demo.command.main([], standalone_mode=False)

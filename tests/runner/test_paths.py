"""Paths below a datastore never leave it; logs are found by their names."""

from pathlib import Path

import pytest

from runner.errors import Mistake
from runner.paths import BATCH_SINGLE_STEP, JobFolder, JobPaths, datastore_uri, in_datastore


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/iris_dataset.csv", "iris_dataset.csv"),
        ("iris_dataset.csv", "iris_dataset.csv"),
        ("/", ""),
        ("", ""),
        ("//a//b/", "a/b/"),
        ("./a/./b", "a/b"),
        ("a b/ü.csv", "a b/ü.csv"),
        ("a%2fb", "a%2fb"),
        ("..a/b..", "..a/b.."),
    ],
)
def test_one_spelling(path: str, clean: str) -> None:
    assert in_datastore(path) == clean
    assert datastore_uri("d", clean) == f"azureml://datastores/d/paths/{clean}"


@pytest.mark.parametrize(
    "path", ["..", "/../x", "a/../../b", "a/..", "a\\..\\b", "C:/x", "https://h/x", "a\nb", "a\0b", ". ./x", "x" * 1100]
)
def test_a_path_that_leaves_the_datastore_is_refused(path: str) -> None:
    with pytest.raises(Mistake):
        in_datastore(path)


def test_the_log_that_tells_the_story() -> None:
    many = ["system_logs/x.log", "user_logs/std_log_process_1.txt", "user_logs/std_log_process_0.txt"]
    assert JobPaths.streamed(many) == "user_logs/std_log_process_0.txt"
    assert JobPaths.streamed([*many, "user_logs/std_log.txt"]) == "user_logs/std_log.txt"
    assert JobPaths.streamed(["system_logs/x.log"]) is None


def test_a_job_folder_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = JobFolder.find(BATCH_SINGLE_STEP)
    assert ours.job.is_file() and ours.config.is_file()
    monkeypatch.chdir(ours.root / "job")
    assert JobFolder.find(BATCH_SINGLE_STEP) == ours
    monkeypatch.chdir(tmp_path)
    assert JobFolder.find(BATCH_SINGLE_STEP).job.samefile(ours.job)
    with pytest.raises(Mistake, match="There is no job.yml in 'jobs/none'"):
        JobFolder.find("jobs/none")

"""``aml data``: files go into a datastore and are found there, through the real storage client."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import settings
from tests.conftest import Arm
from tests.runner.conftest import Aml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "iris_dataset.csv"
    file.write_text("a,b\n1,2\n")
    return file


def test_a_file_is_put_there_once(aml: Aml, place: dict[str, str], file: Path) -> None:
    first = aml("data", "upload", file, "/data/")
    assert first.code == 0, first.err
    assert first.out.strip() == "azureml://datastores/workspaceblobstore/paths/data/iris_dataset.csv"
    assert first.err.startswith(f"target: workspace {place[settings.WORKSPACE]}, resource group"), first.err
    again = aml("data", "upload", file, "data/iris_dataset.csv")
    assert again.code == 0 and "is already at /data/iris_dataset.csv" in again.err

    file.write_text("a,b\n3,4\n")
    refused = aml("data", "upload", file, "/data/")
    assert refused.code == 1 and "lies something else already" in refused.err and "--overwrite" in refused.err
    listed = aml("data", "list", "-r", "--json")
    assert [(entry["path"], entry["size"]) for entry in listed.json] == [("/data/iris_dataset.csv", 8)]
    assert aml("data", "upload", file, "/data/", "--overwrite").code == 0
    assert "is already" in aml("data", "upload", file, "/data/").err


def test_the_list_shows_folders_and_files(aml: Aml, place: dict[str, str], file: Path) -> None:
    for path in ("/top.csv", "/deep/er/", "/deep/one.csv"):
        assert aml("data", "upload", file, path).code == 0
    assert [entry["path"] for entry in aml("data", "list", "--json").json] == ["/deep/", "/top.csv"]
    assert [entry["path"] for entry in aml("data", "list", "/deep", "--json").json] == ["/deep/er/", "/deep/one.csv"]
    assert [entry["path"] for entry in aml("data", "list", "/top.csv", "--json").json] == ["/top.csv"]
    assert len(aml("data", "list", "-r", "--json").json) == 3
    table = aml("data", "list").out.splitlines()
    assert table[0].split() == ["path", "bytes", "changed"] and table[3].split()[:2] == ["/top.csv", "8"]
    nothing = aml("data", "list", "/dep")
    assert nothing.code == 1 and "There is nothing at '/dep'" in nothing.err
    other_case = aml("data", "list", "/Deep")
    assert other_case.code == 1 and "There is '/deep/': only the case differs" in other_case.err


def test_a_file_is_fetched(aml: Aml, place: dict[str, str], file: Path, tmp_path: Path) -> None:
    assert aml("data", "upload", file, "/data/").code == 0
    (tmp_path / "there").mkdir()
    fetched = aml("data", "download", "/data/iris_dataset.csv", tmp_path / "there")
    assert fetched.code == 0 and fetched.out.strip() == str(tmp_path / "there" / "iris_dataset.csv")
    assert (tmp_path / "there" / "iris_dataset.csv").read_text() == file.read_text()
    (tmp_path / "other.csv").write_text("mine")
    refused = aml("data", "download", "/data/iris_dataset.csv", tmp_path / "other.csv")
    assert refused.code == 1 and (tmp_path / "other.csv").read_text() == "mine" and "--overwrite" in refused.err
    assert aml("data", "download", "/data/iris_dataset.csv", tmp_path / "other.csv", "--overwrite").code == 0
    assert (tmp_path / "other.csv").read_text() == file.read_text()
    assert "is a folder" in aml("data", "download", "/data").err
    assert "Did you mean" in aml("data", "download", "/data/iris_datset.csv").err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_datastore_that_is_not_there_names_the_near_one(aml: Aml, place: dict[str, str], file: Path) -> None:
    said = aml("data", "upload", file, "/", "--datastore", "workspaceblobstor")
    assert said.code == 1 and "Did you mean 'workspaceblobstore'" in said.err


@pytest.mark.parametrize("path", ["/../x", "a/../../x", "..\\x", "https://elsewhere/x"])
def test_a_path_that_leaves_the_datastore_is_refused(aml: Aml, place: dict[str, str], file: Path, path: str) -> None:
    assert aml("data", "upload", file, path).code == 1
    assert aml("data", "list", "-r", "--json").json == []


def test_a_file_that_is_not_there(aml: Aml, place: dict[str, str]) -> None:
    said = aml("data", "upload", "none.csv", "/")
    assert said.code == 1 and "none.csv" in said.err and "Traceback" not in said.err


def test_a_datastore_on_a_container_that_is_gone(aml: Aml, place: dict[str, str], file: Path, arm: Arm) -> None:
    workspace = settings.Settings(place, {}).workspace_id
    default = arm.get(f"{workspace}/datastores/workspaceblobstore").json()["properties"]
    gone = {"datastoreType": "AzureBlob", "accountName": default["accountName"], "containerName": "there-is-none"}
    body = {"properties": {**gone, "credentials": {"credentialsType": "None"}}}
    answer = arm.put(f"{workspace}/datastores/gone", body, query={"skipValidation": "true"})
    assert answer.status_code == 201, answer.text
    for args in (["data", "list"], ["data", "upload", str(file), "/x.csv"]):
        said = aml(*args, "--datastore", "gone")
        assert said.code == 2 and "container 'there-is-none'" in said.err and "az storage container create" in said.err

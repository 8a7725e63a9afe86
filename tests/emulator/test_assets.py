"""Assets through the SDK: versions, labels, archiving, what may not change; and through plain requests, in lists and refusals."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Output, command
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import AmlCompute, BuildContext, Data, Environment, Model
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.emulator.machinelearning import put_version, workspace_id

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
DATA = {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/iris.csv"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "iris.csv"
    path.write_text("a,b\n1,2\n")
    return path


def conda(tmp_path: Path, *packages: str) -> str:
    path = tmp_path / f"conda-{uuid.uuid4().hex[:6]}.yaml"
    path.write_text("name: e\ndependencies:\n- python=3.11\n" + "".join(f"- {name}\n" for name in packages))
    return str(path)


# Data


def test_data_is_uploaded_and_gets_versions_of_its_own(workspace: Any, file: Path) -> None:
    first = workspace.data.create_or_update(
        Data(name="iris", path=str(file), type=AssetTypes.URI_FILE, tags={"a": "b"})
    )
    assert (first.version, first.type, first.tags) == ("1", "uri_file", {"a": "b"})
    assert first.path.startswith(f"azureml:/{workspace_id(workspace).split('/providers')[0].lower()}"[:25])
    assert "/workspaces/" in first.path and first.path.endswith("/iris.csv")
    file.write_text("a,b\n3,4\n")
    second = workspace.data.create_or_update(Data(name="iris", path=str(file), type=AssetTypes.URI_FILE))
    assert second.version == "2" and second.path != first.path
    named = workspace.data.create_or_update(
        Data(name="iris", version="final", path=str(file), type=AssetTypes.URI_FILE)
    )
    assert named.version == "final"
    assert workspace.data.get("iris", label="latest").version == "final"
    third = workspace.data.create_or_update(Data(name="iris", path=str(file), type=AssetTypes.URI_FILE))
    assert third.version == "3", "What is not a number does not count."
    assert [one.version for one in workspace.data.list("iris")] == ["3", "final", "2", "1"]


def test_the_uploaded_file_is_a_real_blob(workspace: Any, file: Path, tmp_path: Path) -> None:
    from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri

    made = workspace.data.create_or_update(Data(name="iris", path=str(file), type=AssetTypes.URI_FILE))
    target = tmp_path / "down"
    target.mkdir()
    download_artifact_from_aml_uri(made.path, str(target), workspace.datastores)
    assert (target / "iris.csv").read_text() == file.read_text()


def test_a_folder_and_a_table(workspace: Any, file: Path) -> None:
    (file.parent / "MLTable").write_text(
        "paths:\n- file: ./iris.csv\ntransformations:\n- read_delimited:\n    delimiter: ','\n"
    )
    folder = workspace.data.create_or_update(Data(name="folder", path=str(file.parent), type=AssetTypes.URI_FOLDER))
    assert folder.type == "uri_folder" and folder.path.endswith("/")
    table = workspace.data.create_or_update(Data(name="table", path=str(file.parent), type=AssetTypes.MLTABLE))
    assert table.type == "mltable"
    assert {one.name for one in workspace.data.list()} == {"folder", "table"}


def test_a_registered_path_stays(workspace: Any) -> None:
    path = "azureml://datastores/workspaceblobstore/paths/a.csv"
    made = workspace.data.create_or_update(Data(name="iris", version="1", path=path, type=AssetTypes.URI_FILE))
    assert made.path.endswith("/datastores/workspaceblobstore/paths/a.csv") and "/resourcegroups/" in made.path
    again = Data(name="iris", version="1", path=path, type=AssetTypes.URI_FILE, description="said", tags={"x": "y"})
    assert workspace.data.create_or_update(again).description == "said"
    assert (
        workspace.data.create_or_update(Data(name="iris", version="1", path=made.path, type=AssetTypes.URI_FILE)).id
        == made.id
    )
    other = Data(name="iris", version="1", path=path.replace("a.csv", "b.csv"), type=AssetTypes.URI_FILE)
    with pytest.raises(ResourceExistsError, match="the existing asset's data uri cannot be changed"):
        workspace.data.create_or_update(other)
    with pytest.raises(ResourceExistsError):
        workspace.data.create_or_update(Data(name="iris", version="1", path=path, type=AssetTypes.URI_FOLDER))
    with pytest.raises(HttpResponseError, match="has the dataType 'uri_file'"):
        workspace.data.create_or_update(Data(name="iris", version="2", path=path, type=AssetTypes.URI_FOLDER))
    assert [one.version for one in workspace.data.list("iris")] == ["1"]


def test_archiving_and_restoring(workspace: Any) -> None:
    path = "azureml://datastores/workspaceblobstore/paths/a.csv"
    for version in ("1", "2"):
        workspace.data.create_or_update(Data(name="iris", version=version, path=path, type=AssetTypes.URI_FILE))
    workspace.data.archive("iris", version="2")
    assert [one.version for one in workspace.data.list("iris")] == ["1"]
    listed = workspace.data.list("iris", list_view_type=ListViewType.ARCHIVED_ONLY)
    assert [one.version for one in listed] == ["2"]
    assert len(list(workspace.data.list("iris", list_view_type=ListViewType.ALL))) == 2
    assert workspace.data.get("iris", label="latest").version == "1"
    assert workspace.data.get("iris", version="2").version == "2", "An archived version can still be named."
    workspace.data.restore("iris", version="2")
    assert workspace.data.get("iris", label="latest").version == "2"
    workspace.data.archive("iris")
    assert not list(workspace.data.list()) and not list(workspace.data.list("iris"))
    workspace.data.restore("iris")
    assert [one.name for one in workspace.data.list()] == ["iris"] and len(list(workspace.data.list("iris"))) == 2


def test_what_is_not_there(shared: Any) -> None:
    for asked in (shared.data, shared.models, shared.environments, shared.components):
        with pytest.raises(ResourceNotFoundError) as caught:
            asked.get("none", version="1")
        assert "none" in str(caught.value)
        with pytest.raises(Exception, match="none"):
            asked.get("none", label="latest")


# Models


def test_a_model_of_each_type(workspace: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    for kind in (AssetTypes.CUSTOM_MODEL, AssetTypes.MLFLOW_MODEL, AssetTypes.TRITON_MODEL):
        made = workspace.models.create_or_update(
            Model(
                name=f"m-{kind}", path=str(folder), type=kind, description="said", tags={"a": "b"}, stage="Production"
            )
        )
        assert (made.version, made.type, made.stage) == ("1", kind, "Production")
    assert workspace.models.create_or_update(Model(name="m-custom_model", path=str(folder))).version == "2"
    target = tmp_path / "down"
    workspace.models.download("m-mlflow_model", "1", download_path=target)
    assert list(target.rglob("MLmodel"))
    workspace.models.archive("m-mlflow_model", version="1")
    assert workspace.models.get("m-mlflow_model", version="1").stage == "Production", "Archiving leaves the stage."


def test_a_model_that_a_job_made(workspace: Any, arm: Any) -> None:
    uri = "azureml://jobs/no-such-job/outputs/artifacts/paths/model/"
    with pytest.raises(ResourceNotFoundError, match="no-such-job"):
        workspace.models.create_or_update(Model(name="m", path=uri, type=AssetTypes.MLFLOW_MODEL))
    workspace.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)).result()
    job = command(
        command="true", environment=Environment(image=IMAGE), compute="cpu", outputs={"m": Output(type="custom_model")}
    )
    name = workspace.jobs.create_or_update(job).name
    made = workspace.models.create_or_update(Model(name="m", path=f"azureml://jobs/{name}/outputs/m"))
    assert made.path.endswith(f"/datastores/workspaceblobstore/paths/azureml/{name}/m/")
    assert "/resourcegroups/" in made.path and made.job_name == name
    with pytest.raises(ResourceNotFoundError, match="no output 'other'"):
        workspace.models.create_or_update(Model(name="m", path=f"azureml://jobs/{name}/outputs/other"))


# Environments


def test_an_environment_with_a_conda_file(workspace: Any, tmp_path: Path) -> None:
    made = workspace.environments.create_or_update(
        Environment(name="iris", image=IMAGE, conda_file=conda(tmp_path, "pip"), tags={"a": "b"})
    )
    assert (made.version, made.image, made.os_type.lower()) == ("1", IMAGE, "linux")
    found = workspace.environments.get("iris", version="1")
    assert found.conda_file["dependencies"] == ["python=3.11", "pip"] and found.tags == {"a": "b"}
    same = Environment(name="iris", image=IMAGE, conda_file=conda(tmp_path, "pip"))
    assert workspace.environments.create_or_update(same).version == "1", "The same again is not a new version."
    other = workspace.environments.create_or_update(
        Environment(name="iris", image=IMAGE, conda_file=conda(tmp_path, "numpy"))
    )
    assert other.version == "2"
    changed = Environment(name="iris", version="1", image=IMAGE, conda_file=conda(tmp_path, "numpy"))
    with pytest.raises(
        ResourceExistsError, match="Environment iris with version 1 is already registered and cannot be changed"
    ):
        workspace.environments.create_or_update(changed)
    workspace.environments.archive("iris", version="2")
    assert [one.version for one in workspace.environments.list("iris")] == ["1"]


def test_an_environment_with_a_build_context(workspace: Any, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    made = workspace.environments.create_or_update(Environment(name="built", build=BuildContext(path=str(context))))
    assert made.build.dockerfile_path == "Dockerfile" and made.build.path.startswith("https://")


@pytest.mark.parametrize("name", ["AzureML-mine", "azureml-mine", "Microsoft-mine"])
def test_a_name_of_the_curated_ones(shared: Any, name: str) -> None:
    with pytest.raises(HttpResponseError, match="can not start with the prefix"):
        shared.environments.create_or_update(Environment(name=name, version="1", image=IMAGE))


# Plain requests


def test_containers_say_which_version_is_next(workspace: Any, arm: Any) -> None:
    assert put_version(arm, workspace, "data", "iris", "7", DATA).status_code == 201
    assert put_version(arm, workspace, "data", "iris", "beta", DATA).status_code == 201
    found = arm.get(f"{workspace_id(workspace)}/data/iris").json()["properties"]
    assert (found["latestVersion"], found["nextVersion"], found["dataType"]) == ("beta", "8", "uri_file")
    empty = arm.put(
        f"{workspace_id(workspace)}/data/empty", {"properties": {"dataType": "uri_file", "description": "d"}}
    )
    assert empty.status_code == 201 and empty.json()["properties"]["nextVersion"] == "1"
    assert arm.delete(f"{workspace_id(workspace)}/data/iris/versions/7").status_code == 200
    assert arm.get(f"{workspace_id(workspace)}/data/iris/versions/7").status_code == 404
    assert arm.delete(f"{workspace_id(workspace)}/data/iris").status_code == 200
    assert arm.get(f"{workspace_id(workspace)}/data/iris/versions/beta").status_code == 404


def test_lists(workspace: Any, arm: Any) -> None:
    for number in range(1, 6):
        tags = {"even": "yes"} if number % 2 == 0 else {"odd": str(number)}
        assert put_version(arm, workspace, "data", "iris", str(number), {**DATA, "tags": tags}).status_code == 201
    at = f"{workspace_id(workspace)}/data/iris/versions"

    def versions(**query: str) -> list[str]:
        return [
            one["name"]
            for one in arm.get(at, query={name.replace("_", "$"): value for name, value in query.items()}).json()[
                "value"
            ]
        ]

    assert versions() == ["5", "4", "3", "2", "1"]
    assert versions(_orderBy="createdtime asc", _top="2") == ["1", "2"]
    assert versions(_orderBy="createdtime desc", _top="1") == ["5"]
    assert versions(_skip="3") == versions(offset="3") == ["2", "1"]
    assert versions(tags="even") == ["4", "2"] and versions(tags="odd=3") == ["3"] and versions(tags="even,odd") == []
    page = arm.get(at, query={"$top": "2"}).json()
    following = arm.get(page["nextLink"], version=None).json()
    assert [one["name"] for one in following["value"]] == ["3", "2"]
    for query in ({"$orderBy": "colour"}, {"listViewType": "Some"}, {"$top": "-1"}):
        assert arm.get(at, query=query).status_code == 400
    assert arm.get(at, query={"feed": "azureml"}).status_code == 501


@pytest.mark.parametrize(
    ("plural", "properties", "status"),
    [
        ("data", {"dataType": "uri_file"}, 400),
        ("data", {"dataUri": DATA["dataUri"]}, 400),
        ("data", {**DATA, "dataType": "csv"}, 400),
        ("data", {**DATA, "dataUri": "./local.csv"}, 400),
        ("data", {**DATA, "dataUri": "azureml://datastores/none/paths/a"}, 404),
        ("data", {**DATA, "dataUri": 3}, 400),
        ("data", {**DATA, "tags": {"a": {}}}, 400),
        ("data", {**DATA, "noSuchProperty": 1}, 400),
        ("data", {**DATA, "autoDeleteSetting": {"condition": "CreatedGreaterThan", "value": "30d"}}, 501),
        ("models", {"modelType": "custom_model"}, 400),
        ("models", {"modelUri": DATA["dataUri"], "modelType": "pickle"}, 400),
        ("environments", {}, 400),
        ("environments", {"image": IMAGE, "condaFile": "- a\n- b"}, 400),
        ("environments", {"image": IMAGE, "condaFile": "{"}, 400),
        ("environments", {"image": IMAGE, "build": {"contextUri": "https://a/b"}}, 400),
        ("components", {"componentSpec": {}}, 400),
        ("codes", {"codeUri": "c:\\code"}, 400),
    ],
)
def test_a_body_that_is_none(shared: Any, arm: Any, plural: str, properties: dict[str, Any], status: int) -> None:
    answer = put_version(arm, shared, plural, "bad", "1", properties)
    assert answer.status_code == status and answer.json()["error"]["code"], answer.text
    assert arm.get(f"{workspace_id(shared)}/{plural}/bad").status_code == 404, "Nothing is half made."


@pytest.mark.parametrize(
    ("name", "version"), [("-a", "1"), ("a b", "1"), ("a" * 256, "1"), ("a", "1 2"), ("a", "azureml_default")]
)
def test_a_name_against_the_rule(shared: Any, arm: Any, name: str, version: str) -> None:
    assert put_version(arm, shared, "data", name, version, DATA).status_code == 400


def test_in_a_workspace_that_is_not_there(shared: Any, arm: Any) -> None:
    at = f"{workspace_id(shared)}none/data/a/versions/1"
    assert arm.put(at, {"properties": DATA}).status_code == 404 and arm.get(at).status_code == 404

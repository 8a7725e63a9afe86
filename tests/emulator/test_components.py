"""Components and code through the SDK, with what they bring along; the same code is there once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, Output, command, load_component
from azure.ai.ml.entities import Environment
from azure.ai.ml.entities._assets._artifacts.code import Code
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from tests.conftest import Arm
from tests.emulator.machinelearning import put_version, workspace_id

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    return folder


def step(source: Path, **changes: Any) -> Any:
    return command(
        name="split",
        inputs={"rows": Input(type="uri_file"), "share": Input(type="number", default=0.2)},
        outputs={"train": Output(type="uri_folder")},
        code=str(source),
        command="python main.py ${{inputs.rows}} ${{inputs.share}} ${{outputs.train}}",
        **{"environment": Environment(image=IMAGE), **changes},
    ).component


def test_a_command_component(workspace: Any, source: Path, tmp_path: Path) -> None:
    made = workspace.components.create_or_update(step(source))
    assert (made.name, made.version, made.type) == ("split", "1", "command")
    found = workspace.components.get("split", version="1")
    assert found.inputs["share"].default == 0.2 and found.outputs["train"].type == "uri_folder"
    assert "/codes/" in found.code and "/environments/" in found.environment
    assert workspace.components.get("split").version == "1", "Without a version it is the default one."
    again = workspace.components.create_or_update(step(source), skip_if_no_change=True)
    assert again.version == "1", "The SDK finds that nothing changed."
    (source / "main.py").write_text("print('changed')\n")
    assert workspace.components.create_or_update(step(source)).version == "2"
    assert workspace.components.get("split", label="latest").version == "2"
    assert workspace.components.get("split").version == "2"
    assert [one.version for one in workspace.components.list("split")] == ["2", "1"]
    workspace.components.archive("split", version="2")
    assert workspace.components.get("split").version == "1"
    workspace.components.download("split", tmp_path / "down", version="1")
    assert (tmp_path / "down" / "code" / "main.py").read_text() == "print('hello')\n"


def test_a_registered_component_stays(workspace: Any, source: Path, arm: Arm) -> None:
    made = step(source)
    made.version = "1"
    id = workspace.components.create_or_update(made).id
    spec = arm.get(id).json()["properties"]["componentSpec"]
    # azure-ai-ml notes where a component was written; the same one in a job's file is no other.
    assert spec["_source"] != "YAML.JOB"
    for change, status in (({"_source": "YAML.JOB"}, 200), ({"command": "ls"}, 409)):
        assert arm.put(id, {"properties": {"componentSpec": {**spec, **change}}}).status_code == status
    changed = step(source)
    changed.version, changed.command = "1", "python other.py"
    with pytest.raises(ResourceExistsError):
        workspace.components.create_or_update(changed)
    described = step(source)
    described.version, described.tags = "1", {"a": "b"}
    with pytest.raises(ResourceExistsError):
        changed.description = "other"
        workspace.components.create_or_update(changed)


def test_a_pipeline_component_and_one_from_yaml(workspace: Any, source: Path) -> None:
    (source.parent / "split.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\n"
        "type: command\nname: from_yaml\nversion: '3'\ncode: src\n"
        f"environment:\n  image: {IMAGE}\n"
        "inputs:\n  rows:\n    type: uri_file\noutputs:\n  out:\n    type: uri_folder\n"
        "command: python main.py ${{inputs.rows}} ${{outputs.out}}\n"
    )
    inner = workspace.components.create_or_update(load_component(source.parent / "split.yml"))
    assert (inner.name, inner.version) == ("from_yaml", "3")

    (source.parent / "whole.yml").write_text(
        "type: pipeline\nname: whole\nversion: '1'\ninputs:\n  rows:\n    type: uri_file\noutputs:\n  out:\n    type: uri_folder\n"
        "jobs:\n  split:\n    type: command\n    component: azureml:from_yaml:3\n"
        "    inputs:\n      rows: ${{parent.inputs.rows}}\n    outputs:\n      out: ${{parent.outputs.out}}\n"
    )
    made = workspace.components.create_or_update(load_component(source.parent / "whole.yml"))
    found = workspace.components.get("whole")
    assert (made.type, found.version) == ("pipeline", "1") and found.jobs["split"].component.endswith("from_yaml:3")


def test_the_default_version_of_none(shared: Any, arm: Any) -> None:
    answer = arm.get(f"{workspace_id(shared)}/components/none/versions/azureml_default", version="2024-01-01-preview")
    assert answer.status_code == 404 and "none" in answer.json()["error"]["message"]


def test_code_is_there_once(workspace: Any, source: Path, tmp_path: Path) -> None:
    codes = workspace.jobs._code_operations if hasattr(workspace.jobs, "_code_operations") else workspace._code
    first = codes.create_or_update(Code(path=str(source)))
    second = codes.create_or_update(Code(path=str(source)))
    assert first.id == second.id and codes.get(first.name, first.version).path == first.path
    assert first.path.startswith("https://") and first.path.endswith("/src")
    codes.download(first.name, first.version, tmp_path / "down")
    assert (tmp_path / "down" / "main.py").read_text() == "print('hello')\n"
    (source / "main.py").write_text("print('other')\n")
    assert codes.create_or_update(Code(path=str(source))).id != first.id
    with pytest.raises(ResourceNotFoundError):
        codes.get("none", "1")


def test_code_through_plain_requests(workspace: Any, arm: Any) -> None:
    at = f"{workspace_id(workspace)}/codes/mine/versions/1"
    upload = arm.post(f"{at}/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"})
    assert upload.status_code == 200, upload.text
    place = upload.json()["blobReferenceForConsumption"]
    assert place["credential"]["credentialType"] == "SAS" and place["credential"]["sasUri"].startswith(place["blobUri"])
    digest = {"hash_sha256": "abc", "hash_version": 202208}
    made = put_version(
        arm, workspace, "codes", "mine", "1", {"codeUri": f"{place['blobUri']}/src", "properties": digest}
    )
    assert made.status_code == 201
    versions = f"{workspace_id(workspace)}/codes/mine/versions"
    assert len(arm.get(versions, query={"hash": "abc", "hashVersion": "202208"}).json()["value"]) == 1
    assert arm.get(versions, query={"hash": "other"}).json()["value"] == []
    moved = put_version(arm, workspace, "codes", "mine", "1", {"codeUri": f"{place['blobUri']}/other"})
    assert moved.status_code == 409 and moved.json()["error"]["message"] == "Asset paths cannot be updated."


@pytest.mark.parametrize(("path", "status"), [("codes/-a/versions/1", 400), ("codes/a/versions/1%202", 400)])
def test_an_upload_for_a_name_that_is_none(shared: Any, arm: Any, path: str, status: int) -> None:
    assert arm.post(f"{workspace_id(shared)}/{path}/startPendingUpload", {}).status_code == status


def test_an_upload_in_a_workspace_that_is_not_there(shared: Any, arm: Any) -> None:
    assert arm.post(f"{workspace_id(shared)}none/codes/a/versions/1/startPendingUpload", {}).status_code == 404
    other = arm.post(f"{workspace_id(shared)}/codes/a/versions/1/startPendingUpload", {"pendingUploadType": "Other"})
    assert other.status_code == 400


def test_a_component_without_its_environment(shared: Any, source: Path) -> None:
    with pytest.raises(ValidationException, match="no-such-environment"):
        shared.components.create_or_update(step(source, environment="azureml:no-such-environment@latest"))

"""What the engine, or the provider, refuses: the cause and the next step, from the module that commands run the engine by."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from emulator import Emulator
from infra import engine
from infra.errors import EngineError
from tests.engine.conftest import CHECKOUT, Project

pytestmark = pytest.mark.engine


def without(project: Project, *names: str, **others: str) -> engine.Engine:
    """The project's engine, with another environment."""
    kept = {name: value for name, value in project.engine.environment.items() if name not in names}
    return replace(project.engine, environment={**kept, **others})


def test_what_is_missing_is_named_with_what_to_do(project: Project, tmp_path: Path) -> None:
    project.say({})
    path = project.engine.environment["PATH"].split(":")

    def path_without(program: str) -> str:
        return ":".join(folder for folder in path if not (Path(folder) / program).exists())

    passphrase = "PULUMI_CONFIG_PASSPHRASE"
    empty = tmp_path / "empty"
    empty.mkdir()
    for other, message, next in (
        (without(project, "PULUMI_BACKEND_URL"), "No backend is chosen", "PULUMI_BACKEND_URL"),
        (without(project, PULUMI_BACKEND_URL=f"file://{empty}"), "has no stack 'test'", "pulumi stack init test"),
        (without(project, passphrase), "passphrase, and the one given is missing or wrong", passphrase),
        (without(project, **{passphrase: "another"}), "missing or wrong", passphrase),
        (without(project, PATH=path_without("pulumi-language-python")), "'pulumi-language-python'", engine.INSTALL),
    ):
        with pytest.raises(EngineError, match=message) as refused:
            other.run("preview")
        assert next in str(refused.value.next), refused.value

    project.say(
        {"group": {"type": "azure-native:resources:ResourceGroup", "properties": {"resourceGroupName": "rg-@"}}}
    )
    nobody = without(project, PATH=path_without("pulumi-resource-azure-native"))
    with pytest.raises(EngineError, match="no provider 'pulumi-resource-azure-native'") as refused:
        nobody.run("preview")
    assert "infra/provider/bin on PATH" in str(refused.value.next)
    azure = without(project, "HTTPS_PROXY", "https_proxy")
    with pytest.raises(
        EngineError, match="for the emulator alone. https://management.azure.com would be reached without"
    ):
        azure.run("up", "--yes", "--skip-preview")


def test_arguments_are_completed_as_azure_native_does_and_refused_by_name(project: Project) -> None:
    group = {"type": "azure-native:resources:ResourceGroup", "properties": {}}
    account = {
        "type": "azure-native:storage:StorageAccount",
        "properties": {"resourceGroupName": "${group.name}", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}},
    }
    project.say({"group": group, "account": account})
    assert {operation for operation, _ in project.plan().values()} == {"create"}
    project.up()
    state = project.state()
    assert state["account"]["inputs"]["accountName"].startswith("account")
    assert state["account"]["inputs"]["location"] == state["group"]["inputs"]["location"] == "westeurope"
    project.up("--expect-no-changes")

    for properties, said in (
        ({"accountName": "No Name!"}, "accountName .*: 'No Name!' is no name for Microsoft.Storage/storageAccounts"),
        ({"tags": {"owner": ""}}, "tags.owner .*: empty, which"),
        ({"resourceGroupName": None}, "resourceGroupName .*: not given"),
    ):
        project.say({"group": group, "account": {**account, "properties": {**account["properties"], **properties}}})
        assert re.search(f"property {said}", project.pulumi("preview", fails=True))
    project.say({"other": {"type": "azure-native:cache:Redis", "properties": {"name": "x"}}})
    assert "azure-native:cache:Redis is not in infra/table.py" in project.pulumi("preview", fails=True)


def test_a_laptop_needs_no_backend_and_the_checkout_stays_as_it_is(
    program: engine.Program, azure: Emulator, tmp_path: Path, language_host: None
) -> None:
    files = {file: file.read_bytes() for file in (CHECKOUT / "stacks").iterdir()}
    for _ in range(2):
        opened = engine.open("local", tmp_path)
        assert opened.emulated
        assert "to create" in opened.run("preview").stdout
    with pytest.raises(EngineError, match="aml:nothing: there is no such key; there are .*compute") as refused:
        opened.run("preview", "--config", "aml:nothing=1")
    assert "stacks/Pulumi.local.yaml" in str(refused.value.next)
    assert {file: file.read_bytes() for file in (CHECKOUT / "stacks").iterdir()} == files

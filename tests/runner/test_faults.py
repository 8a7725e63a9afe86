"""Azure's bad days, as the runner meets them: what passes is waited for, what does not is told with the next step."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from emulator import Emulator
from runner import config, polling, resources, roles, settings
from runner.azure_errors import explain
from runner.errors import CloudError
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.runner.conftest import Aml

CONTRIBUTOR, READER = "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
Switch = Callable[..., None]


@pytest.fixture
def fault(azure: Emulator) -> Iterator[Switch]:
    def switch(kind: str, **how: object) -> None:
        azure.control("/_emulator/faults", method="POST", body={"kind": kind, **how})

    yield switch
    azure.control("/_emulator/faults", method="DELETE")


def test_a_role_that_was_just_given_is_waited_for_and_one_that_was_not_is_not(
    aml: Aml, place: dict[str, str], arm: Arm, fault: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = settings.Settings(place, {}).workspace_id
    account = arm.get(workspace).json()["properties"]["storageAccount"]
    name = account.rpartition("/")[2]
    assert arm.put(f"{account}/blobServices/default/containers/data", {"properties": {}}).status_code == 201
    own = {"datastoreType": "AzureBlob", "accountName": name, "containerName": "data"}
    body = {"properties": {**own, "credentials": {"credentialsType": "None"}}}
    assert arm.put(f"{workspace}/datastores/own", body).status_code == 201
    (tmp_path / "x.csv").write_text("a\n1\n")
    upload = ("data", "upload", tmp_path / "x.csv", "/", "--datastore", "own")

    def assign(role: str, scope: str) -> None:
        id = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"/subscriptions/{arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        me = roles._me(Workspace(settings.Settings(place, {})))
        answer = arm.put(id, {"properties": {"roleDefinitionId": definition, "principalId": me}})
        assert answer.status_code == 201, answer.text

    fault("role-delay", path=name, seconds=2)
    assign(READER, account)  # a role, and none for data
    refused = aml(*upload)
    assert refused.code == 2 and "waiting" not in refused.err, refused.err
    assert "no role on the data" in refused.err and "az role assignment create --role" in refused.err
    assign(CONTRIBUTOR, account)
    waited = aml(*upload)
    assert waited.code == 0 and "now at /x.csv" in waited.err, waited.err
    assert f"storage account {name} does not heed the role 'Storage Blob Data Contributor' yet" in waited.err
    assert waited.err.count("waiting, Azure takes up to 10 min") == 1

    fault("role-delay", path=name, seconds=3600)
    here = Workspace(settings.Settings(place, {}))
    fresh = roles.fresh_role(here, name)
    assert fresh is not None
    almost = replace(fresh, age=roles.SPREADS - 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(roles, "fresh_role", lambda workspace, account: almost)
        late = aml(*upload)
    assert late.code == 2 and "still refuses this sign-in, though the role" in late.err and "az login" in late.err
    # Who may not see the account's roles goes by the age of the workspace.
    fault("forbidden", path="roleAssignments", times=0)
    fresh = roles.fresh_role(here, name)
    assert fresh is not None and fresh.what == "what came with the workspace"


def test_what_passes_by_itself_is_not_even_told(aml: Aml, place: dict[str, str], fault: Switch) -> None:
    for kind in ("throttle", "error"):
        fault(kind, path=place[settings.WORKSPACE])
        said = aml("jobs", "list", "--json")
        assert said.code == 0 and said.json == [], said.err


def test_what_does_not_pass_is_told_with_the_next_step(
    place: dict[str, str], fault: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster is what the runner makes by a long operation; what it did not make, it makes the next time."""
    (tmp_path / "config.yaml").write_text("compute: {size: Standard_DS3_v2}\n")
    read = config.read(tmp_path / "config.yaml", ())
    workspace = Workspace(settings.Settings(place, {}))
    for kind, said in (
        ("forbidden", "This sign-in has no role that allows it. .*aml doctor"),
        ("operation-fails", "Azure accepted it and then failed. .*then the same command again"),
    ):
        fault(kind, path="/computes/", methods=["PUT"])
        with pytest.raises(HttpResponseError) as raised:
            resources.make_compute(workspace, read)
        told = explain(raised.value)
        assert told.exit_code == 2
        assert re.match(said, f"{told.message} {told.next}"), told.lines()
    with pytest.raises(CloudError, match="could not be provisioned") as unusable:
        resources.look_at_compute(workspace, read)
    assert "az ml compute delete --name cpu-cluster" in str(unusable.value.next)
    fault("conflict", path="/computes/", methods=["PUT"])  # which says when to ask again
    resources.make_compute(workspace, read)
    assert resources.look_at_compute(workspace, read)

    fault("stuck-delete", path="/computes/")
    monkeypatch.setattr(polling, "PATIENCE", 1.0)
    with pytest.raises(CloudError, match="removing: Azure accepted it, and it did not end within 1 s") as stuck:
        polling.awaited(workspace.client.compute.begin_delete(place[settings.COMPUTE]), "removing")
    assert "activity log" in str(stuck.value.next)

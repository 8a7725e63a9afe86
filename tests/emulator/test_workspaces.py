"""Workspaces through the SDK and through plain requests: what they are bound to, what they come with, what they refuse."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.emulator.machinelearning import bound_to, workspace_id

PROVIDER = "Microsoft.MachineLearningServices"


@pytest.fixture
def bindings(arm: Any, group: str) -> dict[str, str]:
    return bound_to(arm, group)


def body(bindings: dict[str, str], **properties: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {**bindings, **properties},
    }


def guid(client: Any, arm: Any) -> str:
    found: str = arm.get(workspace_id(client)).json()["properties"]["workspaceId"]
    return found


def new_id(group: str) -> str:
    return f"{group}/providers/{PROVIDER}/workspaces/w-{uuid.uuid4().hex[:10]}"


def test_the_sdk_creates_one_with_all_that_it_is_bound_to(workspace: Any, arm: Any) -> None:
    found = workspace.workspaces.get()
    assert found.location == "westeurope" and found.tags["createdByToolkit"].startswith("sdk-v2-")
    assert found.discovery_url == "https://westeurope.api.azureml.ms/discovery"
    assert uuid.UUID(guid(workspace, arm)) and "/mlflow/v" in found.mlflow_tracking_uri
    for id in (found.storage_account, found.key_vault, found.application_insights):
        assert arm.get(id).status_code == 200


def test_the_sdk_lists_updates_and_deletes(workspace: Any) -> None:
    name = workspace.workspace_name
    assert name in [one.name for one in workspace.workspaces.list()]
    found = workspace.workspaces.get(name)
    found.description, found.tags["team"] = "changed", "iris"
    updated = workspace.workspaces.begin_update(found).result()
    assert (updated.description, updated.tags["team"]) == ("changed", "iris")
    assert workspace.workspaces.get(name).identity.principal_id == found.identity.principal_id
    workspace.workspaces.begin_delete(name, delete_dependent_resources=False).result()
    with pytest.raises(ResourceNotFoundError):
        workspace.workspaces.get(name)


def test_creating_again_updates(workspace: Any, arm: Any) -> None:
    from azure.ai.ml.entities import Workspace

    before = guid(workspace, arm)
    again = Workspace(name=workspace.workspace_name, location="westeurope", display_name="Again", tags={})
    assert workspace.workspaces.begin_create(again).result().display_name == "Again"
    assert guid(workspace, arm) == before


def test_keys(workspace: Any, arm: Any) -> None:
    keys = workspace.workspaces.get_keys()
    account = workspace.workspaces.get().storage_account
    assert keys.user_storage_key in [key["value"] for key in arm.post(f"{account}/listKeys").json()["keys"]]
    insights = arm.get(workspace.workspaces.get().application_insights).json()["properties"]
    assert keys.app_insights_instrumentation_key == insights["InstrumentationKey"]
    assert keys.notebook_access_keys.primary_access_key != keys.notebook_access_keys.secondary_access_key
    workspace.workspaces.begin_sync_keys().result()
    id = workspace_id(workspace)
    assert arm.post(f"{id}/listStorageAccountKeys").json() == {"userStorageKey": keys.user_storage_key}
    assert arm.post(f"{id}/listNotebookKeys").json()["primaryAccessKey"] == keys.notebook_access_keys.primary_access_key
    refused = arm.post(f"{id}/listNotebookAccessToken")
    assert refused.status_code == 501 and "listNotebookAccessToken" in refused.json()["error"]["message"]


def test_diagnose_tells_what_is_gone(workspace: Any, arm: Any) -> None:
    assert not workspace.workspaces.begin_diagnose(workspace.workspace_name).result().key_vault_results
    vault = workspace.workspaces.get().key_vault
    assert arm.delete(vault).status_code in (200, 202)
    found = workspace.workspaces.begin_diagnose(workspace.workspace_name).result()
    assert [one.code for one in found.key_vault_results] == ["ResourceNotFound"]


def test_plain_requests(arm: Any, group: str, bindings: dict[str, str]) -> None:
    id = new_id(group)
    created = arm.put(id, body(bindings, friendlyName="Iris"))
    assert created.status_code == 201 and created.headers["Azure-AsyncOperation"]
    assert arm.get(created.headers["Azure-AsyncOperation"], version=None).json()["status"] == "Succeeded"
    found = arm.get(id).json()
    assert (found["kind"], found["sku"]["name"], found["identity"]["type"]) == ("Default", "Basic", "SystemAssigned")
    assert uuid.UUID(found["identity"]["principalId"]) and uuid.UUID(found["identity"]["tenantId"])
    assert (
        found["properties"]["friendlyName"] == "Iris"
        and found["properties"]["storageAccount"] == bindings["storageAccount"]
    )
    assert "run" not in found and "notebookKeys" not in str(found)
    patched = arm.patch(id, {"tags": {"a": "b"}, "properties": {"description": "said", "imageBuildCompute": "c"}})
    assert patched.status_code == 200 and patched.json()["properties"]["friendlyName"] == "Iris"
    assert patched.json()["properties"]["workspaceId"] == found["properties"]["workspaceId"]
    assert arm.put(id, arm.get(id).json()).status_code == 200, "What GET answers can be put again."
    for scope in (group, f"/subscriptions/{arm.subscription}"):
        listed = arm.get(f"{scope}/providers/{PROVIDER}/workspaces").json()["value"]
        assert id in [one["id"] for one in listed]
    assert arm.get(f"{id}/connections").json()["value"] == []
    assert arm.get(f"{id}/privateEndpointConnections").json()["value"] == []
    deleted = arm.delete(id)
    assert (
        deleted.status_code == 202
        and arm.get(deleted.headers["Azure-AsyncOperation"], version=None).json()["status"] == "Succeeded"
    )
    assert arm.get(id).status_code == 404 and arm.delete(id).status_code == 204


@pytest.mark.parametrize("name", ["ab", "a" * 34, "-abc", "a.bc"])
def test_a_name_against_the_rule(arm: Any, group: str, bindings: dict[str, str], name: str) -> None:
    answer = arm.put(f"{group}/providers/{PROVIDER}/workspaces/{name}", body(bindings))
    assert answer.status_code == 400 and f"'{name}'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("missing", ["storageAccount", "keyVault"])
def test_without_what_it_needs(arm: Any, group: str, bindings: dict[str, str], missing: str) -> None:
    del bindings[missing]
    answer = arm.put(new_id(group), body(bindings))
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "ValidationError"
    assert missing in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["storageAccount", "keyVault", "applicationInsights", "containerRegistry"])
def test_bound_to_what_is_not_there(arm: Any, group: str, bindings: dict[str, str], name: str) -> None:
    gone = f"{bindings.get(name, f'{group}/providers/Microsoft.ContainerRegistry/registries/r')}none"
    answer = arm.put(new_id(group), body({**bindings, name: gone}))
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "InvalidResourceReference"
    assert gone in answer.json()["error"]["message"]
    other = arm.put(
        new_id(group), body({**bindings, name: bindings["keyVault" if name != "keyVault" else "storageAccount"]})
    )
    assert other.status_code == 400 and other.json()["error"]["code"] == "ValidationError"


@pytest.mark.parametrize("change", [{"hbiWorkspace": True}, {"storageAccount": None}, {"keyVault": None}])
def test_what_stays(arm: Any, group: str, bindings: dict[str, str], change: dict[str, Any]) -> None:
    id, other = new_id(group), bound_to(arm, group)
    assert arm.put(id, body(bindings)).status_code == 201
    change = {name: other[name] if value is None else value for name, value in change.items()}
    answer = arm.patch(id, {"properties": change})
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "PropertyChangeNotAllowed"
    assert next(iter(change)) in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "sent",
    [
        {"kind": "Hub"},
        {"kind": "Project"},
        {"kind": "FeatureStore"},
        {"properties": {"managedNetwork": {"isolationMode": "AllowOnlyApprovedOutbound", "outboundRules": {"a": {}}}}},
        {"properties": {"encryption": {"status": "Enabled"}}},
        {"properties": {"v1LegacyMode": True}},
    ],
)
def test_what_is_not_emulated_says_so(arm: Any, group: str, bindings: dict[str, str], sent: dict[str, Any]) -> None:
    request = body(bindings, **sent.get("properties", {}))
    answer = arm.put(
        new_id(group), {**request, **{name: value for name, value in sent.items() if name != "properties"}}
    )
    assert answer.status_code == 501 and "does not emulate" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "properties",
    [
        {"hbiWorkspace": "perhaps"},
        {"friendlyName": 3},
        {"publicNetworkAccess": "Half"},
        {"noSuchProperty": 1},
        {"networkAcls": []},
    ],
)
def test_a_property_that_is_none(arm: Any, group: str, bindings: dict[str, str], properties: dict[str, Any]) -> None:
    answer = arm.put(new_id(group), body(bindings, **properties))
    expected = 201 if properties == {"networkAcls": []} else 400
    assert answer.status_code == expected, answer.text
    if expected == 400:
        assert answer.json()["error"]["code"] == "InvalidRequestContent" and next(iter(properties)) in answer.text


def test_an_identity_that_is_not_there(arm: Any, group: str, bindings: dict[str, str]) -> None:
    mine = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
    assert arm.put(mine, {"location": "westeurope"}).status_code in (200, 201)
    identity = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {mine: {}}}
    found = arm.put(new_id(group), {**body(bindings), "identity": identity})
    assert found.status_code == 201 and uuid.UUID(
        found.json()["identity"]["userAssignedIdentities"][mine]["principalId"]
    )
    gone = {"type": "UserAssigned", "userAssignedIdentities": {f"{mine}2": {}}}
    answer = arm.put(new_id(group), {**body(bindings), "identity": gone})
    assert answer.status_code == 404 and f"{mine}2".rpartition("/")[2] in answer.json()["error"]["message"]


def test_a_managed_network_never_gets_less_isolated(arm: Any, group: str, bindings: dict[str, str]) -> None:
    id = new_id(group)
    assert arm.put(id, body(bindings)).json()["properties"]["managedNetwork"] == {"isolationMode": "Disabled"}
    closed = {"managedNetwork": {"isolationMode": "AllowOnlyApprovedOutbound"}}
    assert arm.patch(id, {"properties": closed}).status_code == 200
    found = arm.get(id).json()["properties"]["managedNetwork"]
    assert found["isolationMode"] == "AllowOnlyApprovedOutbound" and found["status"]["status"] == "Inactive"
    for mode in ("Disabled", "AllowInternetOutbound"):
        answer = arm.patch(id, {"properties": {"managedNetwork": {"isolationMode": mode}}})
        assert answer.status_code == 400 and "cannot be changed" in answer.json()["error"]["message"]


def test_a_group_takes_its_workspaces_with_it(arm: Any, group: str, bindings: dict[str, str]) -> None:
    id = new_id(group)
    assert arm.put(id, body(bindings)).status_code == 201
    assert arm.delete(group, version="2024-03-01").status_code in (200, 202)
    assert arm.put(id, body(bindings)).status_code in (404, 409)

"""What is deleted holds its name, as in Azure: vaults and workspaces."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.conftest import Arm
from tests.emulator.machinelearning import workspace_id

TENANT = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def vault(arm: Arm, group: str) -> str:
    id = f"{group}/providers/Microsoft.KeyVault/vaults/kv-{uuid.uuid4().hex[:8]}"
    assert arm.put(id, body(tags={"a": "b"})).status_code == 200
    return id


def body(**top: Any) -> dict[str, Any]:
    properties = {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
    return {"location": "westeurope", "properties": properties, **top}


def changed(**properties: Any) -> dict[str, Any]:
    return body(properties={**body()["properties"], **properties})


def test_a_deleted_vault_is_listed_recovered_or_purged(arm: Arm, vault: str) -> None:
    provider = f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault"
    name = vault.rpartition("/")[2]
    gone = f"{provider}/locations/westeurope/deletedVaults/{name}"
    version = "2024-11-01"
    assert arm.get(gone, version=version).status_code == 404
    assert arm.delete(vault).status_code == 200 and arm.get(vault).status_code == 404
    found = arm.get(gone, version=version).json()
    assert found["properties"]["vaultId"] == vault and found["properties"]["tags"] == {"a": "b"}
    assert gone in [one["id"] for one in arm.get(f"{provider}/deletedVaults", version=version).json()["value"]]

    refused = arm.put(vault, body())
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ConflictError")
    assert "You need to either recover or purge" in refused.json()["error"]["message"]
    assert arm.put(vault, changed(createMode="recover")).json()["tags"] == {"a": "b"}
    assert arm.get(gone, version=version).status_code == 404, "It is there again."

    assert arm.put(vault, changed(enablePurgeProtection=True)).status_code == 200
    arm.delete(vault)
    assert arm.post(f"{gone}/purge", version=version).json()["error"]["code"] == "MethodNotAllowed"


def test_the_vaults_and_workspaces_of_a_deleted_group_hold_their_names(arm: Arm, group: str, vault: str) -> None:
    assert arm.delete(group).status_code == 202
    assert arm.put(group, {"location": "westeurope"}).status_code == 201
    assert arm.put(vault, body()).status_code == 409
    gone = f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/"
    assert arm.post(f"{gone}{vault.rpartition('/')[2]}/purge", version="2024-11-01").status_code == 200
    assert arm.put(vault, body()).status_code == 200


def test_a_deleted_workspace_is_recovered_with_what_azure_keeps_or_purged(workspace: Any, arm: Arm) -> None:
    """https://learn.microsoft.com/azure/machine-learning/concept-soft-delete"""
    from azure.ai.ml import command
    from azure.ai.ml.entities import AmlCompute, Data, Environment, Workspace
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    name, id = workspace.workspace_name, workspace_id(workspace)
    group = id.partition("/providers/")[0]

    def create() -> Any:
        return workspace.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()

    def delete(**how: bool) -> None:
        workspace.workspaces.begin_delete(name, delete_dependent_resources=False, **how).result()

    def recover(location: str = "westeurope") -> Any:
        body = {"location": location, "tags": {"a": "b"}, "properties": {"allowRecoverSoftDeletedWorkspace": "True"}}
        return arm.put(id, body, version="2022-01-01-preview")

    def purge(of: str = id) -> Any:
        return arm.delete(of, query={"forceToPurge": "true"})

    plain = Environment(image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04")
    path = "azureml://datastores/workspaceblobstore/paths/x"
    workspace.data.create_or_update(Data(name="kept", version="1", path=path, type="uri_folder"))
    workspace.compute.begin_create_or_update(AmlCompute(name="cluster", size="STANDARD_DS3_V2")).result()
    job = workspace.jobs.create_or_update(command(command="sleep 600", environment=plain))
    before = arm.get(id).json()
    delete()
    for refused in (workspace.jobs.list, create, lambda: workspace.data.get("kept", version="1")):
        with pytest.raises(HttpResponseError):
            list(refused())
    with pytest.raises(HttpResponseError, match="Soft-deleted workspace exists. Please purge or recover it"):
        create()
    elsewhere = recover("northeurope")
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (409, "InvalidResourceLocation")
    assert arm.get(id).status_code == 404, "What is refused has nothing back."

    assert recover().status_code == 200
    after = arm.get(id).json()
    assert after["tags"] == {"a": "b"} and after["identity"] == before["identity"]
    same = ("workspaceId", "storageAccount", "friendlyName")
    assert [after["properties"][one] for one in same] == [before["properties"][one] for one in same]
    assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert workspace.jobs.get(job.name).status == "Canceled", "What ran was ended."
    tracking = after["properties"]["mlFlowTrackingUri"].replace("azureml://", "https://")
    run = arm.session.get(f"{tracking}/api/2.0/mlflow/runs/get", params={"run_id": job.name}, timeout=30)
    assert run.json()["run"]["info"]["run_id"] == job.name
    assert workspace.data.get("kept", version="1").path.endswith("/paths/x/")
    assert workspace.datastores.get_default().name == "workspaceblobstore"
    with pytest.raises(ResourceNotFoundError):
        workspace.compute.get("cluster")
    assert purge(f"{group}x{id.removeprefix(group)}").json()["error"]["code"] == "ResourceGroupNotFound"

    delete()
    account = after["properties"]["storageAccount"]
    assert arm.delete(account).status_code == 200
    assert recover().json()["error"]["code"] == "InvalidResourceReference"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    assert arm.put(account, body).status_code in (200, 202) and recover().status_code == 200
    assert arm.get(f"{account}/blobServices/default/containers/azureml").status_code == 200, "It is made again."
    delete()
    assert (purge().status_code, purge().status_code) == (200, 204)
    assert create().name == name
    assert not list(workspace.jobs.list()) and not list(workspace.data.list())
    delete(permanently_delete=True)
    assert recover().json()["error"]["code"] == "ValidationError", "There is nothing to recover: it would be a new one."

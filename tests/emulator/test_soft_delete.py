"""What is deleted holds its name, as in Azure: vaults and workspaces."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.conftest import Arm

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


def test_a_deleted_workspace_is_purged_or_refused(workspace: Any, arm: Arm) -> None:
    from azure.ai.ml.entities import Workspace
    from azure.core.exceptions import HttpResponseError

    def create() -> Any:
        found = Workspace(name=name, location="westeurope")
        return workspace.workspaces.begin_create(found).result()

    name = workspace.workspace_name
    workspace.workspaces.begin_delete(name, delete_dependent_resources=False, permanently_delete=True).result()
    create()
    workspace.workspaces.begin_delete(name, delete_dependent_resources=False).result()
    with pytest.raises(HttpResponseError, match="Soft-deleted workspace exists. Please purge or recover it"):
        create()
    id = f"/subscriptions/{arm.subscription}/resourceGroups/{workspace.resource_group_name}"
    id = f"{id}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    assert arm.delete(id, query={"forceToPurge": "true"}).status_code == 200
    assert create().name == name

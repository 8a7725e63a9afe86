"""The other types that a stack needs: what clients read off them, and what they refuse."""

from __future__ import annotations

import uuid
from typing import Any

import pytest


def name(letter: str = "n") -> str:
    return f"{letter}{uuid.uuid4().hex[:12]}"


@pytest.fixture
def vault_body(azure: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "properties": {
            "tenantId": azure.settings.tenant,
            "sku": {"family": "A", "name": "Standard"},
            "enableRbacAuthorization": True,
        },
    }


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_vault(arm: Any, group: str, vault_body: dict[str, Any]) -> None:
    id = f"{group}/providers/Microsoft.KeyVault/vaults/{name('v')}"
    assert arm.put(id, vault_body).ok
    properties = arm.get(id).json()["properties"]
    assert properties["vaultUri"] == f"https://{id.rpartition('/')[2]}.vault.azure.net/"
    assert properties["sku"] == {"family": "A", "name": "standard"}
    assert code(arm.put(f"{group}/providers/Microsoft.KeyVault/vaults/two--dashes", vault_body)) == (
        400,
        "VaultNameNotValid",
    )
    del vault_body["properties"]["tenantId"]
    assert arm.put(id, vault_body).status_code == 400


def test_a_vaults_keys_are_not_emulated_and_say_so(arm: Any, azure: Any) -> None:
    answer = arm.get("https://v.vault.azure.net/keys/x", version="7.4")
    assert code(answer) == (501, "NotImplemented")
    assert "v.vault.azure.net/keys/x" in answer.json()["error"]["message"]


def test_log_analytics_and_application_insights(arm: Any, group: str) -> None:
    logs = f"{group}/providers/Microsoft.OperationalInsights/workspaces/{name()}"
    assert arm.put(logs, {"location": "westeurope", "properties": {"sku": {"name": "PerGB2018"}}}).status_code == 201
    customer = arm.get(logs).json()["properties"]["customerId"]
    keys = arm.post(f"{logs}/sharedKeys").json()
    assert len(keys["primarySharedKey"]) == 88
    assert arm.put(logs, {"location": "westeurope", "tags": {"a": "b"}}).json()["properties"]["customerId"] == customer
    assert arm.post(f"{logs}/sharedKeys").json() == keys

    component = f"{group}/providers/Microsoft.Insights/components/{name()}"
    body = {
        "location": "westeurope",
        "kind": "web",
        "properties": {"Application_Type": "web", "WorkspaceResourceId": logs},
    }
    properties = arm.put(component, body).json()["properties"]
    assert properties["ConnectionString"].startswith(f"InstrumentationKey={properties['InstrumentationKey']};")
    body["properties"]["WorkspaceResourceId"] = f"{logs}x"  # type: ignore[index]
    assert code(arm.put(component, body)) == (404, "ResourceNotFound")


def test_a_registrys_admin_is_off_until_asked_for(arm: Any, group: str) -> None:
    id = f"{group}/providers/Microsoft.ContainerRegistry/registries/{name()}"
    body = {"location": "westeurope", "sku": {"name": "basic"}}
    created = arm.put(id, body).json()
    assert created["properties"]["loginServer"] == f"{id.rpartition('/')[2]}.azurecr.io"
    assert created["sku"] == {"name": "Basic", "tier": "Basic"}
    assert code(arm.post(f"{id}/listCredentials")) == (400, "UnAuthorizedForCredentialOperations")
    arm.patch(id, {"properties": {"adminUserEnabled": True}})
    assert len(arm.post(f"{id}/listCredentials").json()["passwords"]) == 2
    assert code(arm.put(f"{group}/providers/Microsoft.ContainerRegistry/registries/a-b", body)) == (
        400,
        "InvalidResourceName",
    )


def test_an_identity_and_what_is_assigned_it(arm: Any, group: str) -> None:
    id = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name()}"
    made = arm.put(id, {"location": "westeurope"}).json()["properties"]
    assert arm.put(id, {"location": "westeurope"}).json()["properties"] == made
    vnet = f"{group}/providers/Microsoft.Network/natGateways/{name()}"
    both = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {id: {}}}
    identity = arm.put(vnet, {"location": "westeurope", "identity": both}).json()["identity"]
    assert identity["userAssignedIdentities"][id] == {"principalId": made["principalId"], "clientId": made["clientId"]}
    again = arm.put(vnet, {"location": "westeurope", "identity": both}).json()["identity"]
    assert again["principalId"] == identity["principalId"]
    both["userAssignedIdentities"] = {f"{id}x": {}}
    assert arm.put(vnet, {"location": "westeurope", "identity": both}).status_code == 404
    assert code(arm.put(vnet, {"location": "westeurope", "identity": {"type": "Magic"}})) == (
        400,
        "InvalidIdentityType",
    )


def test_subnets_named_in_a_network_are_resources(arm: Any, group: str) -> None:
    id = f"{group}/providers/Microsoft.Network/virtualNetworks/{name()}"
    subnets = [{"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}]
    body = {
        "location": "westeurope",
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets},
    }
    assert arm.put(id, body).json()["properties"]["subnets"][0]["id"] == f"{id}/subnets/a"
    assert arm.get(f"{id}/subnets/a").json()["properties"]["addressPrefix"] == "10.0.0.0/24"
    assert arm.put(f"{id}/subnets/b", {"properties": {"addressPrefix": "10.0.1.0/24"}}).status_code == 201
    assert [one["name"] for one in arm.get(id).json()["properties"]["subnets"]] == ["a", "b"]
    assert code(arm.put(f"{id}/subnets/c", {"properties": {"addressPrefix": "ten"}})) == (400, "InvalidCIDRNotation")


READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def test_roles_are_assigned_and_listed_by_scope(arm: Any, group: str) -> None:
    principal, provider = str(uuid.uuid4()), "/providers/Microsoft.Authorization/roleAssignments"
    role = f"/subscriptions/{arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    body = {"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}}
    id = f"{group}{provider}/{uuid.uuid4()}"
    made = arm.put(id, body)
    assert made.status_code == 201
    assert made.json()["properties"]["scope"] == group
    assert code(arm.put(f"{group}{provider}/{uuid.uuid4()}", body)) == (409, "RoleAssignmentExists")
    assert code(arm.put(f"{group}{provider}/not-a-guid", body))[0] == 400

    def listed(scope: str, text: str) -> list[str]:
        return [one["id"] for one in arm.get(f"{scope}{provider}", query={"$filter": text}).json()["value"]]

    assert listed(group, f"principalId eq '{principal}'") == [id]
    assert listed(f"/subscriptions/{arm.subscription}", f"assignedTo('{principal}')") == [id]
    assert listed(f"/subscriptions/{arm.subscription}", f"atScope() and principalId eq '{principal}'") == []
    assert code(arm.get(f"{group}{provider}", query={"$filter": "color eq 'red'"})) == (400, "UnsupportedQuery")
    assert arm.delete(id).json()["properties"]["principalId"] == principal, "What is deleted is told."
    assert arm.delete(id).status_code == 204
    assert listed(group, f"principalId eq '{principal}'") == []


def test_a_role_by_its_name(arm: Any) -> None:
    found = arm.get(
        f"/subscriptions/{arm.subscription}/providers/Microsoft.Authorization/roleDefinitions",
        query={"$filter": "roleName eq 'Storage Blob Data Contributor'"},
    ).json()["value"]
    assert [one["name"] for one in found] == ["ba92f5b4-2d11-453d-a403-e96b0029c9fe"]


def test_a_role_that_is_not_known_here(arm: Any, group: str) -> None:
    body = {"properties": {"roleDefinitionId": f"/x/{uuid.uuid4()}", "principalId": str(uuid.uuid4())}}
    answer = arm.put(f"{group}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", body)
    assert answer.status_code == 501


def test_a_lock_holds(arm: Any, group: str) -> None:
    id = f"{group}/providers/Microsoft.Network/routeTables/{name()}"
    arm.put(id, {"location": "westeurope"})
    lock = f"{id}/providers/Microsoft.Authorization/locks/keep"
    assert arm.put(lock, {"properties": {"level": "CanNotDelete"}}, version="2020-05-01").status_code == 201
    assert code(arm.delete(id)) == (409, "ScopeLocked")
    assert code(arm.delete(group)) == (409, "ScopeLocked")
    assert arm.patch(id, {"tags": {"a": "b"}}).status_code == 200
    arm.put(lock, {"properties": {"level": "ReadOnly"}}, version="2020-05-01")
    assert code(arm.patch(id, {"tags": {}})) == (409, "ScopeLocked")
    assert arm.delete(lock, version="2020-05-01").status_code == 200
    assert arm.delete(id).status_code == 200

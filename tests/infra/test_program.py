"""What the program says of each stack, with nothing behind it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import mocks, rpc
from recorder import SUBSCRIPTION, evaluate

from infra import evaluation, grants, stackfile, table
from infra.config import Config
from infra.errors import ConfigError
from infra.evaluation import Evaluation, evaluate as evaluated
from infra.inprocess import Engine

SOMEBODY = "44444444-4444-4444-4444-444444444444"
SHARED = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shared"
EXISTING = {
    "storage": f"{SHARED}/providers/Microsoft.Storage/storageAccounts/stshared",
    "vault": f"{SHARED}/providers/Microsoft.KeyVault/vaults/kv-shared",
    "registry": f"{SHARED}/providers/Microsoft.ContainerRegistry/registries/crshared",
    "network": f"{SHARED}/providers/Microsoft.Network/virtualNetworks/vnet-shared",
}


def types(found: Evaluation) -> set[str]:
    return {table.type_of(request.id) for request in found.sent}


def bodies(found: Evaluation, type: str) -> list[Mapping[str, Any]]:
    return [request.body for request in found.sent if table.type_of(request.id) == type]


def own(**config: str) -> dict[str, str]:
    return {f"aml:{key}": value for key, value in config.items()}


def test_another_stack_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text((stackfile.ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "stacks" / "Pulumi.test.yaml").write_text("config:\n  azure-native:location: swedencentral\n")
    monkeypatch.setattr(stackfile, "read", partial(stackfile.read, root=tmp_path))
    _, outputs = evaluate("test")
    assert len(outputs) == 9 and outputs["AZURE_WORKSPACE_NAME"] == "mlw-aml-test-swc"


def test_nothing_of_a_private_stack_is_reached_from_outside() -> None:
    found = evaluated("prod")
    for type in (
        "Microsoft.Storage/storageAccounts",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.MachineLearningServices/workspaces",
    ):
        assert [body["properties"]["publicNetworkAccess"] for body in bodies(found, type)] == ["Disabled"]
    (vault,) = bodies(found, "Microsoft.KeyVault/vaults")
    assert vault["properties"]["publicNetworkAccess"] == "Disabled"
    assert vault["properties"]["networkAcls"]["defaultAction"] == "Deny"
    (workspace,) = bodies(found, "Microsoft.MachineLearningServices/workspaces")
    assert workspace["properties"]["imageBuildCompute"] == Config.model_fields["compute"].default.name
    (cluster,) = bodies(found, "Microsoft.MachineLearningServices/workspaces/computes")
    assert cluster["properties"]["properties"]["subnet"]["id"].endswith("/subnets/nodes")
    assert cluster["properties"]["properties"]["enableNodePublicIp"] is False
    groups = [
        connection["properties"]["groupIds"]
        for body in bodies(found, "Microsoft.Network/privateEndpoints")
        for connection in body["properties"]["privateLinkServiceConnections"]
    ]
    assert sorted(groups) == [["amlworkspace"], ["blob"], ["file"], ["registry"], ["vault"]]
    zones = {request.id.rpartition("/")[2] for request in found.sent if request.id.endswith((".net", ".ms", ".io"))}
    assert {"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net", "privatelink.azurecr.io"} < zones


def test_a_managed_network_needs_no_subnet_for_nodes() -> None:
    found = evaluated("prod", own(network='{"mode": "private", "managed": "AllowOnlyApprovedOutbound"}'))
    assert "Microsoft.Network/natGateways" not in types(found)
    (network,) = bodies(found, "Microsoft.Network/virtualNetworks")
    assert [subnet["name"] for subnet in network["properties"]["subnets"]] == ["endpoints"]
    (cluster,) = bodies(found, "Microsoft.MachineLearningServices/workspaces/computes")
    assert "subnet" not in cluster["properties"]["properties"]


def test_a_public_stack_with_rules_lets_only_those_in() -> None:
    found = evaluated("dev", own(network='{"allowedIps": ["20.1.2.3"], "managed": "AllowInternetOutbound"}'))
    (account,) = bodies(found, "Microsoft.Storage/storageAccounts")
    acls = account["properties"]["networkAcls"]
    assert acls["defaultAction"] == "Deny" and acls["ipRules"] == [{"action": "Allow", "value": "20.1.2.3"}]
    (registry,) = bodies(found, "Microsoft.ContainerRegistry/registries")
    assert registry["sku"]["name"] == "Premium"
    assert registry["properties"]["networkRuleSet"]["ipRules"] == [{"action": "Allow", "value": "20.1.2.3"}]


def test_what_is_there_already_is_used_and_not_made() -> None:
    existing = {**EXISTING, "resourceGroup": SHARED}
    found = evaluated("prod", own(existing=str(existing).replace("'", '"')))
    made = {"Microsoft.KeyVault/vaults", "Microsoft.ContainerRegistry/registries", "Microsoft.Network/virtualNetworks"}
    assert not types(found) & {*made, "Microsoft.Resources/resourceGroups", "Microsoft.Storage/storageAccounts"}
    (workspace,) = bodies(found, "Microsoft.MachineLearningServices/workspaces")
    bound = {workspace["properties"][name] for name in ("storageAccount", "keyVault", "containerRegistry")}
    assert bound == {EXISTING[name] for name in ("storage", "vault", "registry")}
    ids = [request.id for request in found.sent]
    assert f"{EXISTING['storage']}/blobServices/default/containers/flatfilestorage" in ids
    assert all(id.startswith(SHARED) for id in ids)
    locked = {id.partition("/providers/Microsoft.Authorization/locks")[0] for id in ids if "/locks/" in id}
    assert not locked & set(EXISTING.values())


def test_what_the_stack_makes_something_in_must_be_in_its_subscription() -> None:
    elsewhere = EXISTING["storage"].replace(SUBSCRIPTION, SOMEBODY)
    with pytest.raises(ConfigError, match="aml:existing.storage: .* is in another subscription than the stack"):
        evaluated("dev", own(existing=f'{{"storage": "{elsewhere}"}}'))


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_role_is_a_row_of_the_table_and_every_row_for_somebody(stack: str) -> None:
    people = dict.fromkeys(("runners", "invokers", "dataContributors"), f'["{SOMEBODY}"]')
    found = evaluated(stack, own(**people))
    ids = {request.id for request in found.sent if "/roleAssignments/" in request.id}
    given = bodies(found, "Microsoft.Authorization/roleAssignments")
    assert len(ids) == len(given), "Who is a runner and an invoker has a role of both once."
    roles = {body["properties"]["roleDefinitionId"].rpartition("/")[2] for body in given}
    assert roles <= set(grants.ROLES.values())
    facts = frozenset({grants.KEYLESS, grants.BUILDS if stack == "prod" else grants.PULLS})
    there = set(grants.SCOPES) - ({"registry"} if stack == "local" else set())
    everybody = ((grants.WORKSPACE,), (grants.CLUSTER,), (grants.RUNNER, grants.INVOKER, grants.DATA))
    assert len(given) == sum(grant.on in there for who in everybody for grant in grants.of(who, facts))


def test_what_holds_state_is_protected_where_the_stack_says_so() -> None:
    kept = {one.name for one in evaluated("prod").declared if one.protect}
    assert {"group", "storage", "flatfilestorage", "vault", "registry", "workspace", "trainer"} <= kept
    assert not any(one.protect for one in evaluated("dev").declared)


def test_an_account_key_is_a_secret_to_pulumi(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    before = Engine.new_resource

    def looked_at(self: Engine, args: mocks.MockResourceArgs) -> Any:
        if args.typ == "azure-native:machinelearningservices:Datastore":
            seen.append(args.inputs["properties"])
        return before(self, args)

    monkeypatch.setattr(Engine, "new_resource", looked_at)
    found = evaluated("dev", own(datastoreAuth="accountKey"))
    (properties,) = seen
    assert rpc.is_rpc_secret(properties)
    assert rpc.unwrap_rpc_secret(properties)["credentials"]["secrets"]["key"] not in found.outputs.values()


def test_what_must_be_there_before_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component's dependencies are not its resources' own to Pulumi: each must say so itself."""
    needs: dict[str, set[str]] = {}
    before = evaluation._Engine.declared

    def looked_at(self: Any, request: Any, id: str) -> None:
        needs[request.name] = {urn.rpartition("::")[2] for urn in request.dependencies}
        before(self, request, id)

    monkeypatch.setattr(evaluation._Engine, "declared", looked_at)
    evaluated("prod", own(runners=f'["{SOMEBODY}"]', instances='[{"name": "anna"}]'))
    assert "workspace-identity-access-vault-key-vault-administrator" in needs["workspace"]
    for name in ("trainer", "workstation-anna", "flatfilestorage"):
        assert {"workspace-endpoint-names", "cluster-identity-access-registry-acrpush"} <= needs[name]
    # Azure deletes nothing below a lock, containers and role assignments included: the locks go first.
    below = {
        "flatfilestorage",
        f"access-{SOMEBODY}-storage-storage-blob-data-contributor",
        "diagnostics-vault",
        "blob-endpoint",
    }
    assert below <= needs["lock-storage"]

"""What a change of the program makes of a resource: changed in place or replaced; what happens behind the stack's back."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Arm
from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

GROUP = {
    "type": "azure-native:resources:ResourceGroup",
    "properties": {"resourceGroupName": "rg-@", "tags": {"a": "b"}},
}
IN_GROUP = {"resourceGroupName": "${group.name}"}
ACCOUNT = {
    "type": "azure-native:storage:StorageAccount",
    "properties": {
        **IN_GROUP,
        "accountName": "st@",
        "tags": {"a": "b"},
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "minimumTlsVersion": "TLS1_2",
        "enableHttpsTrafficOnly": True,
    },
}
VAULT = {
    "type": "azure-native:keyvault:Vault",
    "properties": {
        **IN_GROUP,
        "vaultName": "kv-@",
        "properties": {
            "tenantId": "11111111-1111-1111-1111-111111111111",
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
        },
    },
}
IDENTITY = {
    "type": "azure-native:managedidentity:UserAssignedIdentity",
    "properties": {**IN_GROUP, "resourceName": "id-@"},
}
CONTAINER = {
    "type": "azure-native:storage:BlobContainer",
    "properties": {**IN_GROUP, "accountName": "${account.name}", "containerName": "data", "publicAccess": "None"},
}
WORKSPACE = {
    "type": "azure-native:machinelearningservices:Workspace",
    "properties": {
        **IN_GROUP,
        "workspaceName": "mlw-@",
        "identity": {"type": "SystemAssigned"},
        "storageAccount": "${account.id}",
        "keyVault": "${vault.id}",
        "friendlyName": "before",
    },
}
IN_WORKSPACE = {**IN_GROUP, "workspaceName": "${workspace.name}"}
DATASTORE = {
    "type": "azure-native:machinelearningservices:Datastore",
    "properties": {
        **IN_WORKSPACE,
        "name": "data",
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": "st@",
            "containerName": "data",
            "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "a2V5"}},
        },
    },
}
CLUSTER = {
    "type": "azure-native:machinelearningservices:Compute",
    "properties": {
        **IN_WORKSPACE,
        "computeName": "cluster",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["${identity.id}"]},
        "properties": {
            "computeType": "AmlCompute",
            "properties": {
                "vmSize": "STANDARD_DS3_V2",
                "vmPriority": "LowPriority",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2},
            },
        },
    },
}
ALL = {
    "group": GROUP,
    "account": ACCOUNT,
    "vault": VAULT,
    "identity": IDENTITY,
    "container": CONTAINER,
    "workspace": WORKSPACE,
    "datastore": DATASTORE,
    "cluster": CLUSTER,
}

# resource, property, its new value, what the plan says of it; nothing for what is the same to Azure
CHANGES = (
    ("group", "tags.a", "c", "update"),
    ("group", "location", "northeurope", "update-replace"),
    ("group", "resourceGroupName", "rg2-@", "update-replace"),
    ("account", "minimumTlsVersion", "TLS1_3", "update"),
    ("account", "sku.name", "Standard_GRS", "update"),
    ("account", "allowSharedKeyAccess", False, "add"),
    ("account", "tags.owner", "somebody", "add"),
    ("account", "kind", "BlockBlobStorage", "update-replace"),
    ("account", "isHnsEnabled", True, "add-replace"),
    ("account", "accountName", "st2@", "update-replace"),
    ("account", "location", "northeurope", "update-replace"),
    ("vault", "properties.enablePurgeProtection", True, "add"),
    ("vault", "location", "West Europe", None),
    ("vault", "vaultName", "kv2-@", "update-replace"),
    ("container", "metadata", {"a": "b"}, "add"),
    ("container", "containerName", "other", "update-replace"),
    ("workspace", "friendlyName", "after", "update"),
    ("workspace", "publicNetworkAccess", "Disabled", "add"),
    (
        "workspace",
        "keyVault",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
        "update-replace",
    ),
    ("workspace", "workspaceName", "mlw2-@", "update-replace"),
    ("datastore", "properties.description", "of tests", "add"),
    ("datastore", "properties.credentials.secrets.key", "b3RoZXI=", "update"),
    ("datastore", "properties.datastoreType", "AzureFile", "update-replace"),
    ("cluster", "properties.properties.scaleSettings.maxNodeCount", 4, "update"),
    ("cluster", "properties.properties.vmSize", "STANDARD_DS2_V2", "update-replace"),
    ("cluster", "properties.properties.vmPriority", "Dedicated", "update-replace"),
)


def changed(*changes: tuple[str, str, Any], of: Mapping[str, Any] = ALL) -> dict[str, Any]:
    """``of`` with each property at its new value."""
    result = copy.deepcopy(dict(of))
    for name, path, value in changes:
        *above, last = path.split(".")
        place = result[name]["properties"]
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return result


def test_a_change_of_the_program_updates_or_replaces(project: Project, arm: Arm) -> None:
    project.say(ALL)
    project.up()

    project.say(changed(*(change[:3] for change in CHANGES)))
    plan = project.plan()
    assert {name: operation for name, (operation, _) in plan.items()} == dict.fromkeys(ALL, "replace")
    assert [(name, path, plan[name][1].get(path)) for name, path, *_ in CHANGES] == [
        (name, path, expected) for name, path, _, expected in CHANGES
    ]

    in_place = [change[:3] for change in CHANGES if not (change[3] or "").endswith("-replace")]
    project.say(changed(*in_place))
    assert {name: operation for name, (operation, _) in project.plan().items()} == dict.fromkeys(
        [name for name in ALL if name != "identity"], "update"
    )
    project.up()
    project.up("--refresh", "--expect-no-changes")

    # Replaced under the same name: gone before it is made again.
    project.say(changed(*in_place, ("cluster", "properties.properties.vmSize", "STANDARD_DS2_V2")))
    said = project.up()
    assert "-+ 1 replaced" in said or "+-1 replaced" in said, said
    cluster = arm.get(project.state()["cluster"]["id"]).json()
    assert cluster["properties"]["properties"]["vmSize"] == "STANDARD_DS2_V2"


def test_what_happens_behind_the_stack_is_reported_and_set_right(project: Project, arm: Arm) -> None:
    declared = {name: ALL[name] for name in ("group", "account", "container", "identity")}
    project.say(declared)
    project.up()
    project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    state = project.state()
    account, container = state["account"]["id"], state["container"]["id"]

    change = {
        "tags": {"a": "b", "owner": "somebody"},
        "properties": {"minimumTlsVersion": "TLS1_0", "allowSharedKeyAccess": False},
    }
    assert arm.patch(account, change).status_code == 200
    assert arm.delete(container).status_code == 200
    assert project.plan("--refresh") == {
        "account": (
            "update",
            {"minimumTlsVersion": "update", "tags.owner": "delete", "allowSharedKeyAccess": "delete"},
        ),
        "container": ("create", {}),
    }
    assert "account" not in project.plan(), "Who does not refresh knows of nothing."
    project.up("--refresh")
    assert arm.get(account).json()["properties"]["minimumTlsVersion"] == "TLS1_2"
    assert arm.get(container).status_code == 200

    # A state with dead resources: one that changes is made again, all are gone afterwards.
    for id in (container, state["identity"]["id"]):
        assert arm.delete(id).status_code == 200
    project.say(changed(("container", "metadata", {"a": "b"}), ("account", "allowBlobPublicAccess", True), of=declared))
    project.up()
    assert arm.get(container).json()["properties"]["metadata"] == {"a": "b"}
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert arm.get(state["group"]["id"]).status_code == 404


def test_what_is_there_already_is_refused_and_can_be_imported(project: Project, arm: Arm) -> None:
    project.say({name: ALL[name] for name in ("group", "account", "vault")})
    project.up()
    group = project.state()["group"]["id"]
    id = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw-{project.word}"
    named = {name: project.state()[name]["id"] for name in ("account", "vault")}
    properties = {"storageAccount": named["account"], "keyVault": named["vault"], "friendlyName": "before"}
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": properties}
    assert arm.put(id, body).status_code in (200, 201)

    project.say({name: ALL[name] for name in ("group", "account", "vault", "workspace")})
    said = project.up(fails=True)
    assert f"cannot create already existing resource '{id}'" in said and "next: take it into the stack" in said, said
    token = "azure-native:machinelearningservices:Workspace"
    project.pulumi(
        "import", token, "workspace", id, "--yes", "--skip-preview", "--generate-code=false", "--protect=false"
    )
    imported = project.state()["workspace"]["inputs"]
    assert imported["friendlyName"] == "before" and imported["workspaceName"] == f"mlw-{project.word}"
    assert not {"workspaceId", "notebookInfo", "mlFlowTrackingUri"} & imported.keys(), "Nobody can set these."
    said = project.pulumi(
        "import", token, "other", f"{id}-not", "--yes", "--skip-preview", "--generate-code=false", fails=True
    )
    assert "does not exist" in said, said
    plan = project.plan()
    assert plan.get("workspace", ("same",))[0] in ("same", "update"), plan
    project.up()
    project.up("--expect-no-changes")


def test_an_up_after_a_destroy_meets_what_was_soft_deleted(project: Project, arm: Arm) -> None:
    declared = {name: ALL[name] for name in ("group", "account", "vault", "workspace")}
    project.say(declared)
    project.up()
    workspace = project.state()["workspace"]["id"]
    project.pulumi("destroy", "--yes", "--skip-preview")

    said = project.up(fails=True)
    assert f"az keyvault purge --name kv-{project.word}" in said and "aml:recoverVault" in said, said
    project.say(changed(("vault", "properties.createMode", "recover"), of=declared))
    said = project.up(fails=True)
    purge = re.search(r"az rest --method (\w+) --url '([^']+)'", said)
    assert purge is not None and "Soft-deleted workspace exists" in said, said
    url, _, query = purge[2].partition("?")
    assert url.endswith(workspace)
    version, force = (pair.partition("=")[2] for pair in query.split("&"))
    assert arm.call(purge[1], url, version=version, query={"forceToPurge": force}).status_code == 200
    project.up()
    project.up("--refresh", "--expect-no-changes")

"""Each rule with a resource that it passes and those that it does not: its failing twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from policies import RULES, Resource, Stack, judge

ML = "machinelearningservices"
ROLES = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions"
OWNER, DATA = f"{ROLES}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635", f"{ROLES}/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
GROUP = "/subscriptions/s/resourceGroups/g"
TAGS = {"project": "p", "stack": "s", "managed-by": "pulumi"}


def cluster(
    size: str = "STANDARD_DS3_V2", idle: str | None = "PT600S", *, least: int = 0, **own: Any
) -> dict[str, Any]:
    scale = {"minNodeCount": least, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": idle}
    properties = {"vmSize": size, "remoteLoginPortPublicAccess": "Disabled", "scaleSettings": scale, **own}
    return {"properties": {"computeType": "AmlCompute", "disableLocalAuth": True, "properties": properties}}


def instance(**own: Any) -> dict[str, Any]:
    return {"properties": {"computeType": "ComputeInstance", "disableLocalAuth": True, "properties": own}}


def local_accounts(compute: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {**compute["properties"], "disableLocalAuth": False}}


# rule -> the kind that it looks at, properties that pass, and those that do not with the property that is named
CASES: Mapping[str, tuple[str, dict[str, Any], list[tuple[dict[str, Any], str]]]] = {
    "storage-no-shared-key": (
        "storage:StorageAccount",
        {"allowSharedKeyAccess": False},
        [({"allowSharedKeyAccess": True}, "allowSharedKeyAccess"), ({}, "allowSharedKeyAccess")],
    ),
    "storage-tls": (
        "storage:StorageAccount",
        {"minimumTlsVersion": "TLS1_2"},
        [({"minimumTlsVersion": "TLS1_0"}, "minimumTlsVersion"), ({}, "minimumTlsVersion")],
    ),
    "storage-https": (
        "storage:StorageAccount",
        {},
        [({"enableHttpsTrafficOnly": False}, "enableHttpsTrafficOnly")],
    ),
    "storage-no-public-blobs": (
        "storage:StorageAccount",
        {"allowBlobPublicAccess": False},
        [({"allowBlobPublicAccess": True}, "allowBlobPublicAccess"), ({}, "allowBlobPublicAccess")],
    ),
    "workspace-identity-datastores": (
        f"{ML}:Workspace",
        {"systemDatastoresAuthMode": "Identity"},
        [({"systemDatastoresAuthMode": "accessKey"}, "systemDatastoresAuthMode"), ({}, "systemDatastoresAuthMode")],
    ),
    "datastore-identity": (
        f"{ML}:Datastore",
        {"properties": {"credentials": {"credentialsType": "None"}}},
        [({"properties": {"credentials": {"credentialsType": "Sas"}}}, "properties.credentials.credentialsType")],
    ),
    "vault-rbac": (
        "keyvault:Vault",
        {"properties": {"enableRbacAuthorization": True}},
        [({"properties": {"accessPolicies": []}}, "properties.enableRbacAuthorization")],
    ),
    "vault-soft-delete": (
        "keyvault:Vault",
        {"properties": {}},
        [({"properties": {"enableSoftDelete": False}}, "properties.enableSoftDelete")],
    ),
    "vault-purge-protection": (
        "keyvault:Vault",
        {"properties": {"enablePurgeProtection": True}},
        [({"properties": {}}, "properties.enablePurgeProtection")],
    ),
    "workspace-no-v1-legacy": (f"{ML}:Workspace", {}, [({"v1LegacyMode": True}, "v1LegacyMode")]),
    "cluster-scales-to-zero": (
        f"{ML}:Compute",
        cluster(),
        [(cluster(least=1), "properties.properties.scaleSettings.minNodeCount")],
    ),
    "cluster-idle-limit": (
        f"{ML}:Compute",
        cluster(idle="PT30M"),
        [
            (cluster(idle=idle), "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown")
            for idle in ("PT31M", "P1D", "soon", None)
        ],
    ),
    "instance-shuts-down": (
        f"{ML}:Compute",
        instance(idleTimeBeforeShutdown="PT60M"),
        [(instance(), "properties.properties.idleTimeBeforeShutdown")],
    ),
    "compute-no-ssh": (
        f"{ML}:Compute",
        cluster(),
        [
            (
                cluster(remoteLoginPortPublicAccess="Enabled"),
                "properties.properties.remoteLoginPortPublicAccess",
            ),
            (
                instance(sshSettings={"sshPublicAccess": "Enabled"}),
                "properties.properties.sshSettings.sshPublicAccess",
            ),
        ],
    ),
    "compute-no-local-accounts": (
        f"{ML}:Compute",
        cluster(),
        [
            (local_accounts(cluster()), "properties.disableLocalAuth"),
            (local_accounts(instance()), "properties.disableLocalAuth"),
        ],
    ),
    "compute-allowed-size": (
        f"{ML}:Compute",
        cluster("Standard_E4s_v3"),
        [(cluster("STANDARD_NC6S_V3"), "properties.properties.vmSize")],
    ),
    "registry-no-admin-user": ("containerregistry:Registry", {}, [({"adminUserEnabled": True}, "adminUserEnabled")]),
    "no-public-network": (
        "storage:StorageAccount",
        {"publicNetworkAccess": "Disabled"},
        [({"publicNetworkAccess": "Enabled"}, "publicNetworkAccess"), ({}, "publicNetworkAccess")],
    ),
    "no-broad-role": (
        "authorization:RoleAssignment",
        {"roleDefinitionId": DATA, "scope": GROUP},
        [
            ({"roleDefinitionId": OWNER, "scope": scope}, "roleDefinitionId")
            for scope in ("/", "/subscriptions/s", GROUP, "/providers/Microsoft.Management/managementGroups/m")
        ],
    ),
    "allowed-region": (
        "resources:ResourceGroup",
        {"location": "West Europe"},
        [({"location": "brazilsouth"}, "location")],
    ),
    "tags": (
        "resources:ResourceGroup",
        {"location": "westeurope", "tags": TAGS},
        [
            ({"location": "westeurope", "tags": {"project": "p", "stack": "s"}}, "tags.managed-by"),
            ({"tags": {**TAGS, "owner": " "}}, "tags.owner"),
        ],
    ),
}
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
ELSEWHERE = {"storage-recoverable", "diagnostic-settings", "protect"}  # have a test of their own below


def found(name: str, *resources: Resource, stack: str = "prod", keys: bool = False) -> list[str]:
    """The properties that the rule called ``name`` finds wrong."""
    return [one.property for one in judge(Stack(stack, resources, keys)) if one.rule == name]


def resource(kind: str, properties: Mapping[str, Any] | None = None, **more: Any) -> Resource:
    return Resource(f"azure-native:{kind}", "it", properties or {}, **more)


def test_every_rule_has_a_case_and_names_why() -> None:
    assert {rule.name for rule in RULES} == CASES.keys() | ELSEWHERE
    assert all(rule.link.startswith("https://") and rule.reason.endswith(".") for rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_passes_what_is_right_and_names_what_is_not(name: str) -> None:
    kind, right, wrong = CASES[name]
    assert found(name, resource(kind, right)) == []
    for properties, path in wrong:
        assert found(name, resource(kind, properties)) == [path], properties


def test_the_other_doors_and_the_nodes_are_closed_too() -> None:
    for kind, path in (
        (f"{ML}:Workspace", "publicNetworkAccess"),
        ("keyvault:Vault", "properties.publicNetworkAccess"),
        ("containerregistry:Registry", "publicNetworkAccess"),
    ):
        assert found("no-public-network", resource(kind)) == [path]
    node = "properties.properties.enableNodePublicIp"
    assert found("no-public-network", resource(f"{ML}:Compute", cluster())) == [node]
    assert found("no-public-network", resource(f"{ML}:Compute", cluster(enableNodePublicIp=False))) == []
    public = resource("storage:BlobContainer", {"publicAccess": "Blob"})
    assert found("storage-no-public-blobs", public) == ["publicAccess"]


def test_a_broad_role_on_one_resource_is_not_a_broad_role() -> None:
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"
    assert (
        found("no-broad-role", resource("authorization:RoleAssignment", {"roleDefinitionId": OWNER, "scope": account}))
        == []
    )


def test_a_broad_role_on_a_group_that_is_not_made_yet_is_one() -> None:
    group = resource("resources:ResourceGroup")
    role = {"roleDefinitionId": OWNER}
    for made_of, expected in (("it", ["roleDefinitionId"]), ("another", [])):
        before = Resource(ASSIGNMENT, "a", role, uses={"scope": [made_of]}, unknown=frozenset({"scope"}))
        assert found("no-broad-role", group, before) == expected


def test_what_holds_for_production_alone_is_not_asked_of_others() -> None:
    account = resource("storage:StorageAccount")
    for name in ("no-public-network", "protect", "storage-recoverable"):
        assert found(name, account, stack="dev") == found(name, account, stack="reproduction") == []
        assert found(name, account, stack="org/aml/prod") and found(name, account, stack="production-eu")


def test_account_keys_are_for_stacks_that_ask_and_never_for_production() -> None:
    account = resource("storage:StorageAccount", {"allowSharedKeyAccess": True})
    workspace = resource(f"{ML}:Workspace", {"systemDatastoresAuthMode": "accessKey"})
    datastore = resource(f"{ML}:Datastore", {"properties": {"credentials": {"credentialsType": "AccountKey"}}})
    for name, one in (
        ("storage-no-shared-key", account),
        ("workspace-identity-datastores", workspace),
        ("datastore-identity", datastore),
    ):
        assert found(name, one, stack="dev", keys=True) == []
        assert found(name, one, stack="dev") and found(name, one, stack="prod", keys=True)


def test_rules_of_the_whole_stack_see_who_refers_to_whom() -> None:
    account = resource("storage:StorageAccount")
    of_it = Resource("azure-native:monitor:DiagnosticSetting", "d", uses={"resourceUri": ["it"]})
    of_another = Resource(
        "azure-native:monitor:DiagnosticSetting", "d", uses={"resourceUri": ["other"], "workspaceId": ["it"]}
    )
    assert found("diagnostic-settings", account, of_it) == []
    assert found("diagnostic-settings", account, of_another) == ["diagnosticSettings"]
    assert found("diagnostic-settings", account, stack="local") == []

    kept = {"deleteRetentionPolicy": {"enabled": True, "days": 7}}
    service = Resource("azure-native:storage:BlobServiceProperties", "s", kept, uses={"accountName": ["it"]})
    without = Resource("azure-native:storage:BlobServiceProperties", "s", {}, uses={"accountName": ["it"]})
    assert found("storage-recoverable", account, service) == []
    assert found("storage-recoverable", account, without) == ["deleteRetentionPolicy.enabled"]


def test_what_has_a_state_is_protected() -> None:
    assert found("protect", resource("keyvault:Vault", protect=True)) == []
    assert found("protect", resource("keyvault:Vault")) == ["protect"]


def test_a_version_in_the_token_changes_nothing_and_other_providers_are_let_be() -> None:
    versioned = Resource("azure-native:storage/v20240101:StorageAccount", "it", {"minimumTlsVersion": "TLS1_0"})
    assert found("storage-tls", versioned) == ["minimumTlsVersion"]
    assert judge(Stack("prod", [Resource("random:index:RandomId", "it"), Resource("pulumi:pulumi:Stack", "it")])) == []


def test_a_violation_says_all_that_is_needed() -> None:
    (one,) = judge(Stack("dev", [resource("storage:BlobContainer", {"publicAccess": "Container"})]))
    assert (one.rule, one.resource, one.property, one.value) == (
        "storage-no-public-blobs",
        "it",
        "publicAccess",
        "Container",
    )
    assert str(one).startswith("publicAccess is 'Container'. Anybody on the Internet") and "Fix: set it to None" in str(
        one
    )

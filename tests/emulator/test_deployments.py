"""Deployments of templates: order, conditions, parameters, outputs, and how a failure is told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

STORAGE = "Microsoft.Storage/storageAccounts"
ACCOUNT = {
    "type": STORAGE,
    "apiVersion": "2024-01-01",
    "name": "[parameters('account')]",
    "location": "[resourceGroup().location]",
    "kind": "StorageV2",
    "sku": {"name": "[parameters('sku')]"},
    "properties": {},
}
CONTAINER = {
    "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
    "apiVersion": "2024-01-01",
    "name": "[concat(parameters('account'), '/default/data')]",
    "dependsOn": ["[resourceId('Microsoft.Storage/storageAccounts', parameters('account'))]"],
    "properties": {},
}
NEVER = {**ACCOUNT, "name": "never", "condition": "[equals(parameters('sku'), 'never')]"}


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "account": {"type": "string"},
            "sku": {
                "type": "string",
                "defaultValue": "Standard_LRS",
                "allowedValues": ["Standard_LRS", "Standard_ZRS"],
            },
            "secret": {"type": "securestring", "defaultValue": "hidden-word"},
        },
        "resources": list(resources),
        **more,
    }


@pytest.fixture
def at(group: str) -> str:
    return f"{group}/providers/Microsoft.Resources/deployments/d-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def account() -> str:
    return f"s{uuid.uuid4().hex[:12]}"


def deploy(arm: Any, at: str, content: dict[str, Any], mode: str = "Incremental", **parameters: Any) -> Any:
    values = {name: {"value": value} for name, value in parameters.items()}
    return arm.put(at, {"properties": {"template": content, "parameters": values, "mode": mode}})


def test_resources_come_in_the_order_of_their_dependencies(arm: Any, at: str, group: str, account: str) -> None:
    outputs = {"endpoint": {"type": "string", "value": f"[reference('{account}').primaryEndpoints.blob]"}}
    answer = deploy(arm, at, template(CONTAINER, NEVER, ACCOUNT, outputs=outputs), account=account)
    assert answer.status_code == 201, answer.text
    found = arm.get(at).json()["properties"]
    assert found["provisioningState"] == "Succeeded"
    assert found["outputs"]["endpoint"]["value"] == f"https://{account}.blob.core.windows.net/"
    assert len(found["outputResources"]) == 2 and "hidden-word" not in str(found)
    assert arm.get(f"{group}/providers/{STORAGE}/{account}/blobServices/default/containers/data").status_code == 200
    assert arm.get(f"{group}/providers/{STORAGE}/never").status_code == 404
    operations = arm.get(f"{at}/operations").json()["value"]
    assert [one["properties"]["targetResource"]["resourceName"] for one in operations] == [
        account,
        f"{account}/default/data",
    ]
    old = at.replace("/providers/Microsoft.Resources", "")
    assert arm.get(f"{old}/operations", version="2020-06-01").json()["value"] == operations
    gone = arm.delete(at)
    assert gone.status_code == 202 and arm.get(gone.headers["Location"], version=None).status_code == 204
    assert arm.get(at).status_code == 404


def test_a_resource_that_is_refused_fails_the_deployment(arm: Any, at: str, group: str, account: str) -> None:
    bad = {**ACCOUNT, "name": "NOT-A-NAME", "dependsOn": [f"[resourceId('{STORAGE}', parameters('account'))]"]}
    answer = deploy(arm, at, template(bad, ACCOUNT), account=account)
    assert answer.status_code == 201
    told = arm.get(answer.headers["Azure-AsyncOperation"], version=None).json()
    assert told["status"] == "Failed" and told["error"]["code"] == "DeploymentFailed"
    assert told["error"]["details"][0]["code"] == "AccountNameInvalid"
    assert arm.get(at).json()["properties"]["provisioningState"] == "Failed"
    states = [one["properties"]["provisioningState"] for one in arm.get(f"{at}/operations").json()["value"]]
    assert states == ["Succeeded", "Failed"]
    assert arm.get(f"{group}/providers/{STORAGE}/{account}").status_code == 200


def test_a_deployment_within_a_deployment(arm: Any, at: str, group: str, account: str) -> None:
    inner = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2020-06-01",
        "name": "inner",
        "properties": {"mode": "Incremental", "template": {"resources": [ACCOUNT]}},
    }
    assert deploy(arm, at, template(inner), account=account).status_code == 201
    assert arm.get(at).json()["properties"]["provisioningState"] == "Succeeded"
    assert arm.get(f"{group}/providers/{STORAGE}/{account}").status_code == 200


def test_loops_and_keys(arm: Any, at: str, group: str, account: str) -> None:
    """As Bicep writes ``for``: of resources, of a property, of a variable and of an output."""
    container = {
        **CONTAINER,
        "copy": {"name": "containers", "count": "[length(variables('names'))]"},
        "name": "[format('{0}/default/{1}', parameters('account'), variables('names')[copyIndex()])]",
    }
    table = {
        "type": "Microsoft.Network/routeTables",
        "apiVersion": "2024-05-01",
        "name": "after",
        "location": "[resourceGroup().location]",
        "dependsOn": ["containers"],
        "properties": {
            "copy": [{"name": "routes", "count": 2, "input": {"name": "[format('r{0}', copyIndex('routes', 1))]"}}],
            "blob": "[format('https://{0}.blob.{1}', parameters('account'), environment().suffixes.storage)]",
        },
    }
    key = f"[listKeys(resourceId('{STORAGE}', parameters('account')), '2024-01-01').keys[0].value]"
    outputs = {
        "key": {"type": "string", "value": key},
        "secret": {"type": "securestring", "value": key},
        "all": {"type": "array", "copy": {"count": 2, "input": "[concat(variables('names')[copyIndex()], '!')]"}},
    }
    variables = {"copy": [{"name": "names", "count": 3, "input": "[concat('c-', copyIndex('names'))]"}]}
    content = template(table, container, ACCOUNT, variables=variables, outputs=outputs)
    assert deploy(arm, at, content, account=account).status_code == 201
    found = arm.get(at).json()["properties"]
    assert found["provisioningState"] == "Succeeded", found
    assert found["outputs"]["all"]["value"] == ["c-0!", "c-1!"]
    keys = arm.post(f"{group}/providers/{STORAGE}/{account}/listKeys").json()["keys"]
    assert found["outputs"]["key"]["value"] == keys[0]["value"] and found["outputs"]["secret"] == {
        "type": "securestring"
    }
    made = [one["properties"]["targetResource"]["resourceName"] for one in arm.get(f"{at}/operations").json()["value"]]
    assert made == [account, *(f"{account}/default/c-{number}" for number in range(3)), "after"]
    properties = arm.get(f"{group}/providers/Microsoft.Network/routeTables/after").json()["properties"]
    assert properties["routes"] == [{"name": "r1"}, {"name": "r2"}] and "copy" not in properties
    assert properties["blob"] == f"https://{account}.blob.core.windows.net"
    for count in (-1, "[copyIndex()]", 801):
        wrong = deploy(arm, at, template({**ACCOUNT, "copy": {"name": "c", "count": count}}), account=account)
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "InvalidTemplate")


def test_symbolic_names(arm: Any, at: str, group: str, account: str) -> None:
    """As Bicep writes a template with types of its own or what exists already: ``languageVersion`` 2.0."""
    content = {
        **template(),
        "languageVersion": "2.0",
        "definitions": {"tier": {"type": "string", "allowedValues": ["Standard_LRS"]}},
        "parameters": {"account": {"type": "string", "nullable": True}, "sku": {"$ref": "#/definitions/tier"}},
        "resources": {
            "box": {**CONTAINER, "name": f"{account}/default/data", "dependsOn": ["store", "there"]},
            "store": {**ACCOUNT, "name": account},
            "there": {"existing": True, "type": STORAGE, "apiVersion": "2024-01-01", "name": f"{account}x"},
        },
        "outputs": {
            "endpoint": {"type": "string", "value": "[reference('store').primaryEndpoints.blob]"},
            "id": {"type": "string", "value": "[resourceInfo('store').id]"},
            "old": {"type": "string", "value": "[reference('there', '2024-01-01', 'full').kind]"},
        },
    }
    existing = {"location": "westeurope", "kind": "Storage", "sku": {"name": "Standard_LRS"}}
    assert arm.put(f"{group}/providers/{STORAGE}/{account}x", existing).status_code == 200
    assert deploy(arm, at, content, sku="Standard_LRS").status_code == 201
    found = arm.get(at).json()["properties"]
    assert found["provisioningState"] == "Succeeded", found
    assert {name: output["value"] for name, output in found["outputs"].items()} == {
        "endpoint": f"https://{account}.blob.core.windows.net/",
        "id": f"{group}/providers/{STORAGE}/{account}",
        "old": "Storage",
    }
    assert len(found["outputResources"]) == 2, "What exists is not deployed."
    refused = deploy(arm, at, content, sku="Standard_ZRS")
    assert refused.status_code == 400 and "Standard_ZRS" in refused.text


@pytest.mark.parametrize(
    ("content", "parameters", "word"),
    [
        (template(ACCOUNT), {}, "account"),
        (template(ACCOUNT), {"account": 3}, "account"),
        (template(ACCOUNT), {"account": "a", "sku": "Standard_GRS"}, "Standard_GRS"),
        (template(ACCOUNT), {"account": "a", "other": "b"}, "other"),
        (template({**ACCOUNT, "name": "[noEnd('"}), {"account": "abc"}, "noEnd"),
        (template({**ACCOUNT, "name": "a/b"}), {"account": "abc"}, "segment"),
        (template({"name": "a"}), {"account": "abc"}, "type"),
        (
            template({**ACCOUNT, "name": "a", "dependsOn": ["b"]}, {**ACCOUNT, "name": "b", "dependsOn": ["a"]}),
            {"account": "abc"},
            "ircular",
        ),
    ],
)
def test_a_template_that_is_wrong(arm: Any, at: str, content: Any, parameters: Any, word: str) -> None:
    answer = deploy(arm, at, content, **parameters)
    if answer.status_code == 201:  # told while it is carried out
        answer = arm.get(answer.headers["Azure-AsyncOperation"], version=None)
        assert answer.json()["status"] == "Failed"
    else:
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "InvalidTemplate"
    assert word in answer.text


@pytest.mark.parametrize(
    ("content", "mode"),
    [(template(ACCOUNT, functions=[{"namespace": "own"}]), "Incremental"), (template(ACCOUNT), "Complete")],
)
def test_what_is_not_emulated_says_so(arm: Any, at: str, content: Any, mode: str) -> None:
    assert deploy(arm, at, content, mode, account="abc").status_code == 501


def test_validation_changes_nothing(arm: Any, at: str, group: str, account: str) -> None:
    values = {"account": {"value": account}}
    sent = {"properties": {"template": template(ACCOUNT), "parameters": values, "mode": "Incremental"}}
    assert arm.post(f"{at}/validate", sent).status_code == 200
    assert arm.get(f"{group}/providers/{STORAGE}/{account}").status_code == 404
    for wrong in (
        {"template": template(ACCOUNT), "mode": "Incremental"},
        {"template": 3, "mode": "Incremental"},
        {"mode": "x"},
        3,
    ):
        assert arm.post(f"{at}/validate", {"properties": wrong}).status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        {"resources": 3},
        {"resources": ["a"]},
        {"resources": [{"type": 3, "name": "a"}]},
        {"resources": [{**ACCOUNT, "dependsOn": "all"}]},
        {"resources": [{**ACCOUNT, "name": ["a"]}]},
        {"resources": [{**ACCOUNT, "resources": "b"}]},
        {"parameters": ["a"]},
        {"parameters": {"account": 3}},
        {"parameters": {"account": {"type": "colour"}}},
        {"variables": "v"},
        {"outputs": [1]},
    ],
)
def test_a_template_of_the_wrong_shape(arm: Any, at: str, content: Any) -> None:
    answer = arm.put(
        at, {"properties": {"template": {**template(), "parameters": {}, **content}, "mode": "Incremental"}}
    )
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "InvalidTemplate"

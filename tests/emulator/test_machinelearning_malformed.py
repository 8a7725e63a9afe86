"""Bodies of the wrong types, hundreds of them: every one gets a 4xx (or 501) in Azure's envelope, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.emulator.machinelearning import bound_to, workspace_id

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    " ",
    "x",
    "é\u0000",
    "../../a",
    [],
    [1],
    {},
    {"a": {"b": []}},
    [[{}]],
]
DATA = {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/a"}
GOOD: dict[str, dict[str, Any]] = {
    "data/fuzz/versions/1": {**DATA, "tags": {"a": "b"}, "properties": {}, "isArchived": False, "isAnonymous": False},
    "models/fuzz/versions/1": {
        "modelUri": DATA["dataUri"],
        "modelType": "custom_model",
        "flavors": {"a": {"data": {}}},
        "jobName": "j",
    },
    "environments/fuzz/versions/1": {
        "image": "python:3.11",
        "condaFile": "dependencies: []",
        "osType": "Linux",
        "build": None,
    },
    "components/fuzz/versions/1": {"componentSpec": {"type": "command"}, "description": "d"},
    "codes/fuzz/versions/1": {"codeUri": "https://account1.blob.core.windows.net/c/p"},
    "data/fuzz": {"dataType": "uri_file", "isArchived": False, "tags": {}},
    "datastores/fuzz": {
        "datastoreType": "AzureBlob",
        "accountName": "account1",
        "containerName": "container",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"key": "a2V5"}},
        "endpoint": "core.windows.net",
    },
    "computes/fuzz": {
        "computeType": "AmlCompute",
        "description": "d",
        "disableLocalAuth": True,
        "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 1}, "subnet": {"id": "i"}},
    },
    "connections/fuzz": {
        "authType": "ApiKey",
        "category": "c",
        "target": "t",
        "credentials": {"key": "k"},
        "metadata": {},
    },
}


def broken(body: dict[str, Any], choose: random.Random) -> dict[str, Any]:
    """``body`` with one value somewhere in it replaced."""
    changed = dict(body)
    name = choose.choice([*body, "unknown"])
    if isinstance(body.get(name), dict) and body[name] and choose.random() < 0.6:
        changed[name] = broken(body[name], choose)
    else:
        changed[name] = choose.choice(VALUES)
    return changed


def check(answer: Any) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"]["code"] and answer.json()["error"]["message"]


@pytest.mark.parametrize("path", GOOD)
def test_a_value_of_a_wrong_type(workspace: Any, arm: Any, path: str) -> None:
    choose = random.Random(path)
    at = f"{workspace_id(workspace)}/{path}"
    assert arm.put(at, {"properties": GOOD[path]}, query={"skipValidation": "true"}).status_code in (200, 201)
    for _ in range(40):
        check(arm.put(at, {"properties": broken(GOOD[path], choose)}, query={"skipValidation": "true"}))
        check(arm.get(at))
    for body in ([], "text", 3, None, {"properties": []}, {"properties": None}, {}):
        check(arm.put(at, body))
    check(arm.get(f"{workspace_id(workspace)}/{path.rsplit('/', 1)[0]}"))


def test_a_workspace_of_wrong_types(arm: Any, group: str) -> None:
    choose = random.Random(7)
    good = {
        **bound_to(arm, group),
        "friendlyName": "f",
        "hbiWorkspace": False,
        "managedNetwork": {"isolationMode": "Disabled"},
    }
    good |= {"encryption": {"status": "Disabled"}, "featureStoreSettings": {}, "systemDatastoresAuthMode": "accessKey"}
    at = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/fuzz"
    for number in range(60):
        body = {"location": "westeurope", "properties": broken(good, choose)}
        if number % 3 == 0:
            body |= {choose.choice(["identity", "sku", "tags", "kind", "location"]): choose.choice(VALUES)}
        check(arm.put(at, body))
        check(arm.patch(at, {"properties": broken(good, choose)}))
    for action in ("listKeys", "resyncKeys", "diagnose", "nothing"):
        check(arm.post(f"{at}/{action}", choose.choice(VALUES)))


@pytest.mark.parametrize(
    "path", ["data", "data/none/versions", "environments/sklearn-1.5/versions", "datastores", "computes", "connections"]
)
def test_list_options_that_are_none(shared: Any, arm: Any, path: str) -> None:
    for name in (
        "$top",
        "$skip",
        "$orderBy",
        "$skipToken",
        "listViewType",
        "tags",
        "hash",
        "isDefault",
        "count",
        "offset",
    ):
        for value in ("", "-1", "x", "999999999999999999999", "a b c", "=,,=", "%00"):
            check(arm.get(f"{workspace_id(shared)}/{path}", query={name: value}))

"""What the data plane is asked about data: where the outputs of a job lie, and how a datastore is reached."""

from __future__ import annotations

from typing import Any

import requests
from azure.identity import EnvironmentCredential

from tests.emulator.machinelearning import put_version, workspace_id

PATH = "azureml://datastores/workspaceblobstore/paths/a"


def ask(client: Any, path: str, values: Any, audience: str = "https://management.azure.com") -> requests.Response:
    token = EnvironmentCredential().get_token(f"{audience}/.default").token
    url = f"https://westeurope.api.azureml.ms{path.format(workspace_id(client))}"
    return requests.post(url, json={"values": values}, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def test_uris_of_data_and_models(workspace: Any, arm: Any) -> None:
    put_version(arm, workspace, "data", "iris", "1", {"dataType": "uri_folder", "dataUri": PATH})
    put_version(arm, workspace, "models", "forest", "1", {"modelType": "mlflow_model", "modelUri": PATH})
    found = arm.get(workspace_id(workspace)).json()
    prefix = f"azureml://locations/westeurope/workspaces/{found['properties']['workspaceId']}"
    data, model = f"{prefix}/data/iris/versions/1", f"{prefix}/models/forest/versions/1"
    answer = ask(workspace, "/data/v1.0{}/dataversion/batchGetResolvedUris", [data, f"{data}0"])
    assert answer.status_code == 200 and list(answer.json()["values"]) == [data]
    told = answer.json()["values"][data]
    assert told["type"] == "uri_folder" and told["uri"].endswith("/datastores/workspaceblobstore/paths/a/")
    answer = ask(workspace, "/modelregistry/v1.0{}/models/batchGetResolvedUris", [model], "https://ml.azure.com")
    assert answer.json()["values"][model]["path"].endswith("/datastores/workspaceblobstore/paths/a")


def test_a_datastore_as_fsspec_and_mltable_ask_for_it(workspace: Any, arm: Any) -> None:
    """azureml-fsspec 1.4 reads and writes by this answer, and by nothing else (``azureml.dataprep.rslex``)."""

    def told(name: str, status: int = 200) -> Any:
        url = f"https://westeurope.api.azureml.ms/datastore/v1.0{workspace_id(workspace)}/datastores/{name}"
        answer = arm.get(url, version=None)
        assert answer.status_code == status, answer.text
        return answer.json()

    found = told("workspaceblobstore")
    assert (found["name"], found["dataStoreType"]) == ("workspaceblobstore", "AzureBlob")
    section, listed = found["azureStorageSection"], arm.post(
        f"{workspace_id(workspace)}/datastores/workspaceblobstore/listSecrets"
    )
    store = workspace.datastores.get("workspaceblobstore")
    assert (section["accountName"], section["containerName"]) == (store.account_name, store.container_name)
    assert (section["credentialType"], section["credential"]) == ("AccountKey", listed.json()["key"])
    principal = {
        "credentialsType": "ServicePrincipal",
        "clientId": "c",
        "tenantId": "t",
        "secrets": {"clientSecret": "s"},
    }
    lake = {"datastoreType": "AzureDataLakeGen2", "accountName": "someaccount", "filesystem": "some-system"}
    for name, credentials, kind in (
        ("lake", principal, "ClientCredentials"),
        ("open", {"credentialsType": "None"}, "None"),
    ):
        body = {"properties": {**lake, "credentials": credentials}}
        made = arm.put(f"{workspace_id(workspace)}/datastores/{name}", body, query={"skipValidation": "true"})
        assert made.status_code == 201, made.text
        section = told(name)["azureStorageSection"]
        assert (section["containerName"], section["credentialType"]) == ("some-system", kind)
        assert (section["clientCredentials"] or {}).get("clientSecret") == (
            "s" if kind == "ClientCredentials" else None
        )
    assert told("nowhere", 404)["error"]["code"] == "ResourceNotFound"
    assert "AzureFile" in told("workspacefilestore", 501)["error"]["message"]
    url = f"https://westeurope.api.azureml.ms/datastore/v1.0{workspace_id(workspace)}/datastores/workspaceblobstore"
    assert requests.get(url, timeout=30).status_code == 401


def test_what_is_refused(shared: Any) -> None:
    path = "/data/v1.0{}/dataversion/batchGetResolvedUris"
    assert ask(shared, path, "text").status_code == 400
    assert ask(shared, path.replace("{}", "{}none"), []).status_code == 404
    assert ask(shared, path, [], "https://storage.azure.com").status_code == 401
    assert ask(shared, "/ml-index/v1.0/entities", []).status_code == 501

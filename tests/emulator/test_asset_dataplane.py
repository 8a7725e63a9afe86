"""What the data plane is asked about assets: where the outputs of a job lie."""

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


def test_what_is_refused(shared: Any) -> None:
    path = "/data/v1.0{}/dataversion/batchGetResolvedUris"
    assert ask(shared, path, "text").status_code == 400
    assert ask(shared, path.replace("{}", "{}none"), []).status_code == 404
    assert ask(shared, path, [], "https://storage.azure.com").status_code == 401
    assert ask(shared, "/ml-index/v1.0/entities", []).status_code == 501

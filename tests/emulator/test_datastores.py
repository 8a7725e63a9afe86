"""Datastores: the four that a workspace has, those that people make, their secrets, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.machinelearning import workspace_id


def at(client: Any, name: str) -> str:
    return f"{workspace_id(client)}/datastores/{name}"


def blob(**changes: Any) -> dict[str, Any]:
    return {
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": "someaccount",
            "containerName": "some-container",
            "credentials": {"credentialsType": "None"},
            **changes,
        }
    }


def account_of(client: Any) -> str:
    found: str = client.datastores.get("workspaceblobstore").account_name
    return found


def test_the_four_of_every_workspace(workspace: Any, arm: Any) -> None:
    found = {one.name: one for one in workspace.datastores.list()}
    assert set(found) == {
        "workspaceblobstore",
        "workspaceartifactstore",
        "workspacefilestore",
        "workspaceworkingdirectory",
    }
    guid = arm.get(workspace_id(workspace)).json()["properties"]["workspaceId"]
    assert found["workspaceblobstore"].container_name == f"azureml-blobstore-{guid}"
    assert found["workspaceartifactstore"].container_name == "azureml"
    assert workspace.datastores.get_default().name == "workspaceblobstore"


def test_their_containers_are_real(workspace: Any) -> None:
    from azure.storage.blob import BlobServiceClient

    store = workspace.datastores.get("workspaceblobstore")
    token = workspace.datastores._list_secrets("workspaceblobstore", expirable_secret=True).sas_token
    service = BlobServiceClient(f"https://{store.account_name}.blob.core.windows.net", credential=token)
    container = service.get_container_client(store.container_name)
    container.upload_blob("a/b.txt", b"hello")
    assert [one.name for one in container.list_blobs()] == ["a/b.txt"]
    other = BlobServiceClient(f"https://{store.account_name}.blob.core.windows.net", credential=token[:-4] + "AAA%3D")
    with pytest.raises(HttpResponseError) as refused:
        other.get_container_client("azureml").upload_blob("a", b"not with this link")
    assert refused.value.status_code == 403


def test_secrets_are_told_by_list_secrets_alone(workspace: Any, arm: Any) -> None:
    name = f"d_{uuid.uuid4().hex[:8]}"
    key = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "c2VjcmV0"}}
    created = arm.put(at(workspace, name), blob(credentials=key), query={"skipValidation": "true"})
    assert created.status_code == 201, created.text
    listed = arm.get(f"{workspace_id(workspace)}/datastores")
    for answer in (created, arm.get(at(workspace, name)), listed):
        assert "c2VjcmV0" not in answer.text
    assert created.json()["properties"]["credentials"] == {"credentialsType": "AccountKey"}
    assert arm.post(f"{at(workspace, name)}/listSecrets").json() == {"secretsType": "AccountKey", "key": "c2VjcmV0"}
    again = arm.put(at(workspace, name), arm.get(at(workspace, name)).json(), query={"skipValidation": "true"})
    assert again.status_code == 200
    assert (
        arm.post(f"{at(workspace, name)}/listSecrets").json()["key"] == "c2VjcmV0"
    ), "What GET answers keeps the secret."


@pytest.mark.parametrize(
    ("credentials", "secret"),
    [
        (
            {"credentialsType": "Sas", "secrets": {"sasToken": "?sv=1&sig=x"}},
            {"secretsType": "Sas", "sasToken": "sv=1&sig=x"},
        ),
        (
            {
                "credentialsType": "ServicePrincipal",
                "clientId": "c",
                "tenantId": "t",
                "secrets": {"clientSecret": "word"},
            },
            {"secretsType": "ServicePrincipal", "clientSecret": "word"},
        ),
        (
            {
                "credentialsType": "Certificate",
                "clientId": "c",
                "tenantId": "t",
                "thumbprint": "p",
                "secrets": {"certificate": "word"},
            },
            {"secretsType": "Certificate", "certificate": "word"},
        ),
    ],
)
def test_each_kind_of_credential(workspace: Any, arm: Any, credentials: dict[str, Any], secret: dict[str, str]) -> None:
    answer = arm.put(at(workspace, "kind"), blob(credentials=credentials), query={"skipValidation": "true"})
    assert answer.status_code == 201 and "secrets" not in answer.json()["properties"]["credentials"]
    assert arm.post(f"{at(workspace, 'kind')}/listSecrets", {}).json() == secret
    incomplete = {name: value for name, value in credentials.items() if name != "secrets"}
    refused = arm.put(at(workspace, "other"), blob(credentials=incomplete), query={"skipValidation": "true"})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "InvalidRequestContent"


def test_the_sdk_makes_each_type(workspace: Any) -> None:
    from azure.ai.ml.entities import (
        AccountKeyConfiguration,
        AzureBlobDatastore,
        AzureDataLakeGen2Datastore,
        AzureFileDatastore,
        OneLakeArtifact,
        OneLakeDatastore,
        ServicePrincipalConfiguration,
    )

    person = ServicePrincipalConfiguration(tenant_id="t", client_id="c", client_secret="s")
    made = [
        AzureBlobDatastore(name="a_blob", account_name="someaccount", container_name="data", description="said"),
        AzureBlobDatastore(
            name="a_key",
            account_name="someaccount",
            container_name="data",
            credentials=AccountKeyConfiguration(account_key="a2V5"),
        ),
        AzureDataLakeGen2Datastore(name="a_lake", account_name="someaccount", filesystem="files", credentials=person),
        AzureFileDatastore(
            name="a_share",
            account_name="someaccount",
            file_share_name="share",
            credentials=AccountKeyConfiguration(account_key="a2V5"),
        ),
        OneLakeDatastore(
            name="a_onelake",
            one_lake_workspace_name="w",
            endpoint="onelake.dfs.fabric.microsoft.com",
            artifact=OneLakeArtifact(name="a.Lakehouse", type="lake_house"),
        ),
    ]
    for one in made:
        answered = workspace.datastores.create_or_update(one)
        assert (answered.name, answered.type) == (one.name, one.type)
    assert workspace.datastores.get("a_onelake").endpoint == "onelake.dfs.fabric.microsoft.com"
    assert workspace.datastores._list_secrets("a_key").key == "a2V5"
    assert "sig=" in workspace.datastores.get("a_key", include_secrets=True).credentials.sas_token
    assert workspace.datastores.get("a_lake").credentials.client_id == "c"
    workspace.datastores.delete("a_blob")
    with pytest.raises(ResourceNotFoundError):
        workspace.datastores.get("a_blob")


def test_the_container_is_looked_for(workspace: Any, arm: Any) -> None:
    place = {"accountName": account_of(workspace)}
    assert arm.put(at(workspace, "there"), blob(**place, containerName="azureml")).status_code == 201
    missing = arm.put(at(workspace, "missing"), blob(**place, containerName="no-such-container"))
    assert missing.status_code == 400 and "no-such-container" in missing.json()["error"]["message"]
    assert arm.put(at(workspace, "nowhere"), blob()).status_code == 400
    assert arm.get(at(workspace, "missing")).status_code == 404


@pytest.mark.parametrize("name", ["with-dash", "a" * 256, "a.b"])
def test_a_name_against_the_rule(shared: Any, arm: Any, name: str) -> None:
    answer = arm.put(at(shared, name), blob(), query={"skipValidation": "true"})
    assert answer.status_code == 400 and name in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"datastoreType": "AzureDataLakeGen1"}, 501),
        ({"datastoreType": "Ftp"}, 400),
        ({"accountName": "Not_An_Account"}, 400),
        ({"containerName": None}, 400),
        ({"containerName": "UPPER"}, 400),
        ({"credentials": None}, 400),
        ({"credentials": {"credentialsType": "Password"}}, 400),
        ({"tags": {"a": {}}}, 400),
    ],
)
def test_a_body_that_is_none(shared: Any, arm: Any, changes: dict[str, Any], status: int) -> None:
    answer = arm.put(at(shared, "bad"), blob(**changes), query={"skipValidation": "true"})
    assert answer.status_code == status and answer.json()["error"]["code"], answer.text


def test_the_default_cannot_be_deleted(workspace: Any, arm: Any) -> None:
    assert arm.delete(at(workspace, "workspaceblobstore")).status_code == 400
    assert arm.get(at(workspace, "workspaceblobstore")).status_code == 200
    assert arm.delete(at(workspace, "no_such")).status_code == 204


def test_identity_based_ones_have_no_secret(workspace: Any, arm: Any) -> None:
    answer = arm.patch(workspace_id(workspace), {"properties": {"systemDatastoresAuthMode": "Identity"}})
    assert answer.status_code == 200 and answer.json()["properties"]["systemDatastoresAuthMode"] == "identity"
    assert arm.get(at(workspace, "workspaceblobstore")).json()["properties"]["credentials"] == {
        "credentialsType": "None"
    }
    assert arm.post(f"{at(workspace, 'workspaceblobstore')}/listSecrets").status_code == 400


def test_choosing_in_the_list(workspace: Any, arm: Any) -> None:
    def names(**query: str) -> list[str]:
        return [one["name"] for one in arm.get(f"{workspace_id(workspace)}/datastores", query=query).json()["value"]]

    assert names(isDefault="true") == ["workspaceblobstore"] and len(names(isDefault="false")) == 3
    assert names(searchText="file") == ["workspacefilestore"]
    assert names(names="workspaceblobstore,workspacefilestore") == ["workspaceblobstore", "workspacefilestore"]

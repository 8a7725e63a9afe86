"""Storage accounts through Resource Manager, and that what stands behind them is real."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import EnvironmentCredential
from azure.storage.blob import BlobServiceClient

BODY = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}


@pytest.fixture
def account(arm: Any, group: str) -> str:
    id = f"{group}/providers/Microsoft.Storage/storageAccounts/s{uuid.uuid4().hex[:12]}"
    assert arm.put(id, BODY).status_code == 200
    return id


def service(account: str) -> BlobServiceClient:
    return BlobServiceClient(f"https://{account.rpartition('/')[2]}.blob.core.windows.net", EnvironmentCredential())


def test_an_account_as_azure_shows_it(arm: Any, account: str) -> None:
    shown = arm.get(account).json()
    name = account.rpartition("/")[2]
    assert shown["sku"] == {"name": "Standard_LRS", "tier": "Standard"}
    assert shown["properties"]["primaryEndpoints"]["blob"] == f"https://{name}.blob.core.windows.net/"
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert shown["systemData"]["createdByType"] == "Application"

    sent = {"keySource": "Microsoft.Storage", "services": {"blob": {"enabled": True, "keyType": "Account"}}}
    assert arm.call("PATCH", account, {"properties": {"encryption": sent}}).status_code == 200
    assert arm.get(account).json()["properties"]["encryption"] == shown["properties"]["encryption"]


def test_a_container_made_there_is_real(arm: Any, account: str) -> None:
    id = f"{account}/blobServices/default/containers/flatfilestorage"
    assert arm.put(id, {"properties": {}}).status_code == 201
    assert arm.put(id, {"properties": {}}).status_code == 200
    with service(account) as client:
        client.get_blob_client("flatfilestorage", "a.txt").upload_blob(b"text")
        assert [one.name for one in client.list_containers()] == ["flatfilestorage"]
    assert arm.delete(id).status_code == 200
    assert arm.get(id).status_code == 404
    with service(account) as client, pytest.raises(ResourceNotFoundError):
        client.get_blob_client("flatfilestorage", "a.txt").download_blob()


def test_a_container_made_on_the_data_plane_is_listed(arm: Any, account: str) -> None:
    with service(account) as client:
        client.create_container("made-there")
    listed = arm.get(f"{account}/blobServices/default/containers").json()["value"]
    assert [one["name"] for one in listed] == ["made-there"]
    assert arm.get(f"{account}/blobServices/default/containers/made-there").status_code == 200


def test_keys(arm: Any, account: str) -> None:
    before = {key["keyName"]: key["value"] for key in arm.post(f"{account}/listKeys").json()["keys"]}
    with BlobServiceClient(service(account).url, before["key1"]) as client:
        client.create_container("with-a-key")
    after = {
        key["keyName"]: key["value"] for key in arm.post(f"{account}/regenerateKey", {"keyName": "key2"}).json()["keys"]
    }
    assert (after["key1"], after["key2"] != before["key2"]) == (before["key1"], True)
    assert arm.post(f"{account}/regenerateKey", {"keyName": "key3"}).status_code == 400


def test_names_are_azures_own(arm: Any, group: str, account: str) -> None:
    provider = "/providers/Microsoft.Storage"
    for bad in ("ab", "Upper", "with-dash", "x" * 25):
        answer = arm.put(f"{group}{provider}/storageAccounts/{bad}", BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "AccountNameInvalid")
    check = f"/subscriptions/{arm.subscription}{provider}/checkNameAvailability"
    name = account.rpartition("/")[2]
    assert arm.post(check, {"name": name, "type": "x"}).json()["reason"] == "AlreadyExists"
    assert arm.post(check, {"name": "Bad", "type": "x"}).json()["reason"] == "AccountNameInvalid"
    assert arm.post(check, {"name": f"s{uuid.uuid4().hex[:12]}", "type": "x"}).json() == {"nameAvailable": True}


def test_a_name_is_taken_in_all_of_azure(arm: Any, group: str, account: str) -> None:
    other = f"/subscriptions/{arm.subscription}/resourceGroups/g-{uuid.uuid4().hex[:10]}"
    arm.put(other, {"location": "westeurope"})
    answer = arm.put(f"{other}/providers/Microsoft.Storage/storageAccounts/{account.rpartition('/')[2]}", BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "StorageAccountInAnotherResourceGroup")


@pytest.mark.parametrize(
    "change",
    [
        {"sku": None},
        {"sku": {"name": "Huge"}},
        {"kind": None},
        {"kind": "Disk"},
        {"properties": {"isHnsEnabled": "yes"}},
        {"properties": {"encryption": {"services": "all"}}},
        {"properties": {"networkAcls": "none"}},
    ],
)
def test_a_body_that_is_not_an_accounts(arm: Any, group: str, change: dict[str, Any]) -> None:
    id = f"{group}/providers/Microsoft.Storage/storageAccounts/s{uuid.uuid4().hex[:12]}"
    assert arm.put(id, {**BODY, **change}).status_code == 400
    assert arm.get(id).status_code == 404


def test_what_cannot_be_changed_any_more(arm: Any, account: str) -> None:
    answer = arm.put(account, {**BODY, "properties": {"isHnsEnabled": True}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "AccountPropertyCannotBeUpdated")


def test_gone_with_everything_in_it(arm: Any, account: str) -> None:
    arm.put(f"{account}/blobServices/default/containers/c12", {})
    assert arm.delete(account).status_code == 200
    assert arm.delete(account).status_code == 204
    assert arm.get(f"{account}/blobServices/default/containers/c12").status_code == 404
    arm.put(account, BODY)
    assert arm.get(f"{account}/blobServices/default/containers").json()["value"] == []


def test_a_key_is_no_answer_to_a_get(arm: Any, account: str) -> None:
    assert "private" not in arm.get(account).json()
    assert arm.get(f"{account}/listKeys").status_code in (404, 405)

"""Storage accounts as resources, and what that means for their blobs."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import EnvironmentCredential
from azure.storage.blob import BlobServiceClient, PublicAccess


class Account:
    """A storage account of a test's own."""

    def __init__(self, arm: Any, group: str, **properties: Any) -> None:
        self.name = f"s{uuid.uuid4().hex[:20]}"
        self.id = f"{group}/providers/Microsoft.Storage/storageAccounts/{self.name}"
        self._arm = arm
        self._properties = properties
        self.put()

    def put(self) -> None:
        body = {
            "location": "westeurope",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": self._properties,
        }
        assert self._arm.put(self.id, body).status_code in (200, 201, 202)

    def keys(self) -> list[str]:
        return [key["value"] for key in self._arm.post(f"{self.id}/listKeys").json()["keys"]]

    def service(self, credential: Any = None) -> BlobServiceClient:
        return BlobServiceClient(f"https://{self.name}.blob.core.windows.net", credential=credential or self.keys()[0])


def test_both_keys_are_good_until_one_is_made_anew(arm: Any, group: str) -> None:
    account = Account(arm, group)
    first, second = account.keys()
    account.service(first).create_container("one")
    account.service(second).create_container("two")
    assert arm.post(f"{account.id}/regenerateKey", {"keyName": "key1"}).status_code == 200
    with pytest.raises(ClientAuthenticationError):
        account.service(first).create_container("three")
    assert [one.name for one in account.service(second).list_containers()] == ["one", "two"]
    assert first not in account.keys() and account.service().get_container_client("one").exists()


def test_an_accounts_key_is_its_own(arm: Any, group: str) -> None:
    one, other = Account(arm, group), Account(arm, group)
    assert not set(one.keys()) & set(other.keys())
    with pytest.raises(ClientAuthenticationError):
        one.service(other.keys()[0]).create_container("data")


def test_a_deleted_account_takes_its_blobs_along(arm: Any, group: str) -> None:
    account = Account(arm, group)
    account.service().create_container("kept").upload_blob("x", b"x")
    assert arm.delete(account.id).status_code in (200, 202, 204)
    with pytest.raises(ResourceNotFoundError):
        account.service(EnvironmentCredential()).get_container_client("kept").get_container_properties()
    account.put()
    assert list(account.service().list_containers()) == []


def test_a_container_is_there_on_both_sides(arm: Any, group: str) -> None:
    account = Account(arm, group)
    made = arm.put(f"{account.id}/blobServices/default/containers/here", {"properties": {}})
    assert made.status_code in (200, 201)
    with pytest.raises(ResourceExistsError):
        account.service().create_container("here")
    account.service().create_container("there")
    listed = arm.get(f"{account.id}/blobServices/default/containers").json()["value"]
    assert [one["name"] for one in listed] == ["here", "there"]


@pytest.mark.parametrize("allowed", [False, True])
def test_a_container_is_public_only_where_its_account_allows_it(arm: Any, group: str, allowed: bool) -> None:
    account = Account(arm, group, allowBlobPublicAccess=allowed)
    container = account.service().create_container("data")
    container.upload_blob("x", b"x")
    if allowed:
        container.set_container_access_policy({}, public_access=PublicAccess.BLOB)
        assert requests.get(f"{container.url}/x", timeout=10).content == b"x"
    else:
        with pytest.raises(HttpResponseError) as raised:
            container.set_container_access_policy({}, public_access=PublicAccess.BLOB)
        assert raised.value.error_code == "PublicAccessNotPermitted"
        assert requests.get(f"{container.url}/x", timeout=10).status_code == 409

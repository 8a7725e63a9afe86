"""Key vaults: their secrets through azure-keyvault-secrets, and their deletion, recovery and purge."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import EnvironmentCredential
from azure.keyvault.secrets import SecretClient

from tests.conftest import Arm


class Vault:
    def __init__(self, arm: Arm, group: str, **properties: Any) -> None:
        self.arm, self.name = arm, f"kv-{uuid.uuid4().hex[:12]}"
        self.id = f"{group}/providers/Microsoft.KeyVault/vaults/{self.name}"
        tenant = "00000000-0000-0000-0000-000000000000"
        sku = {"family": "A", "name": "standard"}
        self.properties = {"tenantId": tenant, "sku": sku, "enableRbacAuthorization": True, **properties}
        answer = self.put()
        assert answer.status_code == 200, answer.text
        root = f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault"
        self.grave = f"{root}/locations/westeurope/deletedVaults/{self.name}"
        self.secrets = SecretClient(f"https://{self.name}.vault.azure.net", EnvironmentCredential())

    def put(self, **properties: Any) -> Any:
        return self.arm.put(self.id, {"location": "westeurope", "properties": {**self.properties, **properties}})

    def purge(self) -> Any:
        return self.arm.post(f"{self.grave}/purge")


@pytest.fixture
def vault(arm: Arm, group: str) -> Vault:
    return Vault(arm, group)


def test_a_secret_has_versions(vault: Vault) -> None:
    secrets = vault.secrets
    first = secrets.set_secret("word", "one", content_type="text", tags={"a": "b"})
    second = secrets.set_secret("word", "two")
    assert secrets.get_secret("word").value == "two"
    found = secrets.get_secret("word", first.properties.version)
    assert (found.value, found.properties.content_type, found.properties.tags) == ("one", "text", {"a": "b"})
    listed = [one.version for one in secrets.list_properties_of_secret_versions("word")]
    assert listed == [first.properties.version, second.properties.version]
    assert not secrets.update_secret_properties("word", enabled=False).enabled
    with pytest.raises(HttpResponseError, match="disabled secret"):
        secrets.get_secret("word")
    for wrong in (("none", None), ("word", "0" * 32)):
        with pytest.raises(ResourceNotFoundError, match="was not found in this key vault") as raised:
            secrets.get_secret(*wrong)
        assert raised.value.error is not None and raised.value.error.code == "SecretNotFound"


def test_a_deleted_secret_keeps_its_name_until_it_is_recovered_or_purged(vault: Vault) -> None:
    secrets = vault.secrets
    secrets.set_secret("word", "one")
    deleted = secrets.begin_delete_secret("word").result()
    assert deleted.name == "word" and deleted.scheduled_purge_date is not None
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("word")
    with pytest.raises(ResourceExistsError, match="deleted but recoverable state"):
        secrets.set_secret("word", "two")
    assert [one.name for one in secrets.list_deleted_secrets()] == ["word"]
    secrets.begin_recover_deleted_secret("word").result()
    assert secrets.get_secret("word").value == "one"
    secrets.begin_delete_secret("word").result()
    secrets.purge_deleted_secret("word")
    with pytest.raises(ResourceNotFoundError):
        secrets.get_deleted_secret("word")
    assert secrets.set_secret("word", "three").value == "three"


def test_more_secrets_than_a_page_holds_are_all_listed(vault: Vault) -> None:
    for index in range(30):
        vault.secrets.set_secret(f"s-{index:02}", "x")
    assert [one.name for one in vault.secrets.list_properties_of_secrets()] == [f"s-{index:02}" for index in range(30)]
    assert len(list(vault.secrets.list_properties_of_secrets(max_page_size=7))) == 30


def test_a_token_for_something_else_is_no_way_in(vault: Vault) -> None:
    import requests

    url, version = f"https://{vault.name}.vault.azure.net/secrets/x", {"api-version": "7.4"}
    without = requests.get(url, params=version, timeout=30)
    assert without.status_code == 401 and 'resource="https://vault.azure.net"' in without.headers["WWW-Authenticate"]
    wrong = requests.get(
        url, params=version, headers={"Authorization": vault.arm.session.headers["Authorization"]}, timeout=30
    )
    assert wrong.status_code == 401
    elsewhere = SecretClient(f"https://kv-{uuid.uuid4().hex[:12]}.vault.azure.net", EnvironmentCredential())
    with pytest.raises((ResourceNotFoundError, ClientAuthenticationError)):
        elsewhere.get_secret("x")


def test_a_deleted_vault_holds_its_name_and_what_is_in_it(vault: Vault) -> None:
    vault.secrets.set_secret("word", "one")
    assert vault.arm.delete(vault.id).status_code == 200
    assert vault.arm.get(vault.id).status_code == 404
    told = vault.arm.get(vault.grave).json()
    assert told["properties"]["vaultId"] == vault.id and told["properties"]["scheduledPurgeDate"]
    listed = vault.arm.get(f"{vault.grave.partition('/locations')[0]}/deletedVaults").json()["value"]
    assert vault.name in [one["name"] for one in listed]
    again = vault.put()
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ConflictError")
    assert "already exists in deleted state" in again.json()["error"]["message"]
    assert vault.put(createMode="recover").status_code == 200
    assert vault.arm.get(vault.grave).status_code == 404
    assert vault.secrets.get_secret("word").value == "one"
    vault.arm.delete(vault.id)
    assert vault.purge().status_code == 200 and vault.arm.get(vault.grave).status_code == 404
    assert vault.put().status_code == 200
    with pytest.raises(ResourceNotFoundError):
        vault.secrets.get_secret("word")


def test_a_vault_goes_with_its_group_softly(vault: Vault, arm: Arm, group: str) -> None:
    arm.delete(group, version="2024-03-01")
    assert arm.get(vault.grave).status_code == 200
    assert vault.purge().status_code == 200


def test_purge_protection_protects_and_stays(arm: Arm, group: str) -> None:
    vault = Vault(arm, group, enablePurgeProtection=True, softDeleteRetentionInDays=90)
    for change in ({"enablePurgeProtection": False}, {"softDeleteRetentionInDays": 7}, {"enableSoftDelete": False}):
        refused = vault.put(**change)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")
    assert vault.put().json()["properties"]["enablePurgeProtection"] is True
    vault.secrets.set_secret("word", "one")
    vault.secrets.begin_delete_secret("word").result()
    with pytest.raises(HttpResponseError, match="purge protection"):
        vault.secrets.purge_deleted_secret("word")
    vault.arm.delete(vault.id)
    assert (vault.purge().status_code, vault.purge().json()["error"]["code"]) == (405, "MethodNotAllowed")

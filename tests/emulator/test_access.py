"""Roles and keys: what the data plane refuses, and that it takes what was given."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import Environment
from azure.core.exceptions import HttpResponseError
from azure.identity import EnvironmentCredential
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator.machinelearning import bound_to, workspace_id
from tests.waiting import until

READER, CONTRIBUTOR = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


class Keyless:
    """A workspace without keys, a cluster with an identity that has no role, and a datastore without credentials."""

    def __init__(self, arm: Arm, group: str) -> None:
        self.arm, self.group = arm, group
        bound = bound_to(arm, group)
        self.account_id = bound["storageAccount"]
        self.account = self.account_id.rpartition("/")[2]
        assert arm.patch(self.account_id, {"properties": {"allowSharedKeyAccess": False}}).status_code == 200
        name = f"w-{uuid.uuid4().hex[:10]}"
        self.client = MLClient(EnvironmentCredential(), arm.subscription, group.rpartition("/")[2], name)
        self.id = workspace_id(self.client)
        self.put(self.id, {"properties": {**bound, "systemDatastoresAuthMode": "identity"}})
        user = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/trainer"
        self.principal = self.put(user, {})["properties"]["principalId"]
        scale = {"vmSize": "Standard_DS3_v2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
        identity = {"type": "UserAssigned", "userAssignedIdentities": {user: {}}}
        compute = {"identity": identity, "properties": {"computeType": "AmlCompute", "properties": scale}}
        self.put(f"{self.id}/computes/cpu", compute)
        blobs = BlobServiceClient(f"https://{self.account}.blob.core.windows.net", EnvironmentCredential())
        self.container = blobs.create_container("data")
        self.container.upload_blob("x.txt", b"read\n")
        place = {"datastoreType": "AzureBlob", "accountName": self.account, "containerName": "data"}
        self.put(f"{self.id}/datastores/own", {"properties": {**place, "credentials": {"credentialsType": "None"}}})
        self.client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))

    def put(self, id: str, body: dict[str, Any]) -> Any:
        answer = self.arm.put(id, {"location": "westeurope", **body})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def assign(self, role: str, scope: str) -> str:
        id = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"/subscriptions/{self.arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.put(id, {"properties": {"roleDefinitionId": definition, "principalId": self.principal}})
        return id

    def run(self, *, write: bool = False) -> tuple[str, str]:
        """How a job that reads the datastore, and writes to it, ends; and why."""
        store = "azureml://datastores/own/paths"
        job = self.client.jobs.create_or_update(
            command(
                command="cat ${{inputs.x}}" + (" > ${{outputs.y}}/y.txt" if write else ""),
                inputs={"x": Input(type="uri_file", path=f"{store}/x.txt")},
                outputs={"y": Output(type="uri_folder", path=f"{store}/out/")} if write else None,
                compute="cpu",
                environment="plain:1",
            )
        )
        name = str(job.name)
        until(lambda: self.client.jobs.get(name).status in ("Completed", "Failed"))
        error = self.client.jobs._runs_operations.get_run_details(name).error  # type: ignore[attr-defined]
        told = f"{error.error.inner_error.code}: {error.error.message}" if error else ""
        return "Failed" if error else "Completed", told


@pytest.fixture
def keyless(arm: Arm, group: str, azure: Emulator) -> Iterator[Keyless]:
    yield Keyless(arm, group)
    azure.control("/_emulator/faults", method="DELETE")


def test_a_cluster_reads_and_writes_what_its_roles_say(keyless: Keyless, azure: Emulator) -> None:
    status, why = keyless.run()
    assert status == "Failed" and why.startswith("ScriptExecution.StreamAccess.Authentication: ")
    assert "not authorized to perform this operation using this permission" in why and keyless.principal in why

    reader = keyless.assign(READER, keyless.account_id)
    azure.control("/_emulator/faults", method="POST", body={"kind": "role-delay", "seconds": 3600})
    assert keyless.run()[0] == "Failed"  # it was given, and does not count yet
    azure.control("/_emulator/faults", method="DELETE")
    assert keyless.run() == ("Completed", "")
    status, why = keyless.run(write=True)
    assert status == "Failed" and why.startswith("ScriptExecution.WriteStreams.Authentication: ")

    keyless.assign(CONTRIBUTOR, keyless.group)  # above the account, and so for it too
    assert keyless.run(write=True) == ("Completed", "")
    assert keyless.container.download_blob("out/y.txt").readall() == b"read\n"
    assert keyless.arm.delete(reader).status_code == 200


def test_an_account_without_keys_takes_none(keyless: Keyless) -> None:
    key = keyless.arm.post(f"{keyless.account_id}/listKeys").json()["keys"][0]["value"]
    url = f"https://{keyless.account}.blob.core.windows.net"
    sas = generate_container_sas(
        keyless.account, "data", key, permission=ContainerSasPermissions(read=True, list=True), expiry="2099-01-01"
    )
    for credential in (key, sas):
        with pytest.raises(HttpResponseError, match="Key based authentication is not permitted") as raised:
            list(BlobServiceClient(url, credential).get_container_client("data").list_blobs())
        assert raised.value.status_code == 403
        assert raised.value.error_code == "KeyBasedAuthenticationNotPermitted"
    assert keyless.arm.patch(keyless.account_id, {"properties": {"allowSharedKeyAccess": True}}).status_code == 200
    for credential in (key, sas):
        container = BlobServiceClient(url, credential).get_container_client("data")
        assert [blob.name for blob in container.list_blobs()] == ["x.txt"]

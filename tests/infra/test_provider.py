"""Our provider, asked over gRPC as the engine asks it: of every type of the stacks, what fails half-way is finished by the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2
from recorder import EVERYTHING, Own

from emulator import Emulator
from infra import arm as client, stackfile, table
from infra.evaluation import Declared, evaluate
from infra.provider.service import Service
from infra.replacing import replaces
from tests.conftest import Arm

GROUP = "azure-native:resources:ResourceGroup"  # made at once, or not at all
# Types of which what is made later needs more than the first.
SEVERAL = (
    "azure-native:managedidentity:UserAssignedIdentity",
    "azure-native:network:PrivateEndpoint",
    "azure-native:privatedns:PrivateZone",
)


OTHER = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers"
SUBNET = f"{OTHER}/Microsoft.Network/virtualNetworks/v/subnets/s"
SOMEBODY = "55555555-5555-5555-5555-555555555555"
# What is planned as a replacement is refused in place.
FIXED = (
    ("storage:StorageAccount", "kind", "BlockBlobStorage"),
    ("storage:StorageAccount", "isHnsEnabled", True),
    ("storage:StorageAccount", "enableNfsV3", True),
    ("authorization:RoleAssignment", "principalId", SOMEBODY),
    ("authorization:RoleAssignment", "roleDefinitionId", "/acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ("machinelearningservices:Workspace", "storageAccount", f"{OTHER}/Microsoft.Storage/storageAccounts/other"),
    ("machinelearningservices:Workspace", "keyVault", f"{OTHER}/Microsoft.KeyVault/vaults/other"),
    ("machinelearningservices:Workspace", "kind", "Hub"),
    ("machinelearningservices:Workspace", "hbiWorkspace", True),
    ("machinelearningservices:Datastore", "properties.datastoreType", "AzureFile"),
    ("machinelearningservices:Compute", "properties.properties.vmSize", "STANDARD_E4S_V3"),
    ("machinelearningservices:Compute", "properties.properties.vmPriority", "LowPriority"),
    ("machinelearningservices:Compute", "properties.properties.subnet.id", SUBNET),
    ("machinelearningservices:Compute", "properties.properties.enableNodePublicIp", True),
    ("network:PrivateEndpoint", "subnet.id", SUBNET),
    ("privatedns:VirtualNetworkLink", "virtualNetwork.id", f"{OTHER}/Microsoft.Network/virtualNetworks/v"),
    ("consumption:Budget", "category", "Usage"),
)


class Engine:
    """What the engine asks of a provider, of one resource; what it knows of it is its state."""

    def __init__(self, stub: Any, declared: Declared) -> None:
        self._stub, self.type, self.id = stub, declared.type, ""
        self.urn = f"urn:pulumi:test::aml::{declared.type}::{declared.name}"
        checked = stub.Check(messages.CheckRequest(urn=self.urn, type=self.type, news=_struct(declared.inputs)))
        assert not checked.failures, checked.failures
        self.inputs, self.outputs = checked.inputs, struct_pb2.Struct()
        self.failed = ""

    def up(self) -> str:
        """Made, or brought to its end where it was made half-way; what went wrong."""
        own = {"urn": self.urn, "type": self.type}
        try:
            if not self.id:
                made = self._stub.Create(messages.CreateRequest(properties=self.inputs, **own))
                self.id, self.outputs = made.id, made.properties
            else:
                both = {"olds": self.outputs, "old_inputs": self.inputs, "news": self.inputs}
                done = self._stub.Update(messages.UpdateRequest(id=self.id, **both, **own))
                self.outputs = done.properties
            self.failed = ""
        except grpc.RpcError as error:
            self.failed = error.details()
            for name, value in error.trailing_metadata():
                if name == "grpc-status-details-bin":
                    half = messages.ErrorResourceInitFailed()
                    assert status_pb2.Status.FromString(value).details[0].Unpack(half)
                    assert half.inputs == self.inputs and list(half.reasons) == [self.failed]
                    self.id, self.outputs = half.id, half.properties
        return self.failed

    def changed(self, path: str, value: Any) -> str:
        """What is said against a change of one argument in place."""
        news = json_format.MessageToDict(self.inputs)
        *above, last = path.split(".")
        part = news
        for name in above:
            part = part.setdefault(name, {})
        part[last] = value
        both = {"olds": self.outputs, "old_inputs": self.inputs, "news": _struct(news)}
        try:
            self._stub.Update(messages.UpdateRequest(id=self.id, urn=self.urn, type=self.type, **both))
        except grpc.RpcError as error:
            return str(error.details())
        return ""

    def refreshed(self) -> bool:
        """Whether a refresh finds it as the state has it."""
        found = self._stub.Read(
            messages.ReadRequest(id=self.id, urn=self.urn, type=self.type, inputs=self.inputs, properties=self.outputs)
        )
        return bool(found.inputs == self.inputs and found.properties == self.outputs)

    def gone(self) -> str:
        try:
            self._stub.Delete(messages.DeleteRequest(id=self.id, urn=self.urn, type=self.type, properties=self.outputs))
        except grpc.RpcError as error:
            return str(error.details())
        return ""


def _struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(json.loads(json.dumps(value)), struct_pb2.Struct())


@pytest.fixture
def stub(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(client, "POLL", 0.02)
    server = grpc.server(ThreadPoolExecutor(4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1,localhost")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(messages.ConfigureRequest())
        yield stub
    server.stop(None)
    azure.control("/_emulator/faults", method="DELETE")


def test_what_fails_half_way_is_finished_by_the_next_for_every_type(
    stub: Any, azure: Emulator, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, so that nothing is there; accepted and failed, so that something is; then a change, and a deletion, refused."""
    own = Own("prod")
    monkeypatch.setattr(stackfile, "read", own.read)
    config = own.full({**EVERYTHING, "azure-native:subscriptionId": arm.subscription})
    declared = evaluate("prod", config).declared

    def fault(kind: str, method: str) -> None:
        azure.control("/_emulator/faults", method="DELETE")
        body = {"kind": kind, "path": one.id, "methods": [method]}
        azure.control("/_emulator/faults", method="POST", body=body)

    first: dict[str, str] = {}
    made = []
    for one in declared:
        if one.type in first and one.type not in SEVERAL:
            continue
        resource = Engine(stub, one)
        made.append((one, resource))
        if first.setdefault(one.type, one.id) != one.id:
            assert not resource.up(), resource.failed
            continue
        fault("forbidden", "PUT")
        assert "AuthorizationFailed" in resource.up(), one
        assert bool(resource.id) == table.resource_type(one.type).singleton
        fault("operation-fails", "PUT")
        assert ("terminal provisioning state 'Failed'" in resource.up()) == (one.type != GROUP), one
        assert resource.id == one.id
        assert not resource.up() and resource.refreshed(), one
        fault("forbidden", "PUT")
        assert "AuthorizationFailed" in resource.up() and resource.refreshed(), one
        assert not resource.up() and resource.refreshed(), one
    assert first.keys() == table.RESOURCES.keys()
    whole = {one.type: resource for one, resource in made if first[one.type] == one.id}
    for type, path, value in FIXED:
        token = f"azure-native:{type}"
        assert replaces(token, path) and whole[token].changed(path, value), (type, path)
    for one, resource in reversed(made):
        if first[one.type] == one.id and not table.resource_type(one.type).singleton:
            fault("forbidden", "DELETE")
            assert "AuthorizationFailed" in resource.gone(), one
            assert arm.get(one.id, version=table.api_version(one.id)).status_code == 200
        assert not resource.gone(), one
    assert arm.get(first[GROUP]).status_code == 404


def test_arguments_are_completed_as_azure_native_does_and_refused_by_name(stub: Any, group: str) -> None:
    def check(token: str, **news: Any) -> tuple[dict[str, Any], dict[str, str]]:
        urn, own = f"urn:pulumi:test::aml::{token}::it", {"type": token, "randomSeed": b"seed"}
        checked = stub.Check(messages.CheckRequest(urn=urn, news=_struct(news), **own))
        return json_format.MessageToDict(checked.inputs), {one.property: one.reason for one in checked.failures}

    account, named = "azure-native:storage:StorageAccount", {"resourceGroupName": group.rpartition("/")[2]}
    inputs, failures = check(account, **named)
    assert not failures and inputs["location"] == "westeurope", "The resource group's."
    assert inputs["accountName"].startswith("it") and check(account, **named)[0] == inputs
    for news, property, said in (
        ({**named, "accountName": "No Name!"}, "accountName", "'No Name!' is no name for Microsoft.Storage/storageAcc"),
        ({**named, "tags": {"owner": ""}}, "tags.owner", "empty, which"),
        ({}, "resourceGroupName", "not given"),
        ({**named, "accountName": "a/b"}, "accountName", "more than one part"),
    ):
        assert said in check(account, **news)[1][property]
    with pytest.raises(grpc.RpcError, match="azure-native:cache:Redis is not in infra/table.py"):
        check("azure-native:cache:Redis", name="x")

    stub.Configure(messages.ConfigureRequest(variables={"azure-native:config:location": "northeurope"}))
    inputs, failures = check(GROUP)
    assert not failures and inputs["location"] == "northeurope" and inputs["resourceGroupName"].startswith("it")

"""Failures on demand, and how the in-process apply meets each: it asks again, waits, or says what happened."""

from __future__ import annotations

import urllib.error
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.identity import EnvironmentCredential

from emulator import Emulator
from infra.arm import Arm as Client
from infra.arm import ArmError
from tests.conftest import Arm

VERSION = {"api-version": "2024-03-01"}
Switch = Callable[..., dict[str, Any]]


@pytest.fixture
def fault(azure: Emulator) -> Iterator[Switch]:
    yield lambda kind, **how: azure.control("/_emulator/faults", method="POST", body={"kind": kind, **how})
    azure.control("/_emulator/faults", method="DELETE")


@pytest.fixture
def client(azure: Emulator) -> Iterator[Client]:
    with Client(EnvironmentCredential(), patience=2) as client:
        yield client


def put(client: Client, id: str) -> dict[str, Any]:
    return client.put(id, VERSION, {"location": "westeurope"})


@pytest.mark.parametrize("kind", ["conflict", "throttle", "error"])
def test_what_passes_by_itself_is_asked_again(kind: str, fault: Switch, client: Client, group: str, arm: Arm) -> None:
    status, code = {
        "conflict": (409, "AnotherOperationInProgress"),
        "throttle": (429, "TooManyRequests"),
        "error": (500, "InternalServerError"),
    }[kind]
    fault(kind, path=group, times=1)
    answer = arm.put(group, {"location": "westeurope"}, version=VERSION["api-version"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == (None if kind == "error" else "1")
    fault(kind, path=group, times=2)
    assert put(client, group)["name"] == group.rpartition("/")[2]


def test_what_does_not_pass_is_told_in_azures_words(fault: Switch, client: Client, group: str) -> None:
    fault("error", path=f"{group}-other", times=0)
    assert put(client, group)  # the fault is for another
    client.delete(f"{group}-none", VERSION)
    with (
        Client(EnvironmentCredential(), retries=0) as impatient,
        pytest.raises(ArmError, match="InternalServerError: Encountered internal server error") as raised,
    ):
        put(impatient, f"{group}-other")
    assert raised.value.status == 500


def test_a_conflict_that_is_no_passing_one_is_not_asked_again(client: Client, group: str, arm: Arm) -> None:
    with pytest.raises(ArmError, match="InvalidResourceGroupLocation"):
        client.put(group, VERSION, {"location": "northeurope"})


def test_an_operation_that_fails_leaves_what_the_next_one_mends(fault: Switch, client: Client, group: str) -> None:
    network, version = f"{group}/providers/Microsoft.Network/virtualNetworks/v", {"api-version": "2024-05-01"}
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    fault("operation-fails", path=network)
    with pytest.raises(ArmError, match="terminal provisioning state 'Failed'") as raised:
        client.put(network, version, body)
    assert raised.value.code == "ResourceDeploymentFailure"
    found = client.get(network, version)
    assert found is not None and found["properties"]["provisioningState"] == "Failed"
    assert client.put(network, version, body)["properties"]["provisioningState"] == "Succeeded"


def test_a_deletion_that_is_stuck_is_not_waited_for_for_ever(fault: Switch, client: Client, group: str) -> None:
    id = f"{group}/providers/Microsoft.Network/virtualNetworks/v"
    version = {"api-version": "2024-05-01"}
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    client.put(id, version, body)
    fault("stuck-delete", path=id)
    with pytest.raises(ArmError, match="the DELETE was accepted and did not end within 2 s"):
        client.delete(id, version)
    found = client.get(id, version)
    assert found is not None and found["properties"]["provisioningState"] == "Deleting"
    client.delete(id, version)
    assert client.get(id, version) is None


def test_each_resource_may_have_its_own_bad_day(azure: Emulator, fault: Switch, arm: Arm, group: str) -> None:
    fault("forbidden", path=group, each=True)
    for id in (group, f"{group}-too"):
        answers = [arm.put(id, {"location": "westeurope"}, version=VERSION["api-version"]) for _ in range(2)]
        assert answers[0].status_code == 403 and answers[1].ok, answers[1].text
    assert azure.control("/_emulator/faults")["value"][0]["met"] == 2


def test_faults_are_listed_counted_and_taken_back(azure: Emulator, fault: Switch, arm: Arm, group: str) -> None:
    one, two = fault("throttle", path=group, times=0, seconds=7), fault("error", path=str(uuid.uuid4()))
    assert arm.get(group, version=VERSION["api-version"]).headers["Retry-After"] == "7"
    listed = {found["id"]: found for found in azure.control("/_emulator/faults")["value"]}
    assert listed[one["id"]]["met"] == 1 and listed[two["id"]]["met"] == 0
    azure.control(f"/_emulator/faults?id={one['id']}", method="DELETE")
    assert arm.get(group, version=VERSION["api-version"]).status_code == 200
    for body in (
        {"kind": "flood"},
        {"kind": "error", "times": -1},
        {"kind": "error", "methods": ["LOOK"]},
        {"kind": "error", "each": 1},
        [],
    ):
        with pytest.raises(urllib.error.HTTPError) as raised:
            azure.control("/_emulator/faults", method="POST", body=body)
        with raised.value as refused:
            assert refused.code == 400
    with pytest.raises(urllib.error.HTTPError) as raised:
        azure.control("/_emulator/faults?id=4711", method="DELETE")
    with raised.value as refused:
        assert refused.code == 404

"""Networks: what one refers to must be there, and stays while it is in use."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

GLOBAL = {"location": "global"}
HERE = {"location": "westeurope"}


@pytest.fixture
def names(group: str) -> dict[str, str]:
    """Ids of parts of a network, by what they are, none of which is there yet."""
    own = f"{group}/providers/Microsoft.Network"
    return {
        "group": f"{own}/networkSecurityGroups/nsg",
        "address": f"{own}/publicIPAddresses/pip",
        "gateway": f"{own}/natGateways/ng",
        "network": f"{own}/virtualNetworks/vnet",
        "subnet": f"{own}/virtualNetworks/vnet/subnets/a",
        "zone": f"{own}/privateDnsZones/privatelink.blob.core.windows.net",
        "link": f"{own}/privateDnsZones/privatelink.blob.core.windows.net/virtualNetworkLinks/l",
        "endpoint": f"{own}/privateEndpoints/pep",
        "names": f"{own}/privateEndpoints/pep/privateDnsZoneGroups/default",
        "account": f"{group}/providers/Microsoft.Storage/storageAccounts/st{uuid.uuid4().hex[:16]}",
    }


def bodies(names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """In the order in which each finds what it refers to."""
    subnet = {"addressPrefix": "10.0.0.0/24"} | {
        part: {"id": names[id]} for part, id in (("networkSecurityGroup", "group"), ("natGateway", "gateway"))
    }
    space = {"addressPrefixes": ["10.0.0.0/23"]}
    connection = {"privateLinkServiceId": names["account"], "groupIds": ["blob"]}
    return {
        "account": {**HERE, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}},
        "group": HERE,
        "address": {**HERE, "sku": {"name": "Standard"}},
        "gateway": {**HERE, "properties": {"publicIpAddresses": [{"id": names["address"]}]}},
        "network": {**HERE, "properties": {"addressSpace": space, "subnets": [{"name": "a", "properties": subnet}]}},
        "zone": GLOBAL,
        "link": {**GLOBAL, "properties": {"virtualNetwork": {"id": names["network"]}}},
        "endpoint": {
            **HERE,
            "properties": {
                "subnet": {"id": names["subnet"]},
                "privateLinkServiceConnections": [{"name": "blob", "properties": connection}],
            },
        },
        "names": {
            "properties": {"privateDnsZoneConfigs": [{"name": "z", "properties": {"privateDnsZoneId": names["zone"]}}]}
        },
    }


@pytest.fixture
def network(arm: Any, names: dict[str, str]) -> dict[str, str]:
    for what, body in bodies(names).items():
        answer = arm.put(names[what], body)
        assert answer.status_code in (200, 201), answer.text
    return names


@pytest.mark.parametrize("what", ["gateway", "network", "link", "endpoint", "names"])
def test_what_one_refers_to_must_be_there(arm: Any, names: dict[str, str], what: str) -> None:
    for parent in {"link": ["zone"], "names": ["account", "network", "endpoint"]}.get(what, []):
        body = bodies(names)[parent]
        if parent == "network":
            body["properties"]["subnets"][0]["properties"] = {"addressPrefix": "10.0.0.0/24"}
        assert arm.put(names[parent], body).status_code in (200, 201)
    answer = arm.put(names[what], bodies(names)[what])
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "InvalidResourceReference", answer.text


def test_what_is_in_use_stays(arm: Any, network: dict[str, str]) -> None:
    for what, user, code in (
        ("subnet", "endpoint", "InUseSubnetCannotBeDeleted"),
        ("network", "endpoint", "InUseSubnetCannotBeDeleted"),
        ("group", "subnet", "InUseNetworkSecurityGroupCannotBeDeleted"),
        ("gateway", "subnet", "InUseNatGatewayCannotBeDeleted"),
        ("address", "gateway", "PublicIPAddressCannotBeDeleted"),
        ("zone", "link", "CannotDeleteResource"),
    ):
        error = arm.delete(network[what]).json()["error"]
        assert error["code"] == code and network[user] in error["message"]
    for what in ("endpoint", "link", "zone", "network", "gateway", "address", "group"):
        assert arm.delete(network[what]).status_code in (200, 202), what
        assert arm.get(network[what]).status_code == 404


def test_a_group_takes_its_network_with_it(arm: Any, group: str, network: dict[str, str]) -> None:
    assert arm.delete(group, version="2024-03-01").status_code == 202
    until = time.monotonic() + 20
    while arm.get(group, version="2024-03-01").status_code != 404:
        assert time.monotonic() < until, "The group is still there."


def test_an_endpoint_is_to_what_its_target_has(arm: Any, network: dict[str, str]) -> None:
    found = arm.get(network["endpoint"]).json()["properties"]["privateLinkServiceConnections"][0]
    assert found["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved"
    body = bodies(network)["endpoint"]
    body["properties"]["privateLinkServiceConnections"][0]["properties"]["groupIds"] = ["vault"]
    answer = arm.put(network["endpoint"], body)
    assert answer.status_code == 400 and "'vault'" in answer.json()["error"]["message"]
    del body["properties"]["privateLinkServiceConnections"]
    assert arm.put(network["endpoint"], body).json()["error"]["code"] == "PrivateEndpointMustHaveConnection"
    again = f"{network['zone']}/virtualNetworkLinks/again"
    answer = arm.put(again, bodies(network)["link"])
    assert answer.status_code == 400 and "linked to the zone already" in answer.json()["error"]["message"]

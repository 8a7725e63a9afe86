"""Networks, as records: nothing is routed, but what refers to a subnet or a private endpoint finds it.

https://learn.microsoft.com/rest/api/virtualnetwork, https://learn.microsoft.com/rest/api/dns/privatednszones.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import bad_request
from emulator.http import Call
from emulator.management.arm import Kind, NameRule
from emulator.management.ids import ResourceId
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NETWORK = "Microsoft.Network/virtualNetworks"
NAME = NameRule(
    r"[a-zA-Z0-9]|[a-zA-Z0-9][\w.-]{0,78}\w",
    "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must "
    "end with a word character or with '_'. The name may contain word characters or '.', '-', '_'.",
)
ZONE_NAME = NameRule(
    r"([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.)+[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?",
    "The domain name '{name}' is invalid. It must be a domain name of two labels or more.",
    "BadRequest",
)


async def _check_network(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    bodies.need(body, "properties.addressSpace", dict)
    for prefix in bodies.get(body, "properties.addressSpace.addressPrefixes", list) or []:
        _check_prefix(prefix, id)
    subnets = bodies.get(body, "properties.subnets", list)
    for subnet in subnets or []:
        NAME.check(bodies.need(subnet if isinstance(subnet, dict) else {}, "name", str))
        _check_subnet_body(subnet, id)
    return bodies.with_properties(body, enableDdosProtection=False)


async def _check_subnet(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    _check_subnet_body(body, id)
    return body


def _check_subnet_body(body: dict[str, Any], id: ResourceId) -> None:
    prefixes = bodies.get(body, "properties.addressPrefixes", list) or []
    prefix = bodies.get(body, "properties.addressPrefix", str)
    if not prefixes and prefix is None:
        raise bad_request(
            "InvalidRequestFormat", "A subnet needs properties.addressPrefix or properties.addressPrefixes."
        )
    for one in [*prefixes, *([prefix] if prefix else [])]:
        _check_prefix(one, id)


def _check_prefix(prefix: Any, id: ResourceId) -> None:
    try:
        ipaddress.ip_network(prefix)
    except (ValueError, TypeError):
        raise bad_request(
            "InvalidCIDRNotation", f"The address prefix {prefix} in resource {id} has an invalid CIDR notation."
        ) from None


async def _network_created(call: Call, document: Document, old: Document | None) -> None:
    """The subnets named in the network's own body are resources too."""
    subnets = document.body["properties"].get("subnets")
    if subnets is None:
        return

    def change(tx: Transaction) -> None:
        kept = {f"{document.id}/subnets/{subnet['name']}".lower() for subnet in subnets}
        for subnet in tx.children(document.id, f"{NETWORK}/subnets"):
            if subnet.id.lower() not in kept:
                tx.delete(subnet.id)
        for subnet in subnets:
            body = {"properties": subnet.get("properties") or {}}
            tx.put(f"{document.id}/subnets/{subnet['name']}", f"{NETWORK}/subnets", body, parent=document.id)

    await call.cloud.store.write(change)


def _render_network(cloud: Cloud, document: Document) -> dict[str, Any]:
    subnets = cloud.store.children(document.id, f"{NETWORK}/subnets")
    return {
        "properties": {
            "subnets": [
                {
                    "id": subnet.id,
                    "name": subnet.name,
                    "type": f"{NETWORK}/subnets",
                    "etag": f'"{subnet.etag}"',
                    "properties": {**subnet.body["properties"], "provisioningState": "Succeeded"},
                }
                for subnet in subnets
            ]
        }
    }


KINDS = (
    Kind(NETWORK, NAME, tracked=True, check=_check_network, created=_network_created, render=_render_network),
    Kind(f"{NETWORK}/subnets", NAME, check=_check_subnet),
    Kind(f"{NETWORK}/virtualNetworkPeerings", NAME),
    Kind("Microsoft.Network/networkSecurityGroups", NAME, tracked=True),
    Kind("Microsoft.Network/networkSecurityGroups/securityRules", NAME),
    Kind("Microsoft.Network/routeTables", NAME, tracked=True),
    Kind("Microsoft.Network/routeTables/routes", NAME),
    Kind("Microsoft.Network/natGateways", NAME, tracked=True),
    Kind("Microsoft.Network/publicIPAddresses", NAME, tracked=True),
    Kind("Microsoft.Network/networkInterfaces", NAME, tracked=True),
    Kind("Microsoft.Network/privateEndpoints", NAME, tracked=True),
    Kind("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", NAME),
    Kind("Microsoft.Network/privateDnsZones", ZONE_NAME, tracked=True),
    Kind("Microsoft.Network/privateDnsZones/virtualNetworkLinks", NAME, tracked=True),
    Kind("Microsoft.Network/privateDnsZones/A", state=False),
)

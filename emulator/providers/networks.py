"""Networks, as records: nothing is routed, but what one refers to must be there, and stays while it is in use.

https://learn.microsoft.com/rest/api/virtualnetwork, https://learn.microsoft.com/rest/api/dns/privatednszones.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import bad_request
from emulator.http import Call
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NETWORK = "Microsoft.Network/virtualNetworks"
SUBNET = f"{NETWORK}/subnets"
GROUP = "Microsoft.Network/networkSecurityGroups"
GATEWAY = "Microsoft.Network/natGateways"
ADDRESS = "Microsoft.Network/publicIPAddresses"
ENDPOINT = "Microsoft.Network/privateEndpoints"
ZONE = "Microsoft.Network/privateDnsZones"
LINK = f"{ZONE}/virtualNetworkLinks"
# What a private endpoint can be to: https://learn.microsoft.com/azure/private-link/private-endpoint-overview#private-link-resource
GROUPS = {
    "microsoft.storage/storageaccounts": frozenset(
        f"{service}{copy}"
        for service in ("blob", "file", "queue", "table", "web", "dfs")
        for copy in ("", "_secondary")
    ),
    "microsoft.keyvault/vaults": frozenset({"vault"}),
    "microsoft.containerregistry/registries": frozenset({"registry"}),
    "microsoft.machinelearningservices/workspaces": frozenset({"amlworkspace"}),
}
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
        _check_subnet_body(call, subnet, id)
    return bodies.with_properties(body, enableDdosProtection=False)


async def _check_subnet(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    _check_subnet_body(call, body, id)
    return body


def _check_subnet_body(call: Call, body: dict[str, Any], id: ResourceId) -> None:
    for path in ("networkSecurityGroup", "natGateway", "routeTable"):
        _refer(call, id, bodies.get(body, f"properties.{path}.id", str))
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


async def _check_gateway(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    for address in bodies.get(body, "properties.publicIpAddresses", list) or []:
        _refer(call, id, bodies.need(address, "id", str))
    return body


async def _check_endpoint(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    _refer(call, id, bodies.need(body, "properties.subnet.id", str))
    connections = [
        connection
        for name in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
        for connection in bodies.get(body, f"properties.{name}", list) or []
    ]
    if not connections:
        raise bad_request("PrivateEndpointMustHaveConnection", f"The private endpoint {id} must have a connection.")
    for connection in connections:
        target = bodies.need(connection, "properties.privateLinkServiceId", str)
        _refer(call, id, target)
        known = GROUPS.get(ResourceId.parse(target).type.lower())
        for group in bodies.get(connection, "properties.groupIds", list) or []:
            if known is not None and str(group).lower() not in known:
                raise bad_request(
                    "InvalidPrivateLinkServiceConnectionGroupId",
                    f"The group id '{group}' of {id} is not one that {target} has: {', '.join(sorted(known))}.",
                )
    return body


def _render_endpoint(cloud: Cloud, document: Document) -> dict[str, Any]:
    properties = document.body["properties"]
    approved = {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
    name = "privateLinkServiceConnections"
    return {
        "properties": {
            name: [
                {
                    **connection,
                    "id": f"{document.id}/{name}/{connection.get('name', '')}",
                    "properties": {
                        **connection["properties"],
                        "provisioningState": "Succeeded",
                        "privateLinkServiceConnectionState": approved,
                    },
                }
                for connection in properties.get(name) or []
            ],
            "manualPrivateLinkServiceConnections": properties.get("manualPrivateLinkServiceConnections") or [],
        }
    }


async def _check_names(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    for zone in bodies.get(body, "properties.privateDnsZoneConfigs", list) or []:
        _refer(call, id, bodies.need(zone, "properties.privateDnsZoneId", str))
    return body


async def _check_link(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    target = bodies.need(body, "properties.virtualNetwork.id", str)
    _refer(call, id, target)
    for link in call.cloud.store.children(str(id.parent), LINK):
        if (
            link.id.lower() != str(id).lower()
            and link.body["properties"]["virtualNetwork"]["id"].lower() == target.lower()
        ):
            raise bad_request(
                "BadRequest", f"The virtual network {target} is linked to the zone already, by the link '{link.name}'."
            )
    return bodies.with_properties(
        body, registrationEnabled=bodies.get(body, "properties.registrationEnabled", bool) or False
    )


def _render_link(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {"properties": {"virtualNetworkLinkState": "Completed"}}


def _refer(call: Call, id: ResourceId, other: str | None) -> None:
    if other is not None and call.cloud.store.get(other) is None:
        raise bad_request(
            "InvalidResourceReference",
            f"Resource {other} referenced by resource {id} was not found. Please make sure that the referenced resource exists, "
            "and that both resources are in the same region.",
        )


# What is in use stays


async def _network_deleting(call: Call, document: Document) -> None:
    for subnet in call.cloud.store.children(document.id, SUBNET):
        await _subnet_deleting(call, subnet)


async def _subnet_deleting(call: Call, document: Document) -> None:
    store = call.cloud.store
    computes = store.of_type("Microsoft.MachineLearningServices/workspaces/computes")
    subnets = [(one, bodies.get(one.body, "properties.subnet.id", str)) for one in store.of_type(ENDPOINT)]
    subnets += [(one, bodies.get(one.body, "properties.properties.subnet.id", str)) for one in computes]
    for one, subnet in subnets:
        if (subnet or "").lower() == document.id.lower():
            _in_use(call, document, one.id, "InUseSubnetCannotBeDeleted", "Subnet")


async def _group_deleting(call: Call, document: Document) -> None:
    for subnet in _subnets_with(call, "networkSecurityGroup", document.id):
        _in_use(call, document, subnet, "InUseNetworkSecurityGroupCannotBeDeleted", "Network security group")


async def _gateway_deleting(call: Call, document: Document) -> None:
    for subnet in _subnets_with(call, "natGateway", document.id):
        _in_use(call, document, subnet, "InUseNatGatewayCannotBeDeleted", "NAT gateway")


async def _address_deleting(call: Call, document: Document) -> None:
    for gateway in call.cloud.store.of_type(GATEWAY):
        for address in bodies.get(gateway.body, "properties.publicIpAddresses", list) or []:
            if (bodies.get(address, "id", str) or "").lower() == document.id.lower():
                _in_use(call, document, gateway.id, "PublicIPAddressCannotBeDeleted", "Public IP address")


async def _zone_deleting(call: Call, document: Document) -> None:
    for link in call.cloud.store.children(document.id, LINK):
        _in_use(call, document, link.id, "CannotDeleteResource", "Zone")


def _subnets_with(call: Call, name: str, id: str) -> Iterator[str]:
    for subnet in call.cloud.store.of_type(SUBNET):
        if (bodies.get(subnet.body, f"properties.{name}.id", str) or "").lower() == id.lower():
            yield subnet.id


def _in_use(call: Call, document: Document, user: str, code: str, what: str) -> None:
    """Refused, unless the whole group is on its way out."""
    id = ResourceId.parse(document.id)
    if not arm.group(call.cloud.store, id.subscription, id.group).body.get("deleting"):
        raise bad_request(code, f"{what} {document.name} is in use by {user} and cannot be deleted.")


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
    Kind(
        NETWORK,
        NAME,
        tracked=True,
        check=_check_network,
        created=_network_created,
        deleting=_network_deleting,
        render=_render_network,
    ),
    Kind(SUBNET, NAME, check=_check_subnet, deleting=_subnet_deleting),
    Kind(f"{NETWORK}/virtualNetworkPeerings", NAME),
    Kind(GROUP, NAME, tracked=True, deleting=_group_deleting),
    Kind(f"{GROUP}/securityRules", NAME),
    Kind("Microsoft.Network/routeTables", NAME, tracked=True),
    Kind("Microsoft.Network/routeTables/routes", NAME),
    Kind(GATEWAY, NAME, tracked=True, check=_check_gateway, deleting=_gateway_deleting),
    Kind(ADDRESS, NAME, tracked=True, deleting=_address_deleting),
    Kind("Microsoft.Network/networkInterfaces", NAME, tracked=True),
    Kind(ENDPOINT, NAME, tracked=True, check=_check_endpoint, render=_render_endpoint),
    Kind(f"{ENDPOINT}/privateDnsZoneGroups", NAME, check=_check_names),
    Kind(ZONE, ZONE_NAME, tracked=True, deleting=_zone_deleting),
    Kind(LINK, NAME, tracked=True, check=_check_link, render=_render_link),
    Kind(f"{ZONE}/A", state=False),
)

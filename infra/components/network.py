"""The virtual network of a private stack: a subnet for private endpoints, one for nodes, and the names that are private in it.

Nothing here is made, or its package loaded (seconds), for a public stack.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns

from infra.place import Place

# What a private endpoint is to, and the zones of its names: https://learn.microsoft.com/azure/private-link/private-endpoint-dns
SERVICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "workspace": ("amlworkspace", ("privatelink.api.azureml.ms", "privatelink.notebooks.azure.net")),
    "blob": ("blob", ("privatelink.blob.core.windows.net",)),
    "file": ("file", ("privatelink.file.core.windows.net",)),
    "vault": ("vault", ("privatelink.vaultcore.azure.net",)),
    "registry": ("registry", ("privatelink.azurecr.io",)),
}


@dataclass(frozen=True)
class NetworkArgs:
    """``existing`` is the id of a network that is somebody else's, with subnets of these names. ``nodes``: whether nodes are in the
    stack's own network. ``services`` are the keys of ``SERVICES`` that there will be endpoints to."""

    place: Place
    network_name: str
    security_group_name: str
    nat_gateway_name: str
    public_ip_name: str
    address_space: str
    endpoints_subnet: str
    nodes_subnet: str
    nodes: bool
    services: Sequence[str]
    existing: str | None = None


class Network(pulumi.ComponentResource):
    endpoints_subnet_id: pulumi.Output[str]
    nodes_subnet_id: pulumi.Output[str] | None
    zone_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Network", name, None, opts)
        id = self._make(name, args) if args.existing is None else pulumi.Output.from_input(args.existing)
        self.endpoints_subnet_id = pulumi.Output.concat(id, "/subnets/", args.endpoints_subnet)
        self.nodes_subnet_id = pulumi.Output.concat(id, "/subnets/", args.nodes_subnet) if args.nodes else None
        zones = [zone for service in args.services for zone in SERVICES[service][1]]
        self.zone_ids = {zone: self._zone(zone, id, args) for zone in zones}
        self.register_outputs({"endpointsSubnetId": self.endpoints_subnet_id, "nodesSubnetId": self.nodes_subnet_id})

    def _make(self, name: str, args: NetworkArgs) -> pulumi.Output[str]:
        place, own = args.place, pulumi.ResourceOptions(parent=self)
        # No rule of its own: what Azure has in every group lets the network speak within and outwards, and nobody in.
        group = network.NetworkSecurityGroup(
            f"{name}-rules",
            network_security_group_name=args.security_group_name,
            resource_group_name=place.resource_group_name,
            location=place.location,
            tags=place.tags,
            opts=own,
        )
        halves = [str(half) for half in ipaddress.IPv4Network(args.address_space).subnets()]
        subnets = [
            network.SubnetArgs(
                name=args.endpoints_subnet,
                address_prefix=halves[0],
                network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
                # Else the rules above would not hold for private endpoints.
                private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.ENABLED,
                default_outbound_access=False,
            )
        ]
        if args.nodes:
            subnets.append(
                network.SubnetArgs(
                    name=args.nodes_subnet,
                    address_prefix=halves[1],
                    network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
                    nat_gateway=network.SubResourceArgs(id=self._way_out(name, args)),
                    default_outbound_access=False,
                )
            )
        # The subnets stand in the network's own body: as resources of their own, an update of the network would remove them.
        made = network.VirtualNetwork(
            name,
            virtual_network_name=args.network_name,
            resource_group_name=place.resource_group_name,
            location=place.location,
            tags=place.tags,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_space]),
            subnets=subnets,
            opts=own,
        )
        id: pulumi.Output[str] = made.id
        return id

    def _way_out(self, name: str, args: NetworkArgs) -> pulumi.Output[str]:
        """Nodes have no public address, and must reach Azure ML's own services and the packages that environments name."""
        place, own = args.place, pulumi.ResourceOptions(parent=self)
        address = network.PublicIPAddress(
            f"{name}-address",
            public_ip_address_name=args.public_ip_name,
            resource_group_name=place.resource_group_name,
            location=place.location,
            tags=place.tags,
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            opts=own,
        )
        gateway = network.NatGateway(
            f"{name}-way-out",
            nat_gateway_name=args.nat_gateway_name,
            resource_group_name=place.resource_group_name,
            location=place.location,
            tags=place.tags,
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            opts=own,
        )
        id: pulumi.Output[str] = gateway.id
        return id

    def _zone(self, zone: str, network_id: pulumi.Output[str], args: NetworkArgs) -> pulumi.Output[str]:
        made = privatedns.PrivateZone(
            zone,
            private_zone_name=zone,
            resource_group_name=args.place.resource_group_name,
            location="global",
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        privatedns.VirtualNetworkLink(
            f"{zone}-link",
            virtual_network_link_name="stack",
            private_zone_name=made.name,
            resource_group_name=args.place.resource_group_name,
            location="global",
            tags=args.place.tags,
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=network_id),
            opts=pulumi.ResourceOptions(parent=self),
        )
        id: pulumi.Output[str] = made.id
        return id


@dataclass(frozen=True)
class PrivateEndpointArgs:
    place: Place
    endpoint_name: str
    service: str
    target_id: pulumi.Input[str]
    network: Network


class PrivateEndpoint(pulumi.ComponentResource):
    """The way from the network to one service of one resource, and its names there."""

    def __init__(self, name: str, args: PrivateEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:PrivateEndpoint", name, None, opts)
        group, zones = SERVICES[args.service]
        endpoint = network.PrivateEndpoint(
            name,
            private_endpoint_name=args.endpoint_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            subnet=network.SubnetArgs(id=args.network.endpoints_subnet_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=args.service, private_link_service_id=args.target_id, group_ids=[group]
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        network.PrivateDnsZoneGroup(
            f"{name}-names",
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=args.place.resource_group_name,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(
                    name=zone.replace(".", "-"), private_dns_zone_id=args.network.zone_ids[zone]
                )
                for zone in zones
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

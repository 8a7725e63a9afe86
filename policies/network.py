"""What can be reached, from where, and how its door is locked."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Fault, Resource, Stack, must_be, rule

# What has a public address, and the property that takes it away.
DOORS = {
    "storage:StorageAccount": "publicNetworkAccess",
    "keyvault:Vault": "properties.publicNetworkAccess",
    "machinelearningservices:Workspace": "publicNetworkAccess",
    "containerregistry:Registry": "publicNetworkAccess",
}
COMPUTE = "machinelearningservices:Compute"
NODE = "properties.properties.enableNodePublicIp"


@rule(
    "no-public-network",
    *DOORS,
    COMPUTE,
    reason="In production, data and secrets are reached through the private network alone: a stolen token is then no use outside.",
    link="https://learn.microsoft.com/azure/machine-learning/how-to-network-security-overview",
    production=True,
)
def no_public_network(resource: Resource, stack: Stack) -> Iterator[Fault]:
    if resource.kind == COMPUTE:
        machine = resource.at("properties.computeType") in ("AmlCompute", "ComputeInstance")
        if machine and resource.at(NODE) is not False:
            yield Fault(NODE, resource.at(NODE), "set it to false")
        return
    path = DOORS[resource.kind]
    if str(resource.at(path)).lower() not in ("disabled", "securedbyperimeter"):
        yield Fault(path, resource.at(path), "set it to Disabled, with a private endpoint")


no_admin_user = rule(
    "registry-no-admin-user",
    "containerregistry:Registry",
    reason="The admin user is one password for everybody, with the right to push.",
    link="https://learn.microsoft.com/azure/container-registry/container-registry-authentication#admin-account",
)(must_be("adminUserEnabled", False, absent=True, fix="set it to false, and give its users AcrPull or AcrPush"))

RULES = (no_public_network, no_admin_user)

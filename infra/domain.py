"""What a value of a stack's configuration must be to be one: Azure's own rules, as types."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from infra import naming

GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def matches(pattern: str, words: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {words}")
        return value

    return AfterValidator(check)


def _id(type: str) -> AfterValidator:
    """An ARM id of ``type``, or of a resource group."""
    group = rf"/subscriptions/{GUID}/resourceGroups/[^/]+"
    name = f"/providers/{type}/NAME" if type else ""
    pattern = f"(?i:{group}{re.escape(name).replace('NAME', '[^/]+')})"
    return matches(pattern, f"the id of one: /subscriptions/…/resourceGroups/…{name}")


def _addresses(value: str) -> str:
    """An address, or a block of them, that everybody outside has: Azure's firewalls refuse private ones
    (https://learn.microsoft.com/azure/storage/common/storage-network-security#restrictions-for-ip-network-rules)."""
    try:
        found = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"must be an IPv4 address or block: {error}") from None
    if found.is_private:
        raise ValueError("must be an address that the internet sees; this one is private")
    return value


def _space(value: str) -> str:
    try:
        found = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"must be an IPv4 block: {error}") from None
    if not found.is_private or found.prefixlen > 26:
        raise ValueError("must be a private block of /26 or larger: two subnets are cut from it")
    return value


Words = Annotated[str, Field(min_length=1)]
Region = Annotated[str, matches(r"[a-z0-9]+", "a region's short name, such as westeurope")]
Suffix = Annotated[str, matches(naming.SUFFIX, "2 to 8 lower-case letters and digits")]
ObjectId = Annotated[str, matches(GUID, "an object id"), AfterValidator(str.lower)]
ComputeName = Annotated[str, matches(naming.COMPUTE, "3 to 24 letters, digits and hyphens, a letter first")]
StoreName = Annotated[str, matches(r"[a-z0-9]{3,63}", "3 to 63 lower-case letters and digits")]
Owner = Annotated[str, matches(r"[a-z][a-z0-9]{1,11}", "2 to 12 lower-case letters and digits, a letter first")]
Clock = Annotated[str, matches(r"([01]\d|2[0-3]):[0-5]\d", "a time of day, such as '19:00'")]
Email = Annotated[str, matches(r"[^@\s]+@[^@\s]+", "an e-mail address")]
Addresses = Annotated[str, AfterValidator(_addresses)]
AddressSpace = Annotated[str, AfterValidator(_space)]
SubnetName = Annotated[str, matches(naming.SUBNET, "a subnet's name")]
GroupId = Annotated[str, _id("")]
StorageId = Annotated[str, _id("Microsoft.Storage/storageAccounts")]
VaultId = Annotated[str, _id("Microsoft.KeyVault/vaults")]
RegistryId = Annotated[str, _id("Microsoft.ContainerRegistry/registries")]
NetworkId = Annotated[str, _id("Microsoft.Network/virtualNetworks")]

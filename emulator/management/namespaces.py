"""Which resource types, API versions and locations there are: what ARM answers before it looks at any resource."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.errors import AzureError, NotEmulated, bad_request
from emulator.http import Call
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.management.versions import VERSIONS, known_types

if TYPE_CHECKING:
    from emulator.cloud import Cloud

# Name and display name (https://learn.microsoft.com/azure/reliability/regions-list).
LOCATIONS = {
    "eastus": "East US",
    "eastus2": "East US 2",
    "centralus": "Central US",
    "northcentralus": "North Central US",
    "southcentralus": "South Central US",
    "westcentralus": "West Central US",
    "westus": "West US",
    "westus2": "West US 2",
    "westus3": "West US 3",
    "canadacentral": "Canada Central",
    "canadaeast": "Canada East",
    "mexicocentral": "Mexico Central",
    "brazilsouth": "Brazil South",
    "chilecentral": "Chile Central",
    "northeurope": "North Europe",
    "westeurope": "West Europe",
    "francecentral": "France Central",
    "germanywestcentral": "Germany West Central",
    "italynorth": "Italy North",
    "norwayeast": "Norway East",
    "polandcentral": "Poland Central",
    "spaincentral": "Spain Central",
    "swedencentral": "Sweden Central",
    "switzerlandnorth": "Switzerland North",
    "uksouth": "UK South",
    "ukwest": "UK West",
    "austriaeast": "Austria East",
    "belgiumcentral": "Belgium Central",
    "denmarkeast": "Denmark East",
    "uaenorth": "UAE North",
    "qatarcentral": "Qatar Central",
    "israelcentral": "Israel Central",
    "southafricanorth": "South Africa North",
    "australiaeast": "Australia East",
    "australiacentral": "Australia Central",
    "australiasoutheast": "Australia Southeast",
    "newzealandnorth": "New Zealand North",
    "centralindia": "Central India",
    "southindia": "South India",
    "westindia": "West India",
    "eastasia": "East Asia",
    "southeastasia": "Southeast Asia",
    "indonesiacentral": "Indonesia Central",
    "malaysiawest": "Malaysia West",
    "japaneast": "Japan East",
    "japanwest": "Japan West",
    "koreacentral": "Korea Central",
    "koreasouth": "Korea South",
}
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?\Z", re.IGNORECASE)


def location(text: str) -> str | None:
    """``West Europe`` and ``westeurope`` are one; ``None`` for a region that there is not."""
    name = text.replace(" ", "").lower()
    return name if name in LOCATIONS or name == "global" else None


def check_subscription(cloud: Cloud, subscription: str) -> None:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", subscription):
        raise bad_request(
            "InvalidSubscriptionId", f"The provided subscription identifier '{subscription}' is malformed or invalid."
        )
    if subscription.lower() != cloud.identity.subscription.lower():
        raise AzureError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def kind(call: Call, id: ResourceId, type: str) -> Kind:
    """The type of what is asked for, with the request's API version checked against it."""
    check_version(call, id.namespace, type.partition("/")[2])
    found = call.cloud.kinds.get(type)
    if found is not None and call.method == "PUT" and call.cloud.store.get(registration(call.cloud, id.namespace)):
        raise AzureError(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{id.namespace}'. "
            "See https://aka.ms/rps-not-found for how to register subscriptions.",
        )
    if found is None:
        if call.method == "POST":
            raise NotEmulated(f"POST {type}")
        raise _unknown(call, id.namespace, type.partition("/")[2])
    return found


def registration(cloud: Cloud, namespace: str) -> str:
    """The id of the document that is there while a namespace is unregistered; all are registered at first."""
    return f"/subscriptions/{cloud.identity.subscription}/unregistered/{namespace}"


def check_version(call: Call, namespace: str, type: str) -> None:
    version = call.option("api-version")
    if not version:
        raise bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    supported = VERSIONS.get(namespace.lower())
    if not _VERSION.match(version):
        listed = ",".join(supported or ())
        raise bad_request(
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{listed}'.",
        )
    if supported is not None and version.lower() not in supported:
        raise bad_request(
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location 'global' and API version '{version}' for type '{type}'. "
            f"The supported api-versions are '{', '.join(supported)}'. The supported locations are "
            f"'{', '.join(LOCATIONS)}'.",
        )


def _unknown(call: Call, namespace: str, type: str) -> AzureError:
    types = known_types(namespace)
    if types is None:
        return AzureError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    if types and type.lower() not in types:
        supported = ",".join(VERSIONS.get(namespace.lower(), ()))
        return AzureError(
            404,
            "InvalidResourceType",
            f"The resource type '{type}' could not be found in the namespace '{namespace}' for api version "
            f"'{call.option('api-version')}'. The supported api-versions are '{supported}'.",
        )
    return NotEmulated(f"{call.method} {namespace}/{type}")

"""Subscriptions, tenants, locations and resource providers, and last of all any resource by its id.

https://learn.microsoft.com/rest/api/resources/subscriptions, https://learn.microsoft.com/rest/api/resources/providers.
"""

from __future__ import annotations

from typing import Any

from emulator.errors import AzureError, bad_request
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, namespaces
from emulator.management.versions import OTHER_NAMESPACES, TYPES, VERSIONS
from emulator.routes import Route

NAME = "Azure on the laptop"
UNREGISTERED = "emulator/unregistered"


def _subscription(call: Call) -> dict[str, Any]:
    identity = call.cloud.identity
    return {
        "id": f"/subscriptions/{identity.subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "tags": {},
        "subscriptionId": identity.subscription,
        "tenantId": identity.tenant,
        "displayName": NAME,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


async def list_subscriptions(call: Call) -> Reply:
    namespaces.check_version(call, "Microsoft.Resources", "subscriptions")
    return Reply(body={"value": [_subscription(call)], "count": {"type": "Total", "value": 1}})


async def get_subscription(call: Call) -> Reply:
    _check(call, "subscriptions")
    return Reply(body=_subscription(call))


async def list_tenants(call: Call) -> Reply:
    namespaces.check_version(call, "Microsoft.Resources", "tenants")
    identity = call.cloud.identity
    return Reply(
        body={
            "value": [
                {
                    "id": f"/tenants/{identity.tenant}",
                    "tenantId": identity.tenant,
                    "displayName": NAME,
                    "defaultDomain": identity.domain,
                    "domains": [identity.domain],
                    "countryCode": "NL",
                    "tenantType": "AAD",
                    "tenantCategory": "Home",
                }
            ]
        }
    )


async def list_locations(call: Call) -> Reply:
    _check(call, "subscriptions/locations")
    root = f"/subscriptions/{call.cloud.identity.subscription}/locations"
    return Reply(
        body={
            "value": [
                {
                    "id": f"{root}/{name}",
                    "name": name,
                    "type": "Region",
                    "displayName": display,
                    "regionalDisplayName": display,
                    "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
                }
                for name, display in namespaces.LOCATIONS.items()
            ]
        }
    )


async def list_providers(call: Call) -> Reply:
    _check(call, "providers")
    names = sorted({kind.namespace for kind in call.cloud.kinds})
    return Reply(body={"value": [_provider(call, name) for name in names]})


async def get_provider(call: Call) -> Reply:
    _check(call, "providers")
    return Reply(body=_provider(call, call.params["namespace"]))


async def register(call: Call) -> Reply:
    _check(call, "providers")
    name = _known(call)
    await call.cloud.store.write(lambda tx: tx.delete(_registration(call, name)))
    return Reply(body=_provider(call, name))


async def unregister(call: Call) -> Reply:
    """Refused while there is a resource of the namespace, as Azure does."""
    _check(call, "providers")
    name = _known(call)
    for kind in call.cloud.kinds:
        if kind.namespace.lower() == name.lower() and call.cloud.store.of_type(kind.type):
            raise AzureError(
                409,
                "SubscriptionHasResources",
                f"The resource provider '{name}' cannot be unregistered: there are resources of type '{kind.type}'.",
            )
    id = _registration(call, name)
    await call.cloud.store.write(lambda tx: tx.put(id, UNREGISTERED, {}, by=arm.author(call)))
    return Reply(body=_provider(call, name))


def _check(call: Call, type: str) -> None:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, "Microsoft.Resources", type)


def _registration(call: Call, name: str) -> str:
    return namespaces.registration(call.cloud, name)


def _known(call: Call) -> str:
    """The namespace in Azure's own spelling where the emulator knows it."""
    asked = call.params["namespace"]
    for kind in call.cloud.kinds:
        if kind.namespace.lower() == asked.lower():
            return kind.namespace
    if asked.lower() in VERSIONS or asked.lower() in OTHER_NAMESPACES:
        return asked
    raise bad_request("InvalidResourceNamespace", f"The resource namespace '{asked}' is invalid.")


def _provider(call: Call, asked: str) -> dict[str, Any]:
    names = {kind.namespace.lower(): kind.namespace for kind in call.cloud.kinds}
    name, lower = names.get(asked.lower(), asked), asked.lower()
    if lower not in VERSIONS and lower not in OTHER_NAMESPACES:
        raise AzureError(404, "InvalidResourceNamespace", f"The resource namespace '{asked}' is invalid.")
    spelt = {kind.relative.lower(): kind.relative for kind in call.cloud.kinds if kind.namespace.lower() == lower}
    types = sorted(TYPES.get(lower, frozenset()) | set(spelt))
    gone = call.cloud.store.get(_registration(call, name)) is not None or lower in OTHER_NAMESPACES
    return {
        "id": f"/subscriptions/{call.cloud.identity.subscription}/providers/{name}",
        "namespace": name,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "NotRegistered" if gone else "Registered",
        "resourceTypes": [
            {
                "resourceType": spelt.get(type, type),
                "locations": list(namespaces.LOCATIONS.values()),
                "apiVersions": list(VERSIONS.get(lower, ())),
                "capabilities": "CrossResourceGroupResourceMove, CrossSubscriptionResourceMove, SupportsTags, SupportsLocation",
            }
            for type in types
        ],
    }


_HOST = "management.azure.com"
_ONE = "/subscriptions/{subscription}"
ROUTES = (
    Route(_HOST, "GET", "/subscriptions", list_subscriptions, ARM),
    Route(_HOST, "GET", _ONE, get_subscription, ARM),
    Route(_HOST, "GET", "/tenants", list_tenants, ARM),
    Route(_HOST, "GET", _ONE + "/locations", list_locations, ARM),
    Route(_HOST, "GET", _ONE + "/providers", list_providers, ARM),
    Route(_HOST, "GET", _ONE + "/providers/{namespace}", get_provider, ARM),
    Route(_HOST, "POST", _ONE + "/providers/{namespace}/register", register, ARM),
    Route(_HOST, "POST", _ONE + "/providers/{namespace}/unregister", unregister, ARM),
)

"""Container registries, as Resource Manager knows them: https://learn.microsoft.com/rest/api/containerregistry/registries.

No image is pushed or pulled here: ``*.azurecr.io`` is refused by the gateway.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import bad_request
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, names
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.routes import Route
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = "Microsoft.ContainerRegistry/registries"
NAME = NameRule(
    r"[a-zA-Z0-9]{5,50}",
    "The registry name '{name}' is invalid. It must have 5 to 50 letters and digits.",
    "InvalidResourceName",
)


async def _check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    sku = bodies.need(body, "sku.name", str)
    sku = bodies.choice(body, "sku.name", ("Basic", "Standard", "Premium")) or sku
    if old is None:
        names.check_free(
            call,
            TYPE,
            id.name,
            "AlreadyInUse",
            f"The registry DNS name {id.name.lower()}.azurecr.io is already in use. You can check if the name is already claimed "
            "using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability",
        )
    private = old.body["private"] if old else {"passwords": [secrets.token_urlsafe(32), secrets.token_urlsafe(32)]}
    return {
        **bodies.with_properties(
            body,
            adminUserEnabled=bodies.get(body, "properties.adminUserEnabled", bool) or False,
            publicNetworkAccess=bodies.choice(
                body, "properties.publicNetworkAccess", ("Enabled", "Disabled"), default="Enabled"
            ),
        ),
        "sku": {"name": sku, "tier": sku},
        "private": private,
    }


def _render(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {
        "properties": {
            "loginServer": f"{document.name.lower()}.azurecr.io",
            "creationDate": envelope.timestamp(document.created),
        }
    }


async def _list_credentials(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    if not document.body["properties"]["adminUserEnabled"]:
        raise bad_request(
            "UnAuthorizedForCredentialOperations",
            f"Cannot perform credential operations for {document.id} as admin user is disabled. Kindly enable admin user as per "
            "docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account",
        )
    first, second = document.body["private"]["passwords"]
    return Reply(
        body={
            "username": document.name,
            "passwords": [{"name": "password", "value": first}, {"name": "password2", "value": second}],
        }
    )


async def _name_available(call: Call) -> Reply:
    name = bodies.need(call.json(), "name", str)
    if names.holder(call, TYPE, name) is None:
        return Reply(body={"nameAvailable": True})
    message = f"The registry {name} is already in use."
    return Reply(body={"nameAvailable": False, "reason": "AlreadyExists", "message": message})


KINDS = (
    Kind(
        TYPE,
        NAME,
        tracked=True,
        check=_check,
        render=_render,
        actions={"listCredentials": _list_credentials},
    ),
)
ROUTES = (
    Route(
        "management.azure.com",
        "POST",
        "/subscriptions/{subscription}/providers/Microsoft.ContainerRegistry/checkNameAvailability",
        _name_available,
        ARM,
    ),
)

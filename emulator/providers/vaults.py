"""Key vaults, as Resource Manager knows them: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults.

A vault that is deleted holds its name until it is recovered or purged, or its retention is over
(https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview). What is in it is ``secrets``'.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import AzureError, bad_request, conflict
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import deleted, names, namespaces
from emulator.management.envelope import timestamp
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.providers import secrets
from emulator.routes import Route
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NAME = NameRule(
    r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a "
    "letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: "
    "https://go.microsoft.com/fwlink/?linkid=2147742",
    "VaultNameNotValid",
)
TYPE = "Microsoft.KeyVault/vaults"
HOST = "management.azure.com"


def _check_fixed(properties: dict[str, Any], old: Document | None) -> None:
    """What cannot be taken back: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview"""
    before = old.body["properties"] if old is not None else {}
    for name in ("enableSoftDelete", "enablePurgeProtection"):
        if properties.get(name) is False:
            raise bad_request(
                "BadRequest",
                f'The property "{name}" cannot be set to false. Enabling it for a vault is an irreversible action.',
                target=f"properties.{name}",
            )
    days, wanted = before.get("softDeleteRetentionInDays"), properties.get("softDeleteRetentionInDays")
    if days is not None and wanted is not None and wanted != days:
        raise bad_request(
            "BadRequest",
            'The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.',
            target="properties.softDeleteRetentionInDays",
        )
    for name in ("enablePurgeProtection", "softDeleteRetentionInDays"):
        if properties.get(name) is None and before.get(name) is not None:
            properties[name] = before[name]


async def _check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    bodies.need(body, "properties", dict, code="BadRequest")
    recovers = bodies.get(body, "properties.createMode", str) in ("recover", "Recover")
    gone = deleted.find(call.cloud.store, TYPE, id.name) if old is None else None
    if gone is not None and recovers:
        if gone.id.lower() != str(id).lower():
            raise conflict("ConflictError", f"The vault '{id.name}' was deleted from another place: {gone.id}.")
        return gone.body
    if gone is not None:
        raise conflict(
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. "
            "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
        )
    _check_fixed(body["properties"], old)
    bodies.need(body, "properties.tenantId", str, code="BadRequest")
    bodies.need(body, "properties.sku.name", str, code="BadRequest")
    by_role = bodies.get(body, "properties.enableRbacAuthorization", bool) or False
    policies = bodies.get(body, "properties.accessPolicies", list)
    if policies is None and not by_role and bodies.get(body, "properties.createMode", str) is None:
        bodies.need(body, "properties.accessPolicies", list, code="BadRequest")
    if old is None:
        names.check_free(
            call,
            TYPE,
            id.name,
            "VaultAlreadyExists",
            f"The vault name '{id.name}' is already in use. Vault names are globally unique so it is possible that the name is "
            "already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name "
            "was recently deleted but not purged after being placed in a recoverable state.",
        )
    body = {**body, "properties": {name: value for name, value in body["properties"].items() if name != "createMode"}}
    return bodies.with_properties(
        body,
        sku={"family": "A", "name": bodies.choice(body, "properties.sku.name", ("standard", "premium"))},
        accessPolicies=policies or [],
        enableRbacAuthorization=by_role,
        enabledForDeployment=bodies.get(body, "properties.enabledForDeployment", bool) or False,
        softDeleteRetentionInDays=bodies.between(body, "properties.softDeleteRetentionInDays", 7, 90, default=90),
        publicNetworkAccess=bodies.choice(
            body, "properties.publicNetworkAccess", ("Enabled", "Disabled"), default="Enabled"
        ),
    )


def _render(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {"properties": {"vaultUri": f"https://{document.name}.vault.azure.net/"}}


def _removed(call: Call, tx: Transaction, document: Document) -> None:
    deleted.keep(tx, document, document.body["properties"]["softDeleteRetentionInDays"])


async def _created(call: Call, document: Document, old: Document | None) -> None:
    if old is None:  # it was recovered, if it had been deleted
        await call.cloud.store.write(lambda tx: deleted.forget(tx, document.id))


# What was deleted: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-deleted


async def list_deleted(call: Call) -> Reply:
    _allowed(call)
    return Reply(body={"value": [_shown(call, one) for one in deleted.of_type(call.cloud.store, TYPE)]})


async def get_deleted(call: Call) -> Reply:
    return Reply(body=_shown(call, _deleted(call)))


async def purge(call: Call) -> Reply:
    gone = _deleted(call)
    if gone.body["properties"].get("enablePurgeProtection"):
        raise AzureError(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")

    def change(tx: Transaction) -> None:
        deleted.forget(tx, gone.id)
        secrets.forget(tx, gone.name)

    await call.cloud.store.write(change)
    return Reply(200)


async def name_available(call: Call) -> Reply:
    """https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/check-name-availability"""
    _allowed(call)
    name = bodies.need(call.json(), "name", str, code="BadRequest")
    if not re.fullmatch(NAME.pattern, name):
        message = NAME.message.replace("{name}", name)
        return Reply(body={"nameAvailable": False, "reason": "AccountNameInvalid", "message": message})
    if names.holder(call, TYPE, name) is not None or deleted.find(call.cloud.store, TYPE, name) is not None:
        message = f"The vault name '{name}' is already in use."
        return Reply(body={"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Reply(body={"nameAvailable": True})


def _allowed(call: Call) -> None:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, "Microsoft.KeyVault", "vaults")


def _deleted(call: Call) -> deleted.Deleted:
    _allowed(call)
    gone = deleted.find(call.cloud.store, TYPE, call.params["vault"])
    if gone is None or gone.body["location"] != namespaces.location(call.params["location"]):
        raise AzureError(
            404, "DeletedVaultNotFound", f"The specified deleted vault '{call.params['vault']}' does not exist."
        )
    return gone


def _shown(call: Call, gone: deleted.Deleted) -> dict[str, Any]:
    location = gone.body["location"]
    protected = gone.body["properties"].get("enablePurgeProtection")
    return {
        "id": f"/subscriptions/{call.params['subscription']}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/"
        + gone.name,
        "name": gone.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": gone.id,
            "location": location,
            "tags": gone.body.get("tags") or {},
            "deletionDate": timestamp(gone.at),
            "scheduledPurgeDate": timestamp(gone.until),
            **({"purgeProtectionEnabled": True} if protected else {}),
        },
    }


KINDS = (Kind(TYPE, NAME, tracked=True, check=_check, render=_render, created=_created, removed=_removed, creates=200),)
_OF = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"
_ONE = f"{_OF}/locations/{{location}}/deletedVaults/{{vault}}"
ROUTES = (
    Route(HOST, "POST", f"{_OF}/checkNameAvailability", name_available, ARM),
    Route(HOST, "GET", f"{_OF}/deletedVaults", list_deleted, ARM),
    Route(HOST, "GET", _ONE, get_deleted, ARM),
    Route(HOST, "POST", f"{_ONE}/purge", purge, ARM),
)

"""Key vaults, as Resource Manager knows them: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults.

Their secrets, keys and certificates (``*.vault.azure.net``) are not emulated yet, nor is the soft deletion of a vault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.http import Call
from emulator.management import names
from emulator.management.arm import Kind, NameRule
from emulator.management.ids import ResourceId
from emulator.store import Document

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


async def _check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    bodies.need(body, "properties", dict, code="BadRequest")
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


KINDS = (Kind(TYPE, NAME, tracked=True, check=_check, render=_render, creates=200),)

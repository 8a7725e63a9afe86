"""Where the secrets lie."""

from __future__ import annotations

from policies.rule import must_be, rule

VAULT = "keyvault:Vault"

by_role = rule(
    "vault-rbac",
    VAULT,
    reason="Access policies let every Contributor of the vault give itself its secrets; roles do not.",
    link="https://learn.microsoft.com/azure/key-vault/general/rbac-access-policy",
)(must_be("properties.enableRbacAuthorization", True, fix="set it to true"))

soft_delete = rule(
    "vault-soft-delete",
    VAULT,
    reason="A vault that is deleted by mistake comes back, with what is in it.",
    link="https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview",
)(must_be("properties.enableSoftDelete", True, absent=True, fix="set it to true"))

purge_protection = rule(
    "vault-purge-protection",
    VAULT,
    reason="Who may delete a vault could otherwise purge it too, and what was encrypted with its keys is lost.",
    link="https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#purge-protection",
    production=True,
)(must_be("properties.enablePurgeProtection", True, fix="set it to true: in the stack's file, purgeProtection"))

RULES = (by_role, soft_delete, purge_protection)

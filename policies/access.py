"""Who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rule import Fault, Resource, Stack, rule

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/privileged
BROAD = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
GROUP = "resources:ResourceGroup"
# A group, a subscription, a management group, or everything: whatever comes to stand below has the role too.
WIDE = re.compile(
    r"/?|/?subscriptions/[^/]+(/resourceGroups/[^/]+)?/?|/?providers/Microsoft\.Management/managementGroups/[^/]+/?",
    re.IGNORECASE,
)


@rule(
    "no-broad-role",
    "authorization:RoleAssignment",
    reason="A role that may do everything in a whole group or subscription is what an intruder looks for.",
    link="https://learn.microsoft.com/azure/role-based-access-control/best-practices",
    whole=True,  # before a scope is made, what it is made of says what it is
)
def no_broad_role(assignment: Resource, stack: Stack) -> Iterator[Fault]:
    role = str(assignment.at("roleDefinitionId")).rpartition("/")[2].lower()
    if role not in BROAD:
        return
    if "scope" in assignment.unknown:
        used = assignment.uses.get("scope", ())
        scope = next((one.name for one in stack.resources if one.name in used and one.kind == GROUP), "")
        wide = bool(scope)
    else:
        scope = str(assignment.at("scope"))
        wide = WIDE.fullmatch(scope) is not None
    if wide:
        fix = f"assign a role for what is done, on the resource it is done to, instead of on {scope}"
        yield Fault("roleDefinitionId", BROAD[role], fix)


RULES = (no_broad_role,)

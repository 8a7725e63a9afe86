"""Before a stack is applied: what would stop ``pulumi up`` half-way, found now. Changes nothing.

The stack's own program is evaluated in this process, so what is asked of Azure is what the stack would make: its names, its types,
its sizes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from runner import credentials
from runner.doctor import FAILURE, OK, WARNING, Finding, missing_actions, quota_left
from runner.errors import RunnerError
from runner.judgement import stack_errors
from runner.rest import ARM, ARM_SCOPE, Rest

SUBSCRIPTIONS, PROVIDERS, PERMISSIONS = "2022-12-01", "2021-04-01", "2022-04-01"
ML, VAULT, ACCOUNT = "Microsoft.MachineLearningServices", "Microsoft.KeyVault", "Microsoft.Storage"
ML_VERSION, VAULT_VERSION, ACCOUNT_VERSION = "2024-10-01", "2023-07-01", "2024-01-01"
# The one API version that documents how a workspace is recovered; it is told what the workspace is bound to, as at its creation.
RECOVERS = "2022-01-01-preview"
BOUND = ("storageAccount", "keyVault", "applicationInsights", "containerRegistry")
UNASKED = (401, 403, 404, 405, 501)  # statuses of an answer that says nothing of what was asked


def examine(stack: str) -> Iterator[Finding]:
    """Every finding as soon as it is known; raises what azure-core, or the stack's program, raises."""
    yield from _engine()
    rest = Rest(credentials.choose(os.environ).make())
    with stack_errors(stack):
        from infra import stackfile, table
        from infra.evaluation import evaluate

        _, values = stackfile.read(stack)
        subscription = values.get("azure-native:subscriptionId") or _subscription(rest)
        evaluated = evaluate(stack, {**values, "azure-native:subscriptionId": subscription})
    made = evaluated.declared
    bodies = {request.id: request.body for request in evaluated.sent}
    types = {one.id: table.type_of(one.id) for one in made}
    location = values["azure-native:location"]
    root = f"{ARM}/subscriptions/{subscription}"
    yield from _registered(rest, root, {type.partition("/")[0] for type in types.values()})
    yield from _roles(rest, root, set(types.values()), subscription)
    recovered = {one.id for one in made if (one.inputs.get("properties") or {}).get("createMode") == "recover"}
    for id, type in types.items():
        if type == f"{VAULT}/vaults":
            yield from _vault(rest, root, id, location, id in recovered)
        elif type == f"{ML}/workspaces":
            yield from _workspace(rest, id, bodies[id])
        elif type == f"{ACCOUNT}/storageAccounts":
            yield from _account(rest, root, id)
    yield from _quota(rest, root, location, [one.inputs for one in made if one.type.endswith(":Compute")])


def _engine() -> Iterator[Finding]:
    from infra import engine
    from infra.errors import EngineError

    try:
        found = engine.find()
    except EngineError as error:
        yield Finding("engine", WARNING, str(error), error.next)
        return
    said = f"Pulumi {found.version}, {found.path}"
    if found.python is None:
        text = f"{said}, is without 'pulumi-language-python', which runs the program"
        yield Finding("engine", WARNING, text, f"install Pulumi's own distribution: {engine.INSTALL}")
    else:
        yield Finding("engine", OK, said)


def _subscription(rest: Rest) -> str:
    found = [one["subscriptionId"] for one in rest.pages(f"{ARM}/subscriptions", **{"api-version": SUBSCRIPTIONS})]
    if len(found) != 1:
        named = os.environ.get("AZURE_SUBSCRIPTION_ID")
        if named in found:
            return str(named)
        raise RunnerError(
            f"Which subscription? This sign-in sees {', '.join(found) or 'none'}.",
            next="set azure-native:subscriptionId in the stack's file",
        )
    return str(found[0])


def _registered(rest: Rest, root: str, namespaces: set[str]) -> Iterator[Finding]:
    missing = []
    for name in sorted(namespaces - {"Microsoft.Resources", "Microsoft.Authorization"}):  # always there
        found = _ask(rest, f"{root}/providers/{name}", PROVIDERS)
        if found is not None and found["registrationState"] != "Registered":
            missing.append(name)
    for name in missing:
        next = f"az provider register --namespace {name} --wait"
        yield Finding("providers", FAILURE, f"the subscription is not registered to use {name}", next, 2)
    if not missing:
        yield Finding("providers", OK, "the subscription is registered to use all that the stack makes")


def _roles(rest: Rest, root: str, types: set[str], subscription: str) -> Iterator[Finding]:
    held = _ask(rest, f"{root}/providers/Microsoft.Authorization/permissions", PERMISSIONS)
    if held is None:
        yield Finding("deployer", WARNING, "what this sign-in may do could not be asked for")
        return
    wanted = {f"make {type}": f"{type}/write" for type in sorted(types)}
    missing = missing_actions(held["value"], wanted)
    if not missing:
        yield Finding("deployer", OK, "this sign-in may make all that the stack has")
        return
    roles = [] if missing == ["make Microsoft.Authorization/roleAssignments"] else ["Contributor"]
    roles += ["Role Based Access Control Administrator"] if any("roleAssignments" in one for one in missing) else []
    given = "; ".join(
        f"az role assignment create --role '{role}' --assignee <you> --scope /subscriptions/{subscription}"
        for role in roles
    )
    yield Finding("deployer", FAILURE, f"this sign-in may not {', '.join(missing)}", given, 2)


def _vault(rest: Rest, root: str, id: str, location: str, recovered: bool) -> Iterator[Finding]:
    name = id.rpartition("/")[2]
    if _ask(rest, f"{ARM}{id}", VAULT_VERSION) is not None:
        yield Finding("vault", OK, f"{name} is the stack's own already")
        return
    deleted = _ask(rest, f"{root}/providers/{VAULT}/locations/{location}/deletedVaults/{name}", VAULT_VERSION)
    if deleted is None:
        yield from _free(rest, root, "vault", f"{VAULT}/vaults", name, VAULT_VERSION)
        return
    until = str(deleted["properties"].get("scheduledPurgeDate", ""))[:10]
    held = bool(deleted["properties"].get("purgeProtectionEnabled"))
    text = f"{name} was deleted softly and holds its name until {until}" + (", and may not be purged" if held else "")
    if recovered:
        yield Finding("vault", OK, f"{text}: the next up recovers it")
        return
    # Not az keyvault recover: its resource group may be gone, and the stack would not know what it brings back.
    recover = "aml:recoverVault: true in the stack's file, for one up"
    purge = f"az keyvault purge --name {name} --location {location}"
    yield Finding("vault", FAILURE, text, recover if held else f"{recover}; or, losing what is in it: {purge}", 2)


def _workspace(rest: Rest, id: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """Azure lists no deleted workspaces; what to type is told beforehand."""
    name = id.rpartition("/")[2]
    if _ask(rest, f"{ARM}{id}", ML_VERSION) is not None:
        yield Finding("workspace", OK, f"{name} is the stack's own already")
        return
    # Not az ml workspace delete --permanently-delete: https://github.com/Azure/azure-cli/issues/33756
    purge = f"az rest --method DELETE --url '{ARM}{id}?api-version=2025-12-01&forceToPurge=true'"
    bound = {name: value for name, value in body["properties"].items() if name in BOUND and value}
    properties = {**bound, "allowRecoverSoftDeletedWorkspace": "True"}
    said = json.dumps({"location": body["location"], "identity": body["identity"], "properties": properties})
    recover = f"az rest --method PUT --url '{ARM}{id}?api-version={RECOVERS}' --body '{said}'"
    text = f"{name} does not exist; Azure does not tell whether one of the name was deleted softly in the last 14 days"
    next = f"if up says 'Soft-deleted workspace exists': {recover}, then pulumi import it; or, losing what is in it: {purge}"
    yield Finding("workspace", OK, text, next)


def _account(rest: Rest, root: str, id: str) -> Iterator[Finding]:
    name = id.rpartition("/")[2]
    if _ask(rest, f"{ARM}{id}", ACCOUNT_VERSION) is not None:
        yield Finding("storage", OK, f"{name} is the stack's own already")
    else:
        yield from _free(rest, root, "storage", f"{ACCOUNT}/storageAccounts", name, ACCOUNT_VERSION)


def _free(rest: Rest, root: str, check: str, type: str, name: str, version: str) -> Iterator[Finding]:
    from azure.core.exceptions import HttpResponseError

    url = f"{root}/providers/{type.partition('/')[0]}/checkNameAvailability?api-version={version}"
    try:
        found = rest.post(url, ARM_SCOPE, {"name": name, "type": type})
    except HttpResponseError as error:
        if error.status_code not in UNASKED:
            raise
        yield Finding(check, WARNING, f"whether the name {name} is free could not be asked for")
        return
    if found["nameAvailable"]:
        yield Finding(check, OK, f"the name {name} is free")
    else:
        next = "set aml:suffix in the stack's file"
        yield Finding(check, FAILURE, f"the name {name} is not free: {found.get('message')}", next, 2)


def _quota(rest: Rest, root: str, location: str, computes: list[Mapping[str, Any]]) -> Iterator[Finding]:
    place = f"{root}/providers/{ML}/locations/{location}"
    sizes, usages = (_ask(rest, f"{place}/{name}", ML_VERSION) for name in ("vmSizes", "usages"))
    if sizes is None or usages is None:
        yield Finding("quota", WARNING, f"the quota of {location} could not be asked for")
        return
    known = {str(size["name"]).lower(): size for size in sizes.get("value") or sizes.get("amlCompute") or ()}
    needed: dict[str, int] = {}
    for compute in computes:
        own = compute["properties"].get("properties") or {}
        size = known.get(str(own.get("vmSize")).lower())
        if size is None:
            text = f"{own.get('vmSize')} of {compute['computeName']} is no size of {location}"
            yield Finding("quota", FAILURE, text, "set aml:compute size in the stack's file", 1)
            continue
        nodes = int((own.get("scaleSettings") or {}).get("maxNodeCount", 1))
        needed[str(size["family"])] = needed.get(str(size["family"]), 0) + nodes * int(size["vCPUs"])
    for family, cores in needed.items():
        left = quota_left(usages["value"], family)
        if left is not None and left < cores:
            next = "fewer nodes, or ask for more: https://learn.microsoft.com/azure/quotas/per-vm-quota-requests"
            yield Finding(
                "quota", FAILURE, f"{cores} vCPUs of {family} are wanted, {left} are left in {location}", next, 2
            )
        else:
            yield Finding("quota", OK, f"{cores} vCPUs of {family} wanted, {'many' if left is None else left} left")


def _ask(rest: Rest, url: str, version: str) -> dict[str, Any] | None:
    """What is there, or ``None`` where there is nothing or it may not be asked for."""
    from azure.core.exceptions import HttpResponseError

    try:
        return rest.get(url, ARM_SCOPE, **{"api-version": version})
    except HttpResponseError as error:
        if error.status_code in UNASKED:
            return None
        raise

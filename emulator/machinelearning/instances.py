"""Compute instances: a machine of one's own that is started and stopped.

What one is told of (set-up scripts, schedules, services) is recorded and does nothing: there is no machine to do it on.
https://learn.microsoft.com/rest/api/azureml/compute/create-or-update#computeinstance
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from emulator.errors import AzureError, bad_request, not_found
from emulator.http import Call, Handler, Reply
from emulator.machinelearning import checks, vm_sizes
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.store import Document, Transaction

NAME = re.compile(r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}")
RECORDED = (
    "applicationSharingPolicy",
    "computeInstanceAuthorizationType",
    "customServices",
    "enableOSPatching",
    "enableRootAccess",
    "personalComputeInstanceSettings",
    "releaseQuotaOnStop",
    "schedules",
    "setupScripts",
    "subnet",
)
MEMBERS = frozenset(
    (
        *RECORDED,
        *"vmSize enableNodePublicIp enableSSO idleTimeBeforeShutdown sshSettings applications connectivityEndpoints containers "
        "createdBy dataDisks dataMounts errors lastOperation osImageMetadata state versions".split(),
    )
)


def read(id: ResourceId, inner: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of an instance's inner properties; ``before`` is what was stored already."""
    if not NAME.fullmatch(id.name):
        raise bad_request(
            "InvalidComputeName",
            f"Compute instance name '{id.name}' is invalid. It must have 3 to 24 letters, digits and dashes, start with a letter, "
            "and not end with a dash and a number.",
        )
    kept = {name: inner[name] for name in RECORDED if inner.get(name) is not None}
    ssh = dict(checks.mapping(inner, "sshSettings") or {})
    return {
        "applicationSharingPolicy": "Shared",
        "computeInstanceAuthorizationType": "personal",
        **kept,
        "vmSize": vm_sizes.read(inner, before, "ComputeInstance"),
        "enableNodePublicIp": checks.truth(inner, "enableNodePublicIp", before.get("enableNodePublicIp", True)),
        "enableSSO": checks.truth(inner, "enableSSO", True),
        "idleTimeBeforeShutdown": checks.duration(inner, "idleTimeBeforeShutdown"),
        "sshSettings": {"sshPublicAccess": "Disabled", "adminUserName": "azureuser", "sshPort": 22, **ssh},
        "state": before.get("state", "Running"),
        "lastOperation": before.get("lastOperation") or _operation("Create"),
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "operationName": name,
        "operationTime": envelope.timestamp(time.time()),
        "operationStatus": "Succeeded",
        "operationTrigger": "User",
    }


def state(document: Document) -> dict[str, Any]:
    """What Azure adds."""
    return {
        "applications": [],
        "errors": [],
        "connectivityEndpoints": None,
        "createdBy": {"userObjectId": document.author},
    }


def not_for(document: Document, operation: str) -> AzureError:
    """The answer to an operation that the other kind of compute has."""
    kind = document.body["properties"]["computeType"]
    return bad_request(
        "OperationNotSupportedOnCompute", f"'{operation}' is not an operation of the {kind} '{document.name}'."
    )


def _instance(call: Call, operation: str) -> Document:
    document = arm.get(call, call.params["id"])
    if document.body["properties"]["computeType"] != "ComputeInstance":
        raise not_for(document, operation)
    return document


def move(operation: str, state: str) -> Handler:
    """A handler that brings an instance into ``state``, as a long operation that is already done."""

    async def handler(call: Call) -> Reply:
        document = _instance(call, operation.lower())
        change = {"state": state, "lastOperation": _operation(operation)}
        await _set(call, document, change)
        done = await call.cloud.operations.done(call, document.id)
        return Reply(202, headers=done.headers)

    return handler


async def _set(call: Call, document: Document, change: Mapping[str, Any]) -> None:
    def write(tx: Transaction) -> None:
        now = tx.get(document.id)
        if now is None:
            raise not_found(document.id)
        body = arm.merge(now.body, {"properties": {"properties": dict(change)}})
        tx.put(document.id, document.type, body, parent=document.parent, by=arm.author(call))

    await call.cloud.store.write(write)


async def enable_sso(call: Call) -> Reply:
    document = _instance(call, "enableSso")
    await _set(call, document, {"enableSSO": checks.truth(call.json(), "enableSSO", True)})
    return Reply(200)


async def idle_shutdown(call: Call) -> Reply:
    document = _instance(call, "updateIdleShutdownSetting")
    await _set(call, document, {"idleTimeBeforeShutdown": checks.duration(call.json(), "idleTimeBeforeShutdown")})
    return Reply(200)

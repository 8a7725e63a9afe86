"""Long operations: work that goes on after its answer, and the status resources by which clients follow it.

``Azure-AsyncOperation`` leads to ``{"status": "InProgress" | "Succeeded" | "Failed"}``, ``Location`` to 202 until the work is
done (https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations). Operations are documents, so a
client may go on polling after a restart; work that a crash cut short is told as Failed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, not_found
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management.envelope import render, timestamp
from emulator.routes import Route
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = "emulator/operations"
QUICK = 1.0  # seconds that the answer waits for the work
AGAIN = {"Retry-After": "1"}  # seconds; a client that is told none, or zero, asks again after thirty
KEPT = 86400.0  # seconds that the status of a finished operation can be asked for


class Operations:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._cloud.store.write(_sweep)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def done(self, call: Call, target: str) -> Operation:
        """An operation that has succeeded already."""
        operation = Operation.new(call, target)
        await self._cloud.store.write(lambda tx: operation.write(tx, "Succeeded"))
        return operation

    async def begin(self, call: Call, target: str, work: Awaitable[None]) -> Operation:
        """Let ``work`` go on; an ``AzureError`` that it raises is the operation's error."""
        operation = Operation.new(call, target)
        await self._cloud.store.write(lambda tx: operation.write(tx, "InProgress"))
        task = asyncio.create_task(self._run(operation, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Quick work is done by the first time that the client asks; it would wait a second for the next.
        await asyncio.wait([task], timeout=QUICK)
        return operation

    async def _run(self, operation: Operation, work: Awaitable[None]) -> None:
        error: dict[str, Any] | None = None
        try:
            await work
        except AzureError as failure:
            error = failure.body()["error"]
        status = "Failed" if error else "Succeeded"
        await self._cloud.store.write(lambda tx: operation.write(tx, status, error))


class Operation:
    """``id`` is the status resource's, below the subscription of ``target``."""

    def __init__(self, id: str, target: str, address: str) -> None:
        self.id = id
        self._target = target
        self._address = address

    @staticmethod
    def new(call: Call, target: str) -> Operation:
        subscription = call.cloud.identity.subscription
        name = str(uuid.uuid4())
        version = call.option("api-version") or "2024-03-01"
        path = f"/subscriptions/{subscription}/operationresults/{name}"
        return Operation(path, target, f"https://{call.host}{{}}?api-version={version}&t={int(time.time())}")

    @property
    def headers(self) -> dict[str, str]:
        """Both ways to follow it; a client takes the one it knows."""
        return {
            "Azure-AsyncOperation": self._address.format(self.id.replace("/operationresults/", "/operationStatuses/")),
            "Location": self._address.format(self.id),
            "Retry-After": "1",
        }

    def write(self, tx: Transaction, status: str, error: dict[str, Any] | None = None) -> None:
        body = {"status": status, "target": self._target, "error": error}
        tx.put(self.id, TYPE, body)


def _sweep(tx: Transaction) -> None:
    for document in tx.of_type(TYPE):
        if document.changed < time.time() - KEPT:
            tx.delete(document.id)
        elif document.body["status"] == "InProgress":
            error = {"code": "OperationPreempted", "message": "The emulator stopped before the operation ended."}
            tx.put(document.id, TYPE, {**document.body, "status": "Failed", "error": error})


def _find(call: Call) -> Document:
    document = call.cloud.store.get(
        f"/subscriptions/{call.params['subscription']}/operationresults/{call.params['operation']}"
    )
    if document is None:
        raise not_found(call.path)
    return document


async def status(call: Call) -> Reply:
    """What ``Azure-AsyncOperation`` names: always 200."""
    document = _find(call)
    body: dict[str, Any] = {
        "id": call.path,
        "name": document.name,
        "status": document.body["status"],
        "startTime": timestamp(document.created),
    }
    if body["status"] != "InProgress":
        body["endTime"] = timestamp(document.changed)
        body["percentComplete"] = 100.0
    if document.body["error"]:
        body["error"] = document.body["error"]
    return Reply(body=body, headers=AGAIN if body["status"] == "InProgress" else {})


async def result(call: Call) -> Reply:
    """What ``Location`` names: 202 while it goes on, then the resource, 204 when there is none any more, or the error."""
    document = _find(call)
    if document.body["status"] == "InProgress":
        location = f"https://{call.host}{call.path}?api-version={call.option('api-version') or ''}"
        return Reply(202, headers={"Location": location, "Retry-After": "1"})
    error = document.body["error"]
    if error:
        raise AzureError(409, error["code"], error["message"], details=error.get("details", ()))
    target = call.cloud.store.get(document.body["target"])
    if target is None:
        return Reply(204)
    return Reply(body=render(call.cloud, target))


_AT = "/subscriptions/{subscription}"
ROUTES = (
    Route("management.azure.com", "GET", _AT + "/operationStatuses/{operation}", status, ARM),
    Route("management.azure.com", "GET", _AT + "/operationresults/{operation}", result, ARM),
)

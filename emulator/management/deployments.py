"""Deployments: ARM templates, carried out resource by resource as the requests that a client would send itself.

Must live here: carrying out a plan, and the record of a deployment and of its operations. Must not: any resource type; each
resource is written through ``arm.dispatch``, so that a template can do what a client can, and nothing else.
https://learn.microsoft.com/rest/api/resources/deployments
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from emulator.errors import AzureError, NotEmulated, bad_request, conflict, invalid_content
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, namespaces
from emulator.management.expressions import invalid
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.management.plans import DEPLOYMENT, Plan, Resource
from emulator.routes import Route
from emulator.store import Transaction

NAME = NameRule(
    r"[-\w._()]{1,64}",
    "The deployment name '{name}' is invalid. It must have 1 to 64 letters, digits, '.', '_', '-', '(' or ')'.",
    "InvalidDeploymentName",
)
QUICK = 10.0  # seconds for which an answer waits for the deployment's end
DEPTH = 5  # deployments within deployments
STATUS = {200: "OK", 201: "Created", 202: "Accepted"}


# What Resource Manager reads of a template beyond JSON: comments, texts of several lines, names without quotes.
LENIENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|(?P<name>[A-Za-z_]\w*)(?=\s*:)', re.DOTALL)


def _strict(found: re.Match[str]) -> str:
    if found["name"]:
        return f'"{found["name"]}"'
    text = found[0]
    return text.replace("\r", "\\r").replace("\n", "\\n") if text.startswith('"') else ""


def _content(call: Call) -> dict[str, Any]:
    """The body, which ``az`` makes of the template as it stands in its file, below the name ``template`` without quotes.

    https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax#comments-and-metadata
    """
    try:
        return call.json()
    except AzureError:
        body = LENIENT.sub(_strict, call.body.decode("utf-8-sig", "replace"))
        return replace(call, body=body.encode()).json()


def _properties(call: Call) -> Mapping[str, Any]:
    properties = _content(call).get("properties")
    if not isinstance(properties, dict):
        raise invalid_content("The request content must have the JSON object 'properties'.", target="properties")
    if "templateLink" in properties or "parametersLink" in properties:
        raise NotEmulated("deployments of linked templates")
    mode = str(properties.get("mode", "")).lower()
    if mode == "complete":
        raise NotEmulated("deployments in mode Complete")
    if mode != "incremental":
        raise bad_request(
            "InvalidDeploymentMode", f"The mode '{properties.get('mode')}' is not Incremental or Complete."
        )
    return properties


async def put(call: Call) -> Reply:
    """Check the template, then carry it out. What is quick is done when it is answered, and needs no polling."""
    id = ResourceId.parse(call.params["id"])
    NAME.check(id.name)
    if not id.group:
        raise NotEmulated("deployments at the scope of a subscription")
    arm.group(call.cloud.store, id.subscription, id.group)
    properties = _properties(call)
    running = call.cloud.store.get(str(id))
    if running is not None and running.body["properties"]["provisioningState"] == "Running":
        raise conflict("DeploymentActive", f"Unable to edit or replace deployment '{id.name}': it is still active.")
    work = Work(call, id, properties)
    await work.record("Running")
    operation = await call.cloud.operations.begin(call, str(id), work.run())
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work.ended.wait(), QUICK)
    document = arm.get(call, id)
    succeeded = document.body["properties"]["provisioningState"] == "Succeeded"
    return Reply(200 if running else 201, envelope.render(call.cloud, document), {} if succeeded else operation.headers)


async def validate(call: Call) -> Reply:
    """What can be told without doing it: parameters, expressions, order."""
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    id = ResourceId.parse(call.path.rstrip("/").rsplit("/", 1)[0])
    Plan(call, id, _properties(call)).ordered()
    told = {"provisioningState": "Succeeded", "mode": "Incremental"}
    return Reply(body={"id": str(id), "name": id.name, "type": DEPLOYMENT, "properties": told})


async def list_operations(call: Call) -> Reply:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    document = arm.get(call, AT.format(**call.params))
    operations = document.body["run"]["operations"]
    return Reply(
        body={"value": [{"id": f"{document.id}/operations/{one['operationId']}", **one} for one in operations]}
    )


class Work:
    """One deployment being carried out; ``ended`` is set when it is over, however it ended."""

    def __init__(self, call: Call, id: ResourceId, properties: Mapping[str, Any], depth: int = 0) -> None:
        if depth > DEPTH:
            raise invalid("The template's deployments are nested too deeply.")
        self._call, self._id, self._depth = call, id, depth
        self._plan = Plan(call, id, properties)
        self._order = self._plan.ordered()
        self._started = time.time()
        self._operations: list[dict[str, Any]] = []
        self._outputs: dict[str, Any] = {}
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Raises ``DeploymentFailed`` (409), with the first error as its detail."""
        try:
            await self._deploy()
            await self.record("Succeeded")
        except AzureError as error:
            await self.record("Failed", error)
            raise AzureError(
                409,
                "DeploymentFailed",
                "At least one resource deployment operation failed. Please list deployment operations for details. "
                "Please see https://aka.ms/arm-deployment-operations for usage details.",
                details=[{"code": error.code, "message": error.message}],
            ) from None
        finally:
            self.ended.set()

    async def _deploy(self) -> None:
        for resource in self._order:
            started = time.time()
            try:
                status = await self._write(resource)
            except AzureError as error:
                self._note(resource, started, error.status, error)
                raise
            self._note(resource, started, status)
        for name, output in self._plan.outputs.items():
            if not isinstance(output, dict):
                raise invalid(f"The template output '{name}' must be a JSON object.")
            if self._plan.evaluator.value(output.get("condition", True)):
                secret = str(output.get("type", "")).lower().startswith("secure")
                self._outputs[name] = {
                    "type": output.get("type"),
                    **({} if secret else {"value": self._plan.output(output)}),
                }

    async def _write(self, resource: Resource) -> int:
        body = self._plan.body(resource)
        if resource.nested:
            work = Work(self._call, ResourceId.parse(resource.id), body["properties"], self._depth + 1)
            await work.record("Running")
            await work.run()
            return 200
        request = replace(
            self._call,
            method="PUT",
            path=resource.id,
            params={},
            query={"api-version": resource.version},
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )
        return (await arm.dispatch(request)).status

    def _note(self, resource: Resource, started: float, status: int, error: AzureError | None = None) -> None:
        id = ResourceId.parse(resource.id)
        self._operations.append(
            {
                "operationId": uuid.uuid4().hex[:16].upper(),
                "properties": {
                    "provisioningOperation": "Create",
                    "provisioningState": "Failed" if error else "Succeeded",
                    "timestamp": envelope.timestamp(time.time()),
                    "duration": f"PT{time.time() - started:.7f}S",
                    "statusCode": STATUS.get(status, str(status)),
                    "targetResource": {"id": resource.id, "resourceType": id.type, "resourceName": "/".join(id.names)},
                    **({"statusMessage": error.body()} if error else {}),
                },
            }
        )

    async def record(self, state: str, error: AzureError | None = None) -> None:
        """Keep what the deployment has come to."""
        plan = self._plan
        body = {
            "properties": {
                "provisioningState": state,
                "mode": "Incremental",
                "parameters": {
                    name: {"type": plan.declared[name].get("type"), **({} if plan.secret(name) else {"value": value})}
                    for name, value in plan.parameters.items()
                },
                "outputs": self._outputs,
                "timestamp": envelope.timestamp(time.time()),
                "duration": f"PT{time.time() - self._started:.7f}S",
                "correlationId": str(uuid.uuid4()),
                "outputResources": [{"id": one.id} for one in plan.resources.values()] if state == "Succeeded" else [],
                **({"error": error.body()["error"]} if error else {}),
            },
            "run": {"operations": self._operations},
        }

        def write(tx: Transaction) -> None:
            arm.group(tx, self._id.subscription, self._id.group)
            tx.put(str(self._id), DEPLOYMENT, body, parent=self._id.scope, by=arm.author(self._call))

        await self._call.cloud.store.write(write)


KINDS = (
    Kind(
        DEPLOYMENT,
        name=NAME,
        extension=True,
        long=True,
        put=put,
        verbs=frozenset({"GET", "HEAD", "PUT", "DELETE", "LIST"}),
    ),
)
AT = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/{name}"
OLD = "/subscriptions/{subscription}/resourceGroups/{group}/deployments/{name}"
ROUTES = (
    Route("management.azure.com", "GET", f"{AT}/operations", list_operations, ARM),
    Route("management.azure.com", "GET", f"{OLD}/operations", list_operations, ARM),
    Route("management.azure.com", "POST", f"{AT}/validate", validate, ARM),
)

"""Deployments: ARM templates, carried out resource by resource as the requests that a client would send itself.

Must live here: parameters and their checks, conditions, order by ``dependsOn``, the record of a deployment and of its operations.
Must not: any resource type; each resource is written through ``arm.dispatch``, so that a template can do what a client can.
https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax, …/rest/api/resources/deployments
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from emulator import arm, namespaces
from emulator.errors import AzureError, NotEmulated, bad_request, conflict, invalid_content, not_found
from emulator.http import Call, Reply
from emulator.identity import ARM
from emulator.ids import ResourceId
from emulator.kinds import Kind, NameRule
from emulator.routes import Route
from emulator.store import Transaction
from emulator.templates import Evaluator, invalid

TYPE = "Microsoft.Resources/deployments"
NAME = NameRule(
    r"[-\w._()]{1,64}",
    "The deployment name '{name}' is invalid. It must have 1 to 64 letters, digits, '.', '_', '-', '(' or ')'.",
    "InvalidDeploymentName",
)
QUICK = 10.0  # seconds for which an answer waits for the deployment's end
# In a resource of a template, what is the deployment's and not the body's.
OURS = (
    "type",
    "name",
    "apiversion",
    "dependson",
    "condition",
    "resources",
    "scope",
    "comments",
    "subscriptionid",
    "resourcegroup",
)
JSON_TYPES = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "object": dict,
    "secureobject": dict,
    "array": list,
}


@dataclass
class Resource:
    """One resource of a template, its name and id evaluated; ``after`` are the ids that it waits for."""

    id: str
    version: str
    body: Mapping[str, Any]
    after: list[str]
    evaluator: Evaluator
    nested: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)


async def put(call: Call) -> Reply:
    """Check the template, then carry it out. What is quick is done when it is answered, and needs no polling."""
    id = ResourceId.parse(call.params["id"])
    NAME.check(id.name)
    arm.group(call.cloud.store, id.subscription, id.group)
    properties = call.json().get("properties")
    if not isinstance(properties, dict):
        raise invalid_content("The request content must have the JSON object 'properties'.", target="properties")
    if "templateLink" in properties or "parametersLink" in properties:
        raise NotEmulated("deployments of linked templates")
    if str(properties.get("mode", "")).lower() != "incremental":
        if str(properties.get("mode", "")).lower() == "complete":
            raise NotEmulated("deployments in mode Complete")
        raise bad_request(
            "InvalidDeploymentMode", f"The deployment mode '{properties.get('mode')}' is not Incremental or Complete."
        )
    running = call.cloud.store.get(str(id))
    if running is not None and running.body["properties"]["provisioningState"] == "Running":
        raise conflict("DeploymentActive", f"Unable to edit or replace deployment '{id.name}': it is still active.")
    work = _Work(call, id, properties)
    await work.record("Running")
    operation = await call.cloud.operations.begin(call, str(id), work.run())
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work.ended.wait(), QUICK)
    document = arm.get(call, id)
    succeeded = document.body["properties"]["provisioningState"] == "Succeeded"
    return Reply(200 if running else 201, arm.render(call.cloud, document), {} if succeeded else operation.headers)


class _Work:
    """One deployment being carried out."""

    def __init__(self, call: Call, id: ResourceId, properties: Mapping[str, Any], depth: int = 0) -> None:
        if depth > 5:
            raise invalid("The template's deployments are nested too deeply.")
        self._call, self._id, self._depth = call, id, depth
        self._started = time.time()
        self.ended = asyncio.Event()
        self._operations: list[dict[str, Any]] = []
        template = properties.get("template")
        if not isinstance(template, dict):
            raise invalid_content("The property 'template' must be a JSON object.", target="template")
        if "copy" in template or "functions" in template or isinstance(template.get("resources"), dict):
            raise NotEmulated("copy loops, functions of one's own and symbolic names in templates")
        self._given = properties.get("parameters") or {}
        self._template = template
        self._evaluator = Evaluator({}, template.get("variables") or {}, self._functions())
        self._parameters()
        self._resources = {one.id.lower(): one for one in self._all(template.get("resources") or [], None, ())}
        self._outputs: dict[str, Any] = {}

    # Parameters

    def _parameters(self) -> None:
        declared = self._template.get("parameters") or {}
        names = {name.lower() for name in declared}
        extra = [name for name in self._given if name.lower() not in names]
        if extra:
            raise invalid(f"The template parameters '{', '.join(extra)}' in the parameters file are not valid.")
        given = {name.lower(): value for name, value in self._given.items()}
        values: dict[str, Any] = {}
        self._evaluator.parameters = values
        for name, rule in declared.items():
            values[name] = self._parameter(name, rule, given.get(name.lower()))

    def _parameter(self, name: str, rule: Mapping[str, Any], given: Any) -> Any:
        if isinstance(given, dict) and "reference" in given:
            raise NotEmulated("template parameters from a key vault")
        value = given.get("value") if isinstance(given, dict) else None
        if given is None:
            if "defaultValue" not in rule:
                raise invalid(f"The value for the template parameter '{name}' is not provided.")
            value = self._evaluator.value(rule["defaultValue"])
        wanted = JSON_TYPES.get(str(rule.get("type", "")).lower())
        if wanted is None:
            raise invalid(f"The template parameter '{name}' has the type '{rule.get('type')}', which is none.")
        if value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
            raise invalid(
                f"The provided value for the template parameter '{name}' is not of the type '{rule['type']}'."
            )
        allowed = rule.get("allowedValues")
        if allowed is not None and value is not None and value not in allowed:
            listed = ",".join(map(str, allowed))
            raise invalid(
                f"The provided value '{value}' for the template parameter '{name}' is not valid. The value is not part of the "
                f"allowed value(s): '{listed}'."
            )
        for bound, short in (("minLength", -1), ("maxLength", 1)):
            if bound in rule and isinstance(value, (str, list)) and (len(value) - rule[bound]) * short > 0:
                raise invalid(f"The value of the template parameter '{name}' is against its {bound} of {rule[bound]}.")
        return value

    # Functions that need the cloud

    def _functions(self) -> dict[str, Callable[..., Any]]:
        store, identity = self._call.cloud.store, self._call.cloud.identity
        group = arm.group(store, self._id.subscription, self._id.group)
        subscription = {
            "id": f"/subscriptions/{self._id.subscription}",
            "subscriptionId": self._id.subscription,
            "tenantId": identity.tenant,
        }
        return {
            "deployment": lambda: {"name": self._id.name, "properties": {"template": self._template}},
            "reference": self._reference,
            "resourcegroup": lambda: {
                "id": group.id,
                "name": group.name,
                "location": group.body["location"],
                "tags": group.body.get("tags") or {},
            },
            "resourceid": self._resource_id,
            "subscription": lambda: subscription,
            "subscriptionresourceid": lambda *parts: _id(f"/subscriptions/{self._id.subscription}", list(parts)),
            "tenant": lambda: {"tenantId": identity.tenant},
        }

    def _resource_id(self, *parts: str) -> str:
        """``resourceId([subscription], [group], type, name…)``: the first part with a slash is the type."""
        at = next((index for index, part in enumerate(parts) if "/" in part), None)
        if at is None or at > 2:
            raise ValueError("resourceId takes [subscription], [group], a type and its names")
        subscription = parts[0] if at == 2 else self._id.subscription
        group = parts[at - 1] if at else self._id.group
        return _id(f"/subscriptions/{subscription}/resourceGroups/{group}", list(parts[at:]))

    def _reference(self, target: str, version: str = "", whole: str = "") -> Any:
        """The properties of a resource as they are once it is there; ``'Full'`` gives all of it."""
        id = (
            target
            if target.startswith("/")
            else next((one for one in self._resources if one.endswith(f"/{target.lower()}")), target)
        )
        document = self._call.cloud.store.get(id)
        if document is None:
            raise not_found(id)
        rendered = arm.render(self._call.cloud, document)
        return rendered if whole.lower() == "full" else rendered["properties"]

    # Resources

    def _all(self, resources: list[Any], parent: str | None, outer: tuple[str, str] | tuple[()]) -> list[Resource]:
        found: list[Resource] = []
        for one in resources:
            if not isinstance(one, dict) or not isinstance(one.get("type"), str) or "name" not in one:
                raise invalid("Each resource of the template must have 'type', 'name' and 'apiVersion'.")
            if "copy" in one or one.get("existing"):
                raise NotEmulated("copy loops and existing resources in templates")
            if not self._evaluator.value(one.get("condition", True)):
                continue
            found += self._one(one, parent, outer)
        return found

    def _one(self, one: Mapping[str, Any], parent: str | None, outer: tuple[str, str] | tuple[()]) -> list[Resource]:
        type, name = str(one["type"]), str(self._evaluator.value(one["name"]))
        if outer:  # a child within its parent has the last segments of both
            type = type if type.lower().startswith(outer[0].lower() + "/") else f"{outer[0]}/{type}"
            name = name if "/" in name else f"{outer[1]}/{name}"
        scope = self._scope(one)
        names = name.split("/")
        if len(type.split("/")) != len(names) + 1:
            raise invalid(f"The template resource '{name}' of type '{type}' has incorrect segment lengths.")
        id = _id(scope, [type, *names])
        after = [self._named(self._evaluator.value(text)) for text in one.get("dependsOn") or []]
        body = {key: value for key, value in one.items() if key.lower() not in OURS}
        resource = Resource(
            id,
            str(self._evaluator.value(one.get("apiVersion", ""))),
            body,
            after + ([parent.lower()] if parent else []),
            self._evaluator,
            nested=type.lower() == TYPE.lower(),
        )
        return [resource, *self._all(one.get("resources") or [], id, (type, name))]

    def _scope(self, one: Mapping[str, Any]) -> str:
        if "scope" in one:
            scope = str(self._evaluator.value(one["scope"]))
            return (
                scope
                if scope.startswith("/")
                else f"/subscriptions/{self._id.subscription}/resourceGroups/{self._id.group}/providers/{scope}"
            )
        group = self._evaluator.value(one["resourceGroup"]) if "resourceGroup" in one else self._id.group
        return f"/subscriptions/{self._id.subscription}/resourceGroups/{group}"

    def _named(self, text: str) -> str:
        """A dependency by id or by name alone."""
        return text.lower() if text.startswith("/") else f"/{text.lower()}"

    def _ordered(self) -> list[Resource]:
        """Each after those that it depends on; what it depends on and is not deployed does not count."""
        left, order = dict(self._resources), []
        while left:
            ready = [
                one
                for one in left.values()
                if not any(
                    other is not one and (key == wanted or key.endswith(wanted))
                    for wanted in one.after
                    for key, other in left.items()
                )
            ]
            if not ready:
                raise invalid("Circular dependency detected among the resources of the template.")
            order += ready
            for one in ready:
                del left[one.id.lower()]
        return order

    # Carrying out

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self.ended.set()

    async def _run(self) -> None:
        try:
            await self._deploy()
        except AzureError as error:
            await self.record("Failed", error)
            raise AzureError(
                409,
                "DeploymentFailed",
                "At least one resource deployment operation failed. Please list deployment operations for details. "
                "Please see https://aka.ms/arm-deployment-operations for usage details.",
                details=[{"code": error.code, "message": error.message}],
            ) from None
        await self.record("Succeeded")

    async def _deploy(self) -> None:
        for resource in self._ordered():
            started = time.time()
            try:
                status = await self._write(resource)
            except AzureError as error:
                self._note(resource, started, error.status, error)
                raise
            self._note(resource, started, status)
        for name, output in (self._template.get("outputs") or {}).items():
            if self._evaluator.value(output.get("condition", True)):
                self._outputs[name] = {"type": output.get("type"), "value": self._evaluator.value(output.get("value"))}

    async def _write(self, resource: Resource) -> int:
        body = self._body(resource)
        if resource.nested:
            id = ResourceId.parse(resource.id)
            work = _Work(self._call, id, body.get("properties") or {}, self._depth + 1)
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
        reply = await arm.dispatch(request)
        return reply.status

    def _body(self, resource: Resource) -> dict[str, Any]:
        if not resource.nested:
            evaluated = resource.evaluator.value(dict(resource.body))
            assert isinstance(evaluated, dict), "A body is an object."
            return evaluated
        properties = dict(resource.body.get("properties") or {})
        options = properties.get("expressionEvaluationOptions") or {}
        if (
            str(options.get("scope", "outer")).lower() == "outer"
        ):  # the inner template speaks of the outer one's parameters
            properties["template"] = resource.evaluator.value(properties.get("template"))
        properties["parameters"] = resource.evaluator.value(properties.get("parameters") or {})
        return {"properties": properties}

    def _note(self, resource: Resource, started: float, status: int, error: AzureError | None = None) -> None:
        id = ResourceId.parse(resource.id)
        self._operations.append(
            {
                "operationId": uuid.uuid4().hex[:16].upper(),
                "properties": {
                    "provisioningOperation": "Create",
                    "provisioningState": "Failed" if error else "Succeeded",
                    "timestamp": arm.timestamp(time.time()),
                    "duration": f"PT{time.time() - started:.7f}S",
                    "statusCode": _STATUS.get(status, str(status)),
                    "targetResource": {"id": resource.id, "resourceType": id.type, "resourceName": "/".join(id.names)},
                    **({"statusMessage": error.body()} if error else {}),
                },
            }
        )

    async def record(self, state: str, error: AzureError | None = None) -> None:
        """Keep what the deployment has come to."""
        secure = {
            name.lower()
            for name, rule in (self._template.get("parameters") or {}).items()
            if str(rule.get("type", "")).lower().startswith("secure")
        }
        parameters = {
            name: {
                "type": (self._template["parameters"][name]).get("type"),
                **({} if name.lower() in secure else {"value": value}),
            }
            for name, value in self._evaluator.parameters.items()
        }
        body = {
            "properties": {
                "provisioningState": state,
                "mode": "Incremental",
                "parameters": parameters,
                "outputs": self._outputs,
                "timestamp": arm.timestamp(time.time()),
                "duration": f"PT{time.time() - self._started:.7f}S",
                "correlationId": str(uuid.uuid4()),
                "outputResources": [{"id": one.id} for one in self._resources.values()] if state == "Succeeded" else [],
                **({"error": error.body()["error"]} if error else {}),
            },
            "run": {"operations": self._operations},
        }
        scope = self._id.scope

        def write(tx: Transaction) -> None:
            arm.group(tx, self._id.subscription, self._id.group)
            tx.put(str(self._id), TYPE, body, parent=scope, by=arm.author(self._call))

        await self._call.cloud.store.write(write)


_STATUS = {200: "OK", 201: "Created", 202: "Accepted"}


def _id(scope: str, parts: list[str]) -> str:
    """``[type, name…]`` below ``scope`` as an id."""
    namespace, *types = parts[0].split("/")
    names = [piece for part in parts[1:] for piece in part.split("/")]
    if len(types) != len(names):
        raise ValueError(f"'{parts[0]}' needs {len(types)} names; {len(names)} were given")
    return f"{scope}/providers/{namespace}" + "".join(
        f"/{type}/{name}" for type, name in zip(types, names, strict=True)
    )


async def list_operations(call: Call) -> Reply:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    document = arm.get(call, AT.format(**call.params))
    value = [
        {"id": f"{document.id}/operations/{one['operationId']}", **one} for one in document.body["run"]["operations"]
    ]
    return Reply(body={"value": value})


async def validate(call: Call) -> Reply:
    """What can be told without doing it: parameters, expressions, order."""
    id = ResourceId.parse(call.path.rsplit("/validate", 1)[0])
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    properties = call.json().get("properties") or {}
    work = _Work(call, id, properties)
    work._ordered()
    return Reply(
        body={
            "id": str(id),
            "name": id.name,
            "type": TYPE,
            "properties": {"provisioningState": "Succeeded", "mode": "Incremental"},
        }
    )


KINDS = (Kind(TYPE, name=NAME, put=put, verbs=frozenset({"GET", "HEAD", "PUT", "DELETE", "LIST"})),)
AT = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/{name}"
OLD = "/subscriptions/{subscription}/resourceGroups/{group}/deployments/{name}"
ROUTES = (
    Route("management.azure.com", "GET", f"{AT}/operations", list_operations, ARM),
    Route("management.azure.com", "GET", f"{OLD}/operations", list_operations, ARM),
    Route("management.azure.com", "POST", f"{AT}/validate", validate, ARM),
)

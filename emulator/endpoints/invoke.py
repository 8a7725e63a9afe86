"""Invocations: what a caller posts to an endpoint's own host becomes a job, once.

    POST https://{endpoint}.{region}.inference.ml.azure.com/jobs      a job of the default deployment, or of the one in the header
    GET  …/jobs, …/jobs/{job}                                         the endpoint's jobs
    GET  https://{region}.api.azureml.ms/mferp/…/jobs                 the same, as azure-ai-ml's list_jobs asks for them

An invocation is kept by its ``repeatability_request-id`` before its job is made, so that a caller who lost the answer and asks
again, even of an emulator that was restarted meanwhile, gets the job that there is
(https://github.com/Azure/azure-sdk-for-python/issues/31166). Bodies are read as azure-ai-ml writes them
(_schema/_deployment/batch/batch_job.py), and with capital letters, as
https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs shows them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from emulator.endpoints import batch_deployments, batch_endpoints, scoring
from emulator.errors import AzureError, not_found, user_error
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM, MACHINE_LEARNING
from emulator.jobs.fields import Field, anything, by_type, filled, integer, mapping, one_of, record, refused, text
from emulator.jobs.schema import ASSETS, INPUT_MODES, LIMIT, OUTPUT_MODES, experiment
from emulator.machinelearning import assets, datastores, registries, requests, uris
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.routes import Route
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = "emulator/invocations"
HOST = f"*.{batch_endpoints.DOMAIN}"
DEPLOYMENT, REQUEST = "azureml-model-deployment", "repeatability_request-id"


def lowered(field: Field) -> Field:
    """An object whose names may begin with a capital letter."""

    def read(value: Any, at: str) -> Any:
        return field(
            {key[:1].lower() + key[1:]: one for key, one in value.items()} if isinstance(value, dict) else value, at
        )

    return read


def typed(name: str, kinds: Mapping[str, Field]) -> Field:
    """``by_type`` for types in either spelling: ``UriFolder``, ``uri_folder``."""
    known = {kind.replace("_", ""): kind for kind in kinds}
    choose = by_type(name, kinds)

    def read(value: Any, at: str) -> Any:
        if isinstance(value, dict) and isinstance(value.get(name), str):
            value = {**value, name: known.get(value[name].replace("_", "").lower(), value[name])}
        return choose(value, at)

    return lowered(read)


def scalar(value: Any, at: str) -> str:
    """A literal as the text that a job has for it."""
    if not isinstance(value, (str, bool, int, float)):
        raise user_error(f"{at} must be a string, a number, true or false.", at)
    return str(value)


_DATA = record({"jobInputType": text, "uri": filled}, {"mode": one_of(*INPUT_MODES), "description": text})
_LITERAL = record({"jobInputType": text, "value": scalar}, {"description": text})
_OUTPUT = record({"jobOutputType": text}, {"uri": text, "mode": one_of(*OUTPUT_MODES), "description": text})
REQUESTED = lowered(
    record(
        {},
        {
            **batch_deployments.OVERRIDES,
            "compute": lowered(
                record({}, {"instanceCount": integer(1, LIMIT), "isLocal": refused("local batch jobs")})
            ),
            "dataset": refused("version 1 data sets as inputs of batch endpoints"),
            "description": text,
            "displayName": text,
            "experimentName": experiment,
            "inputData": mapping(typed("jobInputType", {"literal": _LITERAL, **{kind: _DATA for kind in ASSETS}})),
            "name": text,
            "outputData": mapping(typed("jobOutputType", {kind: _OUTPUT for kind in ASSETS})),
            "outputDataset": lowered(record({"path": text}, {"datastoreId": text})),
            "properties": mapping(anything),
            "tags": mapping(text),
        },
    )
)


_submitting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


async def invoke(call: Call) -> Reply:
    endpoint = _endpoint(call)
    deployment = _deployment(call, endpoint)
    body = call.json()
    request = REQUESTED(body.get("properties", body.get("Properties")), "properties")
    number = uuid.uuid5(uuid.NAMESPACE_URL, call.headers.get(REQUEST) or str(uuid.uuid4()))
    claim = f"{endpoint.id}/invocations/{number}"
    wanted = {
        "job": request.get("name") or f"batchjob-{uuid.uuid4()}",
        "deployment": deployment.name,
        "attempt": str(uuid.uuid4()),
    }

    def take(tx: Transaction) -> Document:
        return tx.get(claim) or tx.put(claim, TYPE, wanted, parent=endpoint.id, by=arm.author(call))

    async with _submitting.setdefault(claim.lower(), asyncio.Lock()):
        invocation = await call.cloud.store.write(take)
        id = ResourceId.parse(endpoint.parent).child("jobs", invocation.body["job"])
        # One that is there was made by a request before this one, unless it has the name that this one chose.
        if invocation.body == wanted or call.cloud.store.get(str(id)) is None:
            first = call.cloud.store.get(f"{endpoint.id}/deployments/{invocation.body['deployment']}")
            try:
                await _submit(call, endpoint, first or deployment, id, request)
            except AzureError:  # nothing was made of it
                await call.cloud.store.write(lambda tx: tx.delete(claim))
                raise
    return Reply(201, render(call.cloud, invocation))


async def _submit(
    call: Call, endpoint: Document, deployment: Document, id: ResourceId, request: Mapping[str, Any]
) -> None:
    if call.cloud.store.get(str(id)) is not None:
        raise user_error(
            f"A job with the name '{id.name}' already exists. Choose another.", "properties.name", status=409
        )
    workspace = id.ancestor(1)
    asked = {
        "inputs": request.get("inputData", {}),
        "outputs": {**_old_output(request), **request.get("outputData", {})},
        "overrides": {name: request[name] for name in batch_deployments.OVERRIDES if name in request},
        "resources": request.get("compute", {}),
    }
    _check_places(call, workspace, asked)
    asked["overrides"].setdefault("retrySettings", {})
    properties = dict(request.get("properties", {}))
    name = request.get("experimentName") or properties.pop("experimentName", None) or endpoint.name
    configuration = deployment.body["properties"].get("deploymentConfiguration")
    if configuration is None:
        job = await scoring.job(call, workspace, deployment, asked)
    else:
        job = _pipeline(configuration, asked)
    described = {key: request[key] for key in ("description", "displayName") if key in request}
    await requests.put(
        call,
        id,
        {
            "description": (configuration or {}).get("description"),
            **job,
            **described,
            "experimentName": experiment(name, "properties.experimentName"),
            "properties": {
                **{key: str(value) for key, value in properties.items()},
                "azureml.endpointname": endpoint.name,
                "azureml.deploymentname": deployment.name,
            },
            "tags": {**((configuration or {}).get("tags") or {}), **request.get("tags", {})},
        },
    )


def _pipeline(configuration: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The job of a pipeline component's deployment: the component, with the deployment's settings."""
    unheeded = [name for name, value in asked["overrides"].items() if value] + (
        ["compute"] if asked["resources"] else []
    )
    if unheeded:
        raise user_error(
            f"properties.{unheeded[0]} is not for a deployment of a pipeline component. Leave it out.",
            f"properties.{unheeded[0]}",
        )
    return {
        "jobType": "Pipeline",
        "componentId": configuration["componentId"]["assetId"],
        "settings": configuration["settings"],
        "inputs": asked["inputs"],
        "outputs": asked["outputs"],
    }


def _old_output(request: Mapping[str, Any]) -> dict[str, Any]:
    """``outputDataset``, by which clients said where scores go before outputs had names."""
    told = request.get("outputDataset")
    if told is None:
        return {}
    store = str(told.get("datastoreId") or "workspaceblobstore").rpartition("/")[2].removeprefix("azureml:")
    path = told["path"].lstrip("/")
    return {scoring.OUTPUT: {"jobOutputType": "uri_folder", "uri": f"azureml://datastores/{store}/paths/{path}"}}


def _check_places(call: Call, workspace: ResourceId, asked: Mapping[str, Any]) -> None:
    """Data assets and datastores that are named must be there; what lies in them is looked at when the job runs."""
    told = [one for one in (*asked["inputs"].values(), *asked["outputs"].values()) if one.get("uri")]
    for one in told:
        if uris.asset(one["uri"]) is not None:
            assets.content(call.cloud, workspace, one["uri"])
        elif not one["uri"].lower().startswith(("http://", "https://")):
            datastores.locate(call.cloud, workspace, one["uri"])


# Whom it is for


def _endpoint(call: Call) -> Document:
    """The endpoint whose host was called."""
    name, _, rest = call.host.partition(".")
    found = batch_endpoints.find(call.cloud.store, name, rest.partition(".")[0])
    if found is None:
        raise AzureError(404, "NotFound", f"There is no endpoint at '{call.host}'.")
    return found


def _deployment(call: Call, endpoint: Document) -> Document:
    named = call.headers.get(DEPLOYMENT)
    name = named or (endpoint.body["properties"].get("defaults") or {}).get("deploymentName")
    found = call.cloud.store.get(f"{endpoint.id}/deployments/{name}") if name else None
    if found is not None:
        return found
    if named:
        there = ", ".join(one.name for one in batch_endpoints.deployments(call.cloud.store, endpoint.id)) or "none"
        raise AzureError(
            404,
            "NotFound",
            f"The endpoint '{endpoint.name}' has no deployment '{named}', which the header {DEPLOYMENT} names. It has: {there}.",
        )
    # The words as in https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-batch-endpoints
    raise AzureError(
        404,
        "NotFound",
        "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight values "
        "or use a deployment specific header to route.",
    )


# What is told of them


def render(cloud: Cloud, invocation: Document) -> dict[str, Any]:
    workspace = ResourceId.parse(invocation.id.rpartition("/invocations/")[0]).ancestor(1)
    job = cloud.store.get(str(workspace.child("jobs", invocation.body["job"])))
    if job is None:
        raise not_found(str(workspace.child("jobs", invocation.body["job"])))
    told = envelope.render(cloud, job)["properties"]
    endpoint = invocation.id.rpartition("/invocations/")[0]
    services = told.get("services") or {}
    return {
        "id": f"{endpoint}/deployments/{invocation.body['deployment']}/jobs/{job.name}",
        "name": job.name,
        "type": f"{batch_deployments.TYPE}/jobs",
        "properties": {
            "displayName": told.get("displayName"),
            "experimentName": told["experimentName"],
            "inputData": told.get("inputs", {}),
            "interactionEndpoints": {
                name: {"jobEndpointType": name, "endpoint": one["endpoint"]} for name, one in services.items()
            },
            "outputData": told.get("outputs", {}),
            "provisioningState": "Succeeded",
            "status": told["status"],
            "tags": told.get("tags", {}),
        },
        "systemData": envelope.system_data(job),
    }


def _jobs(call: Call, endpoint: Document, deployment: str | None = None) -> list[Document]:
    """The endpoint's invocations that became jobs, newest first."""
    workspace = ResourceId.parse(endpoint.parent)
    return [
        one
        for one in call.cloud.store.children(endpoint.id, TYPE)[::-1]
        if (deployment is None or one.body["deployment"].lower() == deployment.lower())
        and call.cloud.store.get(str(workspace.child("jobs", one.body["job"]))) is not None
    ]


async def list_here(call: Call) -> Reply:
    return envelope.page(call, _jobs(call, _endpoint(call)), render)


async def get_here(call: Call) -> Reply:
    endpoint, name = _endpoint(call), call.params["job"]
    found = next((one for one in _jobs(call, endpoint) if one.body["job"] == name), None)
    if found is None:
        raise AzureError(404, "NotFound", f"The endpoint '{endpoint.name}' has no job '{name}'.")
    return Reply(body=render(call.cloud, found))


async def list_jobs(call: Call) -> Reply:
    """For an endpoint, or for one of its deployments."""
    workspace = ResourceId.parse(arm.get(call, f"/{call.params['workspace'].strip('/')}").id)
    endpoint = arm.get(call, workspace.child("batchEndpoints", call.params["endpoint"]))
    deployment = call.params.get("deployment")
    if deployment is not None:
        deployment = arm.get(call, ResourceId.parse(endpoint.id).child("deployments", deployment)).name
    return envelope.page(call, _jobs(call, endpoint, deployment), render)


async def swagger(call: Call) -> Reply:
    """The endpoint's one operation, for whoever makes a client of it."""
    endpoint = _endpoint(call)
    return Reply(
        body={
            "openapi": "3.0.1",
            "info": {"title": endpoint.name, "version": "1"},
            "servers": [{"url": f"https://{call.host}"}],
            "paths": {
                "/jobs": {
                    "post": {
                        "operationId": "createJob",
                        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                        "responses": {"201": {"description": "The job was created."}},
                    }
                }
            },
        }
    )


_FRONT = f"{registries.FRONT}/{{workspace:path}}/batchEndpoints/{{endpoint}}"
ROUTES = (
    Route(HOST, "POST", "/jobs", invoke, MACHINE_LEARNING),
    Route(HOST, "GET", "/jobs", list_here, MACHINE_LEARNING),
    Route(HOST, "GET", "/jobs/{job}", get_here, MACHINE_LEARNING),
    Route(HOST, "GET", "/swagger.json", swagger, MACHINE_LEARNING),
    *(
        Route("*.api.azureml.ms", "GET", f"{path}/jobs", list_jobs, (*ARM, *MACHINE_LEARNING))
        for path in (f"{_FRONT}/deployments/{{deployment}}", _FRONT)
    ),
)

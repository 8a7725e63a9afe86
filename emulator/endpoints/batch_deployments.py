"""Batch deployments: a model, or a pipeline component, and how it is run.

Must live here: what a deployment may say, and that all it names is there. Must not: what runs for an invocation (``invoke``,
``scoring``). https://learn.microsoft.com/rest/api/azureml/batch-deployments
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.endpoints import batch_endpoints, models
from emulator.errors import AzureError, user_error
from emulator.http import Call, Reply
from emulator.jobs.fields import (
    Field,
    anything,
    by_type,
    filled,
    integer,
    mapping,
    one_of,
    record,
    refused,
    seconds,
    text,
)
from emulator.jobs.schema import LIMIT, VARIABLE
from emulator.jobs.targets import target
from emulator.machinelearning import assets, datastores
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.pipelines import request
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{batch_endpoints.TYPE}/deployments"
MAXIMUM = 2**31 - 1
# As https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-batch has them.
DEFAULTS: Mapping[str, Any] = {
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": "AppendRow",
    "outputFileName": "predictions.csv",
    "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
}


def file_name(value: Any, at: str) -> str:
    """One that cannot lead out of the output's folder."""
    if "/" in filled(value, at) or "\\" in value or "\0" in value or value in (".", ".."):
        raise user_error(f"{at} must be the name of a file, without a folder; it is {value!r}.", at)
    return str(value)


def settings(value: Any, at: str) -> dict[str, Any]:
    """The run-time settings of the pipeline job."""
    return request.settings({"settings": value})


RETRIES = record({}, {"maxRetries": integer(0, MAXIMUM), "timeout": seconds})
# What an invocation may have its own way.
OVERRIDES: Mapping[str, Field] = {
    "errorThreshold": integer(-1, MAXIMUM),
    "miniBatchSize": integer(1, MAXIMUM),
    "outputFileName": file_name,
    "retrySettings": RETRIES,
}
_ID = record({"referenceType": text, "assetId": filled}, {})
_REFERENCE = by_type(
    "referenceType",
    {
        "Id": _ID,
        "DataPath": refused("models of deployments by a data path"),
        "OutputPath": refused("models of deployments by a job's output"),
    },
)
PROPERTIES = record(
    {},
    {
        **OVERRIDES,
        "codeConfiguration": record({"scoringScript": filled}, {"codeId": text}),
        "compute": text,
        "deploymentConfiguration": by_type(
            "deploymentConfigurationType",
            {
                "PipelineComponent": record(
                    {
                        "deploymentConfigurationType": text,
                        "componentId": record({"assetId": filled}, {"referenceType": text}),
                    },
                    {"description": text, "settings": settings, "tags": mapping(text)},
                )
            },
        ),
        "description": text,
        "environmentId": text,
        "environmentVariables": mapping(text, *VARIABLE),
        "loggingLevel": one_of("Info", "Warning", "Debug"),
        "maxConcurrencyPerInstance": integer(1, LIMIT),
        "model": _REFERENCE,
        "outputAction": one_of("AppendRow", "SummaryOnly"),
        "properties": mapping(text),
        "provisioningState": anything,
        "resources": record(
            {}, {"instanceCount": integer(1, LIMIT), "instanceType": text, "properties": mapping(anything)}
        ),
    },
)


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    stored: dict[str, Any] = PROPERTIES(body.get("properties"), "properties")
    stored.pop("provisioningState", None)
    batch_endpoints.check_tags(body)
    workspace, private = id.ancestor(1), {}
    if "deploymentConfiguration" in stored:
        stored["deploymentConfiguration"] = _component(call, workspace, stored)
    else:
        private = await _model(call, workspace, stored)
    stored["retrySettings"] = {**DEFAULTS["retrySettings"], **stored.get("retrySettings", {})}
    stored["properties"] = batch_endpoints.kept(stored.get("properties", {}), old)
    return {**batch_endpoints.beside(body), "properties": {**DEFAULTS, **stored}, "private": private}


def _component(call: Call, workspace: ResourceId, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its component's id in full; what a model deployment would say is refused, for nothing reads it."""
    for name in ("model", "codeConfiguration", "environmentId", "environmentVariables", "compute", "resources"):
        if stored.get(name):
            raise user_error(
                f"properties.{name} is not for a deployment of a pipeline component. Say it in the component's steps.",
                f"properties.{name}",
            )
    said: dict[str, Any] = {"settings": {}, **stored["deploymentConfiguration"]}
    component = assets.resolve(call.cloud, workspace, said["componentId"]["assetId"], "components")
    kind = component.body["properties"]["componentSpec"].get("type")
    if kind != "pipeline":
        raise user_error(
            f"The component '{component.id}' is of type {kind or 'command'}; a batch deployment takes a pipeline component.",
            "properties.deploymentConfiguration.componentId",
        )
    compute, store = said["settings"].get("default_compute"), said["settings"].get("default_datastore")
    if compute:
        target(call.cloud, workspace, {"computeId": compute})
    if store:
        datastores.find(call.cloud.store, workspace, store.rpartition("/")[2].removeprefix("azureml:"))
    return {**said, "componentId": {"referenceType": "Id", "assetId": component.id}}


async def _model(call: Call, workspace: ResourceId, stored: dict[str, Any]) -> dict[str, Any]:
    """Fill in the ids of what the deployment names. The environment that Azure ML derives from an MLflow model is kept aside:
    the deployment does not show it."""
    for name in ("model", "compute"):
        if not stored.get(name):
            raise user_error(f"properties.{name} is required for a deployment of a model.", f"properties.{name}")
    model = assets.resolve(call.cloud, workspace, stored["model"]["assetId"], "models")
    stored["model"] = {"referenceType": "Id", "assetId": model.id}
    place = target(call.cloud, workspace, {"computeId": stored["compute"], "resources": stored.get("resources", {})})
    stored["compute"] = place.compute or stored["compute"]
    code, environment = stored.get("codeConfiguration"), stored.get("environmentId")
    if code is not None:
        if not code.get("codeId"):
            raise user_error("properties.codeConfiguration.codeId is required.", "properties.codeConfiguration.codeId")
        code["codeId"] = assets.resolve(call.cloud, workspace, code["codeId"], "codes").id
        if not environment:
            raise user_error(
                "properties.environmentId is required for a deployment with a scoring script.",
                "properties.environmentId",
            )
    elif model.body["properties"]["modelType"] != "mlflow_model":
        raise user_error(
            f"The model '{model.id}' is a {model.body['properties']['modelType']}: its deployment needs "
            "properties.codeConfiguration with a scoring script. Only an mlflow_model is scored without one.",
            "properties.codeConfiguration",
        )
    if environment:
        stored["environmentId"] = assets.resolve(call.cloud, workspace, environment, "environments").id
        return {}
    return {"environmentId": await models.environment(call, workspace, model)}


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    """Every property, for azure-ai-ml reads some without looking whether they are there."""
    absent = ("codeConfiguration", "compute", "environmentId", "environmentVariables", "model", "resources")
    return {"properties": {name: document.body["properties"].get(name) for name in absent}}


async def delete(call: Call) -> Reply:
    """Who deletes the endpoint, its workspace or their group deletes the default too; by itself it stays."""
    id = ResourceId.parse(call.params["id"])
    endpoint = call.cloud.store.get(str(id.parent))
    default = (endpoint.body["properties"].get("defaults") or {}).get("deploymentName") if endpoint else None
    if endpoint is not None and default and default.lower() == id.name.lower():
        raise AzureError(
            409,
            "UserError",
            f"The deployment '{default}' is the default of the endpoint '{endpoint.name}' and cannot be deleted. Make "
            "another deployment the default first, or delete the endpoint.",
        )
    return await arm.delete(call, KIND, id)


KIND = Kind(
    TYPE,
    name=batch_endpoints.name_rule("a deployment"),
    tracked=True,
    long=True,
    check=check,
    delete=delete,
    render=render,
)

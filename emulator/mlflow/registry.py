"""MLflow's model registry: the workspace's model assets, as MLflow's clients ask for them.

A registered model is a model asset and a model version one of its versions, so that what MLflow registers is there for the SDK, for
jobs and for ``az``, and the other way round. What Azure ML has not is refused as it is there: renaming and deleting a registered
model, aliases, comparators other than equality
(https://learn.microsoft.com/azure/machine-learning/how-to-manage-models-mlflow#support-matrix-for-managing-models-with-mlflow).

Must live here: requests and answers of ``registered-models/…`` and ``model-versions/…``
(https://mlflow.org/docs/latest/rest-api.html). Must not: what a model asset is (``machinelearning.assets``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import yaml
from azure.core.exceptions import HttpResponseError

from emulator.errors import AzureError, NotEmulated, bad_request
from emulator.history.artifactservice import MODEL, checked, has_plugin, workspace_of
from emulator.http import Call
from emulator.machinelearning import assets, datastores, names
from emulator.management import arm
from emulator.management.ids import ResourceId
from emulator.management.tags import check as check_tags
from emulator.mlflow import search
from emulator.mlflow.search import Asked
from emulator.mlflow.server import ARTIFACTS
from emulator.store import Document, Transaction

Operation = Callable[[Call, Asked], Awaitable[dict[str, Any]]]
PARTS = ("registered-models", "model-versions")
STAGES = {stage.lower(): stage for stage in ("None", "Staging", "Production", "Archived")}
CODES = {400: "INVALID_PARAMETER_VALUE", 404: "RESOURCE_DOES_NOT_EXIST", 409: "RESOURCE_ALREADY_EXISTS"}

# The ways in which MLflow's clients name the files of a model.
OF_RUN = re.compile(
    r"(?:(?:azureml://.+|mlflow-artifacts:)/experiments/[^/]+/runs/([^/]+)/artifacts|runs:/([^/]+))/(.+)"
)
UPLOADED = re.compile(r"(?:azureml://artifacts|mlflow-artifacts:)/(LocalUpload/.+)")
REGISTERED = re.compile(
    rf"(?:azureml://artifacts|mlflow-artifacts:)/{MODEL}/([^/:]+):([^/:]+)/.+|models:/([^/@]+)/(\d+)"
)
KEPT = re.compile(r"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid\.([^/]+)/(.+)")


async def serve(call: Call, operation: str) -> tuple[int, dict[str, Any]]:
    """Status and body of ``operation``, ``registered-models/create``; errors as MLflow's clients read them."""
    handler = OPERATIONS.get((call.method, operation))
    if handler is None:
        raise NotEmulated(f"{call.method} {operation} of MLflow's model registry")
    try:
        return 200, await handler(call, call.json() if call.body else call.query)
    except NotEmulated:
        raise
    except AzureError as error:
        return error.status, {"error_code": CODES.get(error.status, "INTERNAL_ERROR"), "message": error.message}


# Registered models


async def create_model(call: Call, asked: Asked) -> dict[str, Any]:
    id = workspace_of(call).child("models", search.text(asked, "name"))
    names.ASSET.check(id.name)
    tags = _tags(asked)
    made = {
        "description": search.optional(asked, "description") or None,
        "tags": tags,
        "properties": {},
        "isArchived": False,
    }
    if any(key.startswith("mlflow.prompt.") for key in tags):
        raise NotEmulated("prompts in MLflow's model registry")
    check_tags(tags)

    def write(tx: Transaction) -> Document:
        if tx.get(str(id)) is not None:
            raise AzureError(409, "", f"Registered model '{id.name}' already exists.")
        return tx.put(
            str(id),
            assets.container_type("models"),
            {"properties": made},
            parent=str(id.ancestor(1)),
            by=arm.author(call),
        )

    return {"registered_model": _model(call, await call.cloud.store.write(write))}


async def get_model(call: Call, asked: Asked) -> dict[str, Any]:
    return {"registered_model": _model(call, _model_document(call, asked))}


async def search_models(call: Call, asked: Asked) -> dict[str, Any]:
    """Archived ones are left out, as in every list of assets."""
    there = call.cloud.store.children(str(workspace_of(call)), assets.container_type("models"))
    models = [_model(call, one) for one in there if not one.body["properties"].get("isArchived")]
    return search.page(
        asked, "registered_models", search.chosen(asked, sorted(models, key=search.ORDERS["name"]), ("name",))
    )


async def latest_versions(call: Call, asked: Asked) -> dict[str, Any]:
    """The greatest version in each stage, or in those asked for."""
    wanted = asked.get("stages") or []
    stages = [_stage(stage) for stage in (wanted if isinstance(wanted, list) else [wanted])]
    latest = {one["current_stage"]: one for one in _versions(call, _model_document(call, asked))}
    return {"model_versions": [one for stage, one in latest.items() if not stages or stage in stages]}


async def update_model(call: Call, asked: Asked) -> dict[str, Any]:
    description = search.optional(asked, "description")
    document = _model_document(call, asked)
    return {"registered_model": _model(call, await _change(call, document, {"description": description}))}


async def refuse(call: Call, asked: Asked) -> dict[str, Any]:
    raise bad_request(
        "",
        f"The registered model '{asked.get('name')}' cannot be renamed or deleted: registered models are immutable in Azure ML. "
        "Delete its versions, or archive it.",
    )


# Versions


async def create_version(call: Call, asked: Asked) -> dict[str, Any]:
    """The next version; its files must be a model of MLflow's, whose flavors the asset then has."""
    document, workspace = _model_document(call, asked), workspace_of(call)
    uri, run = await _source(call, workspace, search.text(asked, "source"))
    lineage = {name: search.optional(asked, name.removeprefix("mlflow.")) for name in LINEAGE}
    properties = {
        "modelType": "mlflow_model",
        "modelUri": uri,
        "flavors": await _flavors(call, workspace, uri),
        "jobName": search.optional(asked, "run_id") or run,
        "description": search.optional(asked, "description") or None,
        "tags": _tags(asked),
        "properties": {name: value for name, value in lineage.items() if value},
    }
    made = await assets.register(call.cloud, workspace, "models", document.name, properties, principal=call.principal)
    return {"model_version": _version(call, made)}


async def get_version(call: Call, asked: Asked) -> dict[str, Any]:
    return {"model_version": _version(call, _version_document(call, asked))}


async def download_uri(call: Call, asked: Asked) -> dict[str, Any]:
    return {"artifact_uri": _version(call, _version_document(call, asked))["source"]}


async def search_versions(call: Call, asked: Asked) -> dict[str, Any]:
    there = call.cloud.store.children(str(workspace_of(call)), assets.container_type("models"))
    versions = [one for model in there for one in reversed(_versions(call, model))]
    return search.page(asked, "model_versions", search.chosen(asked, versions, ("name", "run_id")))


async def update_version(call: Call, asked: Asked) -> dict[str, Any]:
    description = search.optional(asked, "description")
    document = _version_document(call, asked)
    return {"model_version": _version(call, await _change(call, document, {"description": description}))}


async def transition(call: Call, asked: Asked) -> dict[str, Any]:
    """Stages are for MLflow's clients alone; several versions may be in one."""
    document, stage = _version_document(call, asked), _stage(asked.get("stage"))
    if str(asked.get("archive_existing_versions")).lower() == "true":
        for other in call.cloud.store.children(document.parent, assets.version_type("models")):
            if other.id != document.id and stage != "None" and other.body["properties"].get("stage") == stage:
                await _change(call, other, {"stage": "Archived"})
    return {"model_version": _version(call, await _change(call, document, {"stage": stage}))}


async def delete_version(call: Call, asked: Asked) -> dict[str, Any]:
    id = _version_document(call, asked).id
    await call.cloud.store.write(lambda tx: tx.delete(id))
    return {}


def _tagging(find: Callable[[Call, Asked], Document], *, set: bool) -> Operation:
    async def change(call: Call, asked: Asked) -> dict[str, Any]:
        tag = {search.text(asked, "key"): search.optional(asked, "value") if set else None}
        await _change(call, find(call, asked), {"tags": tag})
        return {}

    return change


# Where a version's files are


async def _source(call: Call, workspace: ResourceId, source: str) -> tuple[str, str | None]:
    """The URI that an asset can have, and the run that made the files."""
    if source.startswith("models:/m-"):
        logged = await call.cloud.tracking.logged_model(workspace, source.removeprefix("models:/"))
        if logged:
            source = logged["info"]["artifact_uri"]
    of_run, uploaded, registered = OF_RUN.fullmatch(source), UPLOADED.fullmatch(source), REGISTERED.fullmatch(source)
    if registered is not None:
        name, version = registered[1] or registered[3], registered[2] or registered[4]
        other = _version_document(call, {"name": name, "version": version}).body["properties"]
        return other["modelUri"], other.get("jobName")
    if of_run is not None:
        run = of_run[1] or of_run[2]
        path = checked(f"ExperimentRun/dcid.{run}/{of_run[3]}")
        return datastores.long_form(workspace, "workspaceartifactstore", path), run
    if uploaded is not None:
        return datastores.long_form(workspace, "workspaceartifactstore", checked(uploaded[1])), None
    return source, None


async def _flavors(call: Call, workspace: ResourceId, uri: str) -> dict[str, Any]:
    place = datastores.locate(call.cloud, workspace, uri)
    path = f"{place.path.strip('/')}/MLmodel"
    client = call.cloud.blobs.container(place.account, place.container)
    try:
        text = await asyncio.to_thread(lambda: client.download_blob(path).readall())
        flavors = yaml.safe_load(text)["flavors"]
        return {name: {"data": {key: str(value) for key, value in data.items()}} for name, data in flavors.items()}
    except HttpResponseError:
        raise bad_request("", f"'{uri}' is not a model of MLflow's: there is no file MLmodel in it.") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise bad_request("", f"'{uri}' is not a model of MLflow's: its file MLmodel names no flavors.") from None


# What is told


def _model(call: Call, document: Document) -> dict[str, Any]:
    properties, versions = document.body["properties"], _versions(call, document)
    return {
        "name": document.name,
        "creation_timestamp": _milliseconds(document.created),
        "last_updated_timestamp": _milliseconds(document.changed),
        "description": properties.get("description") or "",
        "latest_versions": list({one["current_stage"]: one for one in versions}.values()),
        "tags": _pairs(properties),
    }


def _versions(call: Call, model: Document) -> list[dict[str, Any]]:
    """Those that are not archived, by number; a version that is no number has no place among MLflow's."""
    found = call.cloud.store.children(model.id, assets.version_type("models"))
    shown = [one for one in found if one.name.isdecimal() and not one.body["properties"].get("isArchived")]
    return [_version(call, one) for one in sorted(shown, key=lambda one: int(one.name))]


def _version(call: Call, document: Document) -> dict[str, Any]:
    """``source`` leads this client to the files: to those of a run by the run's artifact URI, which ``tracking`` puts in the
    client's form, to those that lie elsewhere by the model's name, as ``artifactservice`` reads it."""
    properties, name = document.body["properties"], ResourceId.parse(document.id).names[1]
    uri = properties["modelUri"].rstrip("/")
    of_run = KEPT.search(uri)
    if of_run is not None:
        source = f"{ARTIFACTS}/0/runs/{of_run[1]}/artifacts/{of_run[2]}"
    else:
        root = "azureml://artifacts" if has_plugin(call) else "mlflow-artifacts:"
        source = f"{root}/{MODEL}/{name}:{document.name}/{uri.rpartition('/')[2]}"
    return {
        "name": name,
        "version": document.name,
        "creation_timestamp": _milliseconds(document.created),
        "last_updated_timestamp": _milliseconds(document.changed),
        "user_id": document.author,
        "current_stage": properties.get("stage") or "None",
        "description": properties.get("description") or "",
        "source": source,
        "run_id": properties.get("jobName") or "",
        "status": "READY",
        "tags": _pairs(properties),
        **{key.removeprefix("mlflow."): value for key, value in properties["properties"].items() if key in LINEAGE},
    }


def _pairs(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in (properties.get("tags") or {}).items()]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


# What is asked


def _model_document(call: Call, asked: Asked) -> Document:
    name = search.text(asked, "name")
    found = call.cloud.store.get(str(workspace_of(call).child("models", name)))
    if found is None or found.type != assets.container_type("models").lower():
        raise AzureError(404, "", f"Registered Model with name={name} not found")
    return found


def _version_document(call: Call, asked: Asked) -> Document:
    model, version = _model_document(call, asked), str(asked.get("version") or "")
    found = call.cloud.store.get(f"{model.id}/versions/{version}")
    if found is None:
        raise AzureError(404, "", f"Model Version (name={model.name}, version={version}) not found")
    return found


def _tags(asked: Asked) -> dict[str, str]:
    pairs = asked.get("tags") or []
    if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
        raise bad_request("", "The parameter 'tags' must be a list of objects with 'key' and 'value'.")
    return {search.text(pair, "key"): search.optional(pair, "value") for pair in pairs}


def _stage(value: Any) -> str:
    stage = STAGES.get(str(value).lower())
    if stage is None:
        raise bad_request(
            "", f"Invalid Model Version stage: {value}. Value must be one of {', '.join(STAGES.values())}."
        )
    return stage


async def _change(call: Call, document: Document, changes: Mapping[str, Any]) -> Document:
    """``changes`` of the asset's properties; of its tags those named, one that is ``None`` goes."""

    def change(tx: Transaction) -> Document:
        now = tx.get(document.id) or document
        tags = {**(now.body["properties"].get("tags") or {}), **changes.get("tags", {})}
        tags = {key: value for key, value in tags.items() if value is not None}
        check_tags(tags)
        properties = {**now.body["properties"], **changes, "tags": tags}
        return tx.put(now.id, now.type, {**now.body, "properties": properties}, parent=now.parent, by=arm.author(call))

    changed: Document = await call.cloud.store.write(change)
    return changed


LINEAGE = ("mlflow.model_id", "mlflow.run_link")
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "registered-models/create"): create_model,
    ("GET", "registered-models/get"): get_model,
    ("GET", "registered-models/search"): search_models,
    ("POST", "registered-models/get-latest-versions"): latest_versions,
    ("PATCH", "registered-models/update"): update_model,
    ("POST", "registered-models/rename"): refuse,
    ("DELETE", "registered-models/delete"): refuse,
    ("POST", "registered-models/set-tag"): _tagging(_model_document, set=True),
    ("DELETE", "registered-models/delete-tag"): _tagging(_model_document, set=False),
    ("POST", "model-versions/create"): create_version,
    ("GET", "model-versions/get"): get_version,
    ("GET", "model-versions/get-download-uri"): download_uri,
    ("GET", "model-versions/search"): search_versions,
    ("PATCH", "model-versions/update"): update_version,
    ("POST", "model-versions/transition-stage"): transition,
    ("DELETE", "model-versions/delete"): delete_version,
    ("POST", "model-versions/set-tag"): _tagging(_version_document, set=True),
    ("DELETE", "model-versions/delete-tag"): _tagging(_version_document, set=False),
}

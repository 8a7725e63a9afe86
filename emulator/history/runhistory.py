"""Run history: what clients read and change of a job on ``{region}.api.azureml.ms``, beside its ARM resource.

``/history/v1.0/{workspace}/…``, as the run history client inside azure-ai-ml asks it (azure/ai/ml/_restclient/runhistory): details
with the links of the logs, the run itself, its children, service instances; and the PATCH by which names, tags and archiving are
changed. What a run looks like is said by ``runs``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from emulator.errors import AzureError, NotEmulated, invalid_content, user_error
from emulator.history.artifacts import Artifacts
from emulator.history.runs import definition, details, experiment_id, moment, run
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM, MACHINE_LEARNING
from emulator.jobs.jobs import TYPE, status_of
from emulator.jobs.lifecycle import Status
from emulator.jobs.schema import service_unheeded
from emulator.jobs.variables import AUDIENCE, TOKEN_LIFE
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.tags import check as check_tags
from emulator.mlflow import jobruns
from emulator.routes import Route
from emulator.store import Document, Transaction

LOGS = ("user_logs/", "system_logs/", "azureml-logs/", "logs/")
CHANGEABLE = ("description", "displayName", "hidden", "properties", "tags")


def workspace_of(call: Call) -> Document:
    id = ResourceId.parse("/" + call.params["workspace"].strip("/"))
    return arm.get(call, id)


def job_of(call: Call, name: str | None = None) -> Document:
    """The run's job, or run history's 404."""
    workspace, name = workspace_of(call), name or call.params["run"]
    job = call.cloud.store.get(f"{workspace.id}/jobs/{name}")
    if job is None or job.type != TYPE.lower():
        raise AzureError(404, "UserError", f"RunId {name} was not found in the workspace {workspace.name}.")
    return job


# Handlers


async def get_details(call: Call) -> Reply:
    job = job_of(call)
    origin = job.body["run"].get("origin", job.name)  # of a step that was reused: the one that ran
    artifacts = Artifacts(call.cloud, ResourceId.parse(job.parent), origin)

    def links() -> dict[str, str]:
        names = (name for below in LOGS for name in artifacts.names(below))
        return {name: artifacts.link(name) for name in names}

    return Reply(body=details(call, job, await asyncio.to_thread(links)))


async def get_run(call: Call) -> Reply:
    return Reply(body=run(call, job_of(call)))


async def get_data(call: Call) -> Reply:
    """``rundata``: one run, with what was asked of it."""
    body = call.json()
    job = job_of(call, _text(body, "runId"))
    return Reply(
        body={
            "runMetadata": run(call, job),
            "runDefinition": definition(job) if body.get("selectRunDefinition") else None,
            "jobSpecification": (
                envelope.render(call.cloud, job)["properties"] if body.get("selectJobSpecification") else None
            ),
        }
    )


async def get_data_batch(call: Call) -> Reply:
    """``batchrundata``: several requests like ``rundata``'s under keys of the client's own."""
    requests = call.json().get("requests")
    if not isinstance(requests, dict):
        raise invalid_content("The property 'requests' must be a JSON object.", target="requests")
    found, errors = _each(
        call, {key: one.get("runId") if isinstance(one, dict) else one for key, one in requests.items()}
    )
    return Reply(
        body={"successfulResults": {key: {"runMetadata": one} for key, one in found.items()}, "failedResults": errors}
    )


async def get_by_ids(call: Call) -> Reply:
    """``{"runIds": […]}``: each run that there is, and for each other its own error."""
    names = call.json().get("runIds")
    if not isinstance(names, list):
        raise invalid_content("The property 'runIds' must be a list of runs' ids.", target="runIds")
    found, errors = _each(call, {str(name): name for name in names})
    return Reply(body={"runs": found, "errors": errors})


def _each(call: Call, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for key, name in wanted.items():
        try:
            found[key] = run(call, job_of(call, str(name)))
        except AzureError as error:
            errors[key] = error.body()
    return found, errors


async def list_children(call: Call) -> Reply:
    """Children of a job, oldest first, by ``$top`` and the continuation token of the answer before."""
    job = job_of(call)
    siblings = call.cloud.store.children(job.parent, TYPE)
    found = [child for child in siblings if child.body["properties"].get("parentJobName") == job.name]
    return _page(call, found, envelope.number(call, "$top"), call.option("$continuationtoken"))


async def query(call: Call) -> Reply:
    """``runs:query``: the runs of an experiment, newest first; filters other than none are not emulated."""
    body = call.json() if call.body else {}
    if body.get("filter"):
        raise NotEmulated("filters of runs:query")
    wanted = call.params["experiment"]

    def belongs(job: Document) -> bool:
        name = job.body["properties"]["experimentName"]
        return wanted in (name, experiment_id(job.parent, name))

    jobs = [job for job in call.cloud.store.children(workspace_of(call).id, TYPE) if belongs(job)]
    top = body.get("top")
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise invalid_content(f"The property 'top' must be a positive integer; it is {top!r}.")
    return _page(call, jobs[::-1], top, body.get("continuationToken"))


def _page(call: Call, jobs: list[Document], top: int | None, token: Any) -> Reply:
    if token is not None and not (isinstance(token, str) and token.isdecimal() and len(token) < 10):
        raise invalid_content("The continuation token is not one that this service gave.")
    first = int(token or 0)
    last = first + min(top or 100, 500)
    body: dict[str, Any] = {"value": [run(call, job) for job in jobs[first:last]]}
    if last < len(jobs):
        body["continuationToken"] = str(last)
        if call.method == "GET":
            query = "&".join(
                f"{name}={value}" for name, value in call.query.items() if name.lower() != "$continuationtoken"
            )
            body["nextLink"] = f"https://{call.host}{call.path}?{query}{'&' if query else ''}$continuationtoken={last}"
    return Reply(body=body)


async def patch(call: Call) -> Reply:
    """Names, tags, properties and archiving; tags and properties are merged with what is there."""
    body = {name: value for name, value in call.json().items() if value is not None}
    others = [name for name in body if name not in (*CHANGEABLE, "runId")]
    if others:
        raise NotEmulated(f"changing {', '.join(others)} of a run")
    for name in ("tags", "properties"):
        pairs = body.get(name, {})
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise invalid_content(f"The property '{name}' must be a JSON object whose values are strings.", target=name)
    for name, kind in (("description", str), ("displayName", str), ("hidden", bool)):
        if name in body and not isinstance(body[name], kind):
            raise invalid_content(
                f"The property '{name}' must be a {'boolean' if kind is bool else 'string'}.", target=name
            )

    def changed(properties: dict[str, Any]) -> None:
        for name in ("description", "displayName"):
            if name in body:
                properties[name] = body[name]
        if "hidden" in body:
            properties["isArchived"] = body["hidden"]
        for name in ("tags", "properties"):
            properties[name] = {**properties.get(name, {}), **body.get(name, {})}

    return Reply(body=run(call, await _change(call, changed)))


async def patch_tags(call: Call) -> Reply:
    """``{"tagsToModify": {…}, "tagsToDelete": […]}``"""
    body = call.json()
    values, gone = body.get("tagsToModify") or {}, body.get("tagsToDelete") or []
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise invalid_content("tagsToModify must be a JSON object whose values are strings.")
    if not isinstance(gone, list):
        raise invalid_content("tagsToDelete must be a list of tags' names.")

    def changed(properties: dict[str, Any]) -> None:
        kept = {name: value for name, value in properties.get("tags", {}).items() if name not in gone}
        properties["tags"] = {**kept, **values}

    return Reply(body=run(call, await _change(call, changed)))


async def _change(call: Call, how: Any) -> Document:
    job = job_of(call)

    def change(tx: Transaction) -> Document:
        now = tx.get(job.id) or job
        properties = dict(now.body["properties"])
        how(properties)
        check_tags(properties.get("tags"))
        return tx.put(now.id, TYPE, {**now.body, "properties": properties}, parent=now.parent, by=arm.author(call))

    document: Document = await call.cloud.store.write(change)
    await jobruns.to_run(call.cloud, document, job)
    return document


async def cancel_run(call: Call) -> Reply:
    job = job_of(call)
    await call.cloud.jobs.cancel(job)
    return Reply(body=run(call, job_of(call)))


async def services(call: Call) -> Reply:
    """A job's interactive services: none is started, and each says why."""
    told = job_of(call).body["properties"].get("services", {})
    return Reply(
        body={
            "instances": {
                name: {
                    "type": one["jobServiceType"],
                    "port": one.get("port"),
                    "status": "Failed",
                    "error": {"error": {"code": "UserError", "message": service_unheeded(name, one)}},
                    "endpoint": None,
                    "properties": one.get("properties", {}),
                }
                for name, one in told.items()
            }
        }
    )


async def token(call: Call) -> Reply:
    """A job's own token anew: what azureml-mlflow asks for inside a job that runs for long."""
    job = job_of(call)
    if status_of(job) in (Status.COMPLETED, Status.FAILED, Status.CANCELED):
        raise user_error(f"The run {job.name} is {status_of(job).value}; it has no token any more.", status=403)
    now = datetime.now(timezone.utc).timestamp()
    value = call.cloud.identity.token(AUDIENCE, lifetime=TOKEN_LIFE)
    return Reply(body={"token": value, "expiryTimeUtc": moment(now + TOKEN_LIFE)})


async def experiment(call: Call) -> Reply:
    """An experiment exists once a job was submitted to it."""
    wanted, workspace = call.params["experiment"], workspace_of(call)
    for job in call.cloud.store.children(workspace.id, TYPE):
        name = job.body["properties"]["experimentName"]
        if wanted in (name, experiment_id(workspace.id, name)):
            return Reply(
                body={
                    "experimentId": experiment_id(workspace.id, name),
                    "name": name,
                    "description": None,
                    "createdUtc": envelope.timestamp(job.created),
                    "tags": {},
                    "archivedTime": None,
                    "artifactLocation": "",
                }
            )
    raise AzureError(404, "UserError", f"The experiment {wanted} was not found in the workspace {workspace.name}.")


async def discovery(call: Call) -> Reply:
    """Where the data plane's services are: all of them at the region's one host."""
    address = f"https://{call.host}"
    services = ("api", "experimentation", "history", "hyperdrive", "labeling", "modelmanagement", "pipelines")
    return Reply(body={**{name: address for name in services}, "studio": "https://ml.azure.com"})


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_content(f"The property '{name}' must be a string.", target=name)
    return value


_HOST = "*.api.azureml.ms"
_TOKENS = (*ARM, *MACHINE_LEARNING)
_RUNS = "/history/v1.0/{workspace:path}/runs/{run}"
_OF_EXPERIMENT = (
    "/history/v1.0/{workspace:path}/experiments/{experiment}",
    "/history/v1.0/{workspace:path}/experimentids/{experiment}",
)


def _run_routes(path: str) -> tuple[Route, ...]:
    return (
        Route(_HOST, "GET", f"{path}/details", get_details, _TOKENS),
        Route(_HOST, "GET", f"{path}/children", list_children, _TOKENS),
        Route(_HOST, "GET", f"{path}/serviceinstances/{{node}}", services, _TOKENS),
        Route(_HOST, "PATCH", f"{path}/tags", patch_tags, _TOKENS),
        Route(_HOST, "POST", f"{path}/cancel", cancel_run, _TOKENS),
        Route(_HOST, "GET", f"{path}/token", token, _TOKENS),
        Route(_HOST, "GET", path, get_run, _TOKENS),
        Route(_HOST, "PATCH", path, patch, _TOKENS),
    )


ROUTES = (
    *(route for base in _OF_EXPERIMENT for route in _run_routes(f"{base}/runs/{{run}}")),
    *(Route(_HOST, "POST", f"{base}/runs:query", query, _TOKENS) for base in _OF_EXPERIMENT),
    *(Route(_HOST, "POST", f"{base}/runs/runIds", get_by_ids, _TOKENS) for base in _OF_EXPERIMENT),
    *(Route(_HOST, "GET", base, experiment, _TOKENS) for base in _OF_EXPERIMENT),
    *_run_routes(_RUNS),
    Route(_HOST, "POST", "/history/v1.0/{workspace:path}/rundata", get_data, _TOKENS),
    Route(_HOST, "POST", "/history/v1.0/{workspace:path}/batchrundata", get_data_batch, _TOKENS),
    Route(_HOST, "GET", "/discovery", discovery),
)

"""Azure ML's artifact service and run history's door to it: links to the blobs that runs log.

What a run logs lies in the workspace's artifact container below ``ExperimentRun/dcid.{run}/``, beside its logs and outputs; what
is uploaded for a model without a run lies below ``LocalUpload/{container}/``. A registered model is read as
``Model/{name}:{version}``, wherever it lies. A client is given a link with a signature and speaks to blob storage itself. A client
of MLflow's without Azure's plugin has no such way: its bytes pass through here.

The routes and shapes are those that ``azureml-mlflow`` 1.62 calls (``azureml/mlflow/_restclient/artifact``, ``…/run_artifact``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from emulator.errors import AzureError, bad_request, invalid_content, not_found
from emulator.history.artifacts import Folder
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM, MACHINE_LEARNING
from emulator.machinelearning import assets, datastores
from emulator.management.ids import ResourceId
from emulator.routes import Route

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = "*.api.azureml.ms"
AUDIENCES = (*ARM, *MACHINE_LEARNING)
PLUGIN = "azureml-mlflow/"  # what the plugin says of itself in User-Agent
RUN, UPLOAD, MODEL = "ExperimentRun", "LocalUpload", "Model"
ORIGINS = {origin.lower(): origin for origin in (RUN, UPLOAD, MODEL)}
PAGE = 500
UPLOAD_LIMIT = 256 * 1024 * 1024  # bytes of one artifact that is not uploaded by link
NAME = re.compile(r"[^/\\\x00-\x1f]{1,250}")


class Container(Folder):
    """One container of artifacts, in the service's words: ``origin`` is a key of ``ORIGINS``."""

    def __init__(self, cloud: Cloud, workspace: ResourceId, origin: str, name: str) -> None:
        self.origin, self.name = origin, name
        if origin == MODEL:
            model = assets.resolve(cloud, workspace, f"azureml:{name}", "models")
            store = datastores.locate(cloud, workspace, model.body["properties"]["modelUri"])
            above = store.path.strip("/").rpartition("/")[0]
            prefix = f"{above}/" if above else ""
        else:
            store, prefix = datastores.default_store(cloud, workspace, "artifact"), f"{origin}/{name}/"
        super().__init__(cloud, store.account, store.container, prefix)

    async def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """The blob's bytes from ``offset`` on; 404 where there is none."""
        from azure.core.exceptions import HttpResponseError

        blob = self.client().get_blob_client(self.prefix + path)
        try:
            stream = await asyncio.to_thread(blob.download_blob, offset=offset)
        except HttpResponseError as error:
            if error.status_code == 416:  # nothing beyond the offset, yet
                return _nothing()
            raise missing(path, self.name) from None

        async def parts() -> AsyncIterator[bytes]:
            chunks = iter(stream.chunks())
            while (part := await asyncio.to_thread(next, chunks, None)) is not None:
                yield part

        return parts()

    def described(self, path: str) -> dict[str, Any]:
        id = f"{self.origin}/{self.name}/{path}"
        place = {"dataStoreName": "workspaceartifactstore", "relativePath": id} if self.origin != MODEL else None
        return {
            "artifactId": id,
            "origin": self.origin,
            "container": self.name,
            "path": path,
            "etag": None,
            "createdTime": datetime.now(timezone.utc).isoformat(),
            "dataPath": place,
            "tags": {},
        }

    def content(self, path: str, permissions: str = "r") -> dict[str, Any]:
        return {
            "contentUri": self.link(path, permissions),
            "origin": self.origin,
            "container": self.name,
            "path": path,
            "tags": {},
        }


async def _nothing() -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    for part in parts:
        yield part


def has_plugin(call: Call) -> bool:
    """Whether a client of MLflow's came by ``azureml-mlflow``: it reads ``azureml://`` and speaks to blob storage itself."""
    return call.params["version"].lower() == "v2.0" and PLUGIN in call.headers.get("user-agent", "")


def missing(path: str, container: str) -> AzureError:
    return AzureError(404, "UserError", f"The artifact '{path}' was not found in '{container}'.")


def workspace_of(call: Call) -> ResourceId:
    """The workspace that a request's path names; 404 in Azure's words where it is none."""
    try:
        workspace = ResourceId.parse(f"/{call.params['workspace'].strip('/')}")
    except AzureError:
        raise not_found(call.params["workspace"]) from None
    document = call.cloud.store.get(str(workspace))
    if workspace.type.lower() != "microsoft.machinelearningservices/workspaces" or document is None:
        raise not_found(str(workspace))
    return ResourceId.parse(document.id)


async def container_of(call: Call, origin: str, name: str, *, write: bool = False) -> Container:
    """The container ``name`` of the request's workspace; 404 for a run that the workspace has not."""
    workspace = workspace_of(call)
    if not NAME.fullmatch(name) or name in (".", ".."):
        raise bad_request("UserError", f"'{name}' is not the name of an artifact container.")
    if origin == MODEL and write:
        raise bad_request("UserError", f"The files of the registered model '{name}' cannot be changed.")
    if origin == RUN:
        run = name.removeprefix("dcid.")
        job = call.cloud.store.get(str(workspace.child("jobs", run)))
        if job is None and not await call.cloud.tracking.has_run(workspace, run):
            raise AzureError(404, "UserError", f"Run {run} was not found in the workspace '{workspace.name}'.")
    return Container(call.cloud, workspace, origin, name)


async def _named(call: Call, *, write: bool = False) -> Container:
    """The container that a request's path names."""
    if "run" in call.params:
        return await container_of(call, RUN, f"dcid.{call.params['run']}")
    origin = ORIGINS.get(call.params["origin"].lower())
    if origin is None:
        raise bad_request(
            "UserError", f"'{call.params['origin']}' is not an origin of artifacts that the emulator has."
        )
    return await container_of(call, origin, call.params["container"], write=write)


def checked(path: Any) -> str:
    """An artifact's path: relative, of real names, never out of its folder."""
    parts = str(path or "").strip("/").split("/")
    if not isinstance(path, str) or not all(NAME.fullmatch(part) and part not in (".", "..") for part in parts):
        raise bad_request("UserError", f"'{str(path)[:200]}' is not an artifact's path.", target="path")
    return "/".join(parts)


async def list_all(call: Call) -> Reply:
    """https://learn.microsoft.com/rest/api/azureml — pages of 500, with ``continuationToken``."""
    folder = await _named(call)
    below = call.option("path")
    names = await asyncio.to_thread(folder.names, checked(below) if below else "")
    return _page(call, [folder.described(name) for name in names])


async def list_links(call: Call) -> Reply:
    folder = await _named(call)
    below = call.option("path")
    names = await asyncio.to_thread(folder.names, checked(below) if below else "")
    return _page(call, [folder.content(name) for name in names])


async def metadata(call: Call) -> Reply:
    folder, path = await _existing(call)
    return Reply(body=folder.described(path))


async def content_information(call: Call) -> Reply:
    folder, path = await _existing(call)
    return Reply(body=folder.content(path))


async def link(call: Call) -> Reply:
    folder, path = await _existing(call)
    return Reply(body=folder.link(path, "r"))


async def create(call: Call) -> Reply:
    """Links to write a batch of artifacts by. Nothing is there until it was written."""
    folder = await _named(call, write=True)
    paths = call.json().get("paths")
    if not isinstance(paths, list) or not all(isinstance(one, dict) for one in paths):
        raise invalid_content("The property 'paths' must be a list of objects with a 'path'.", target="paths")
    names = [checked(one.get("path")) for one in paths]
    # The client finds its links by the paths as it wrote them.
    return Reply(
        body={
            "artifacts": {one["path"]: folder.described(name) for one, name in zip(paths, names, strict=True)},
            "artifactContentInformation": {
                one["path"]: folder.content(name, "racw") for one, name in zip(paths, names, strict=True)
            },
            "errors": {},
        }
    )


async def _existing(call: Call) -> tuple[Container, str]:
    folder, path = await _named(call), checked(call.option("path"))
    blob = folder.client().get_blob_client(folder.prefix + path)
    if not await asyncio.to_thread(blob.exists):
        raise missing(path, folder.name)
    return folder, path


def _page(call: Call, found: list[dict[str, Any]]) -> Reply:
    token = call.option("continuationToken") or "0"
    if not token.isdigit():
        raise bad_request("UserError", f"'{token[:40]}' is not a continuation token.", target="continuationToken")
    start = int(token)
    more = start + PAGE < len(found)
    return Reply(
        body={
            "value": found[start : start + PAGE],
            "continuationToken": str(start + PAGE) if more else None,
            "nextLink": _next(call, start + PAGE) if more else None,
        }
    )


def _next(call: Call, start: int) -> str:
    query = {**call.query, "continuationToken": str(start)}
    return f"https://{call.host}{quote(call.path)}?{urlencode(query)}"


# Clients of MLflow's without Azure's plugin (https://mlflow.org/docs/latest/rest-api.html, mlflow-artifacts)


async def _proxied(call: Call, path: str, *, write: bool = False) -> tuple[Container, str]:
    """What their artifact URIs say: ``experiments/{experiment}/runs/{run}/artifacts[/{path}]`` of a run, else
    ``{origin}/{container}[/{path}]``."""
    of_run = re.fullmatch(r"experiments/[^/]+/runs/([^/]+)/artifacts(?:/(.*))?", path.strip("/"), re.DOTALL)
    if of_run is not None:
        origin, name, rest = RUN, f"dcid.{of_run[1]}", of_run[2]
    else:
        first, _, below = path.strip("/").partition("/")
        origin, (name, _, rest) = ORIGINS.get(first.lower(), ""), below.partition("/")
    if not origin:
        raise bad_request("UserError", f"'{path[:200]}' is not the path of a run's artifacts.")
    return await container_of(call, origin, name, write=write), checked(rest) if rest else ""


async def proxied_list(call: Call) -> Reply:
    folder, path = await _proxied(call, call.option("path") or "")
    below = f"{path}/" if path else ""
    entries = await asyncio.to_thread(folder.entries, below)
    return Reply(body={"files": list(_level(entries, below))})


def _level(entries: list[tuple[str, int]], below: str) -> Iterator[dict[str, Any]]:
    """The files and folders directly below."""
    seen = set()
    for name, size in entries:
        first, separator, _ = name[len(below) :].partition("/")
        if first not in seen:
            seen.add(first)
            yield {"path": first, "is_dir": True} if separator else {"path": first, "is_dir": False, "file_size": size}


async def proxied_get(call: Call) -> Reply:
    folder, path = await _proxied(call, call.params["path"])
    if not path:
        raise missing(path, folder.name)
    return Reply(body=await folder.read(path))


async def proxied_put(call: Call) -> Reply:
    folder, path = await _proxied(call, call.params["path"], write=True)
    blob = folder.client().get_blob_client(folder.prefix + checked(path))
    await asyncio.to_thread(blob.upload_blob, call.body, overwrite=True)
    return Reply(body={})


async def proxied_delete(call: Call) -> Reply:
    folder, path = await _proxied(call, call.params["path"], write=True)
    client, whole = folder.client(), folder.prefix + path

    def delete() -> None:
        for blob in list(client.list_blobs(name_starts_with=whole)):
            if blob.name == whole or blob.name.startswith(f"{whole.rstrip('/')}/"):
                client.delete_blob(blob.name)

    await asyncio.to_thread(delete)
    return Reply(body={})


async def run_artifacts(call: Call) -> Reply:
    """``GET mlflow/artifacts/list``: what MLflow's own server would list at the run's artifact URI."""
    path = call.option("path") or ""
    run = call.option("run_id") or call.option("run_uuid") or ""
    folder = await container_of(call, RUN, f"dcid.{run}")
    below = f"{checked(path)}/" if path else ""
    entries = await asyncio.to_thread(folder.entries, below)
    files = [{**file, "path": below + file["path"]} for file in _level(entries, below)]
    return Reply(body={"root_uri": folder.prefix.rstrip("/"), "files": files})


OF_RUN = "/history/v1.0/{workspace:path}/experiments/{experiment}/runs/{run}/artifacts"
OF_RUN_BY_ID = "/history/v1.0/{workspace:path}/experimentids/{experiment}/runs/{run}/artifacts"
ANY = "/artifact/v2.0/{workspace:path}/artifacts/{origin}/{container}"
MLFLOW = "/mlflow/{version}/{workspace:path}/api/2.0"
OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[Reply]]], ...] = (
    ("GET", "", list_all),
    ("GET", "/path", list_all),
    ("GET", "/metadata", metadata),
    ("GET", "/contentinfo", content_information),
    ("GET", "/artifacturi", link),
    ("GET", "/prefix/contentinfo", list_links),
    ("POST", "/batch/metadata", create),
)
ROUTES = (
    *(
        Route(HOST, method, base + path, handler, AUDIENCES)
        for base in (OF_RUN, OF_RUN_BY_ID, ANY)
        for method, path, handler in OPERATIONS
    ),
    Route(HOST, "GET", f"{MLFLOW}/mlflow/artifacts/list", run_artifacts, AUDIENCES),
    Route(HOST, "GET", f"{MLFLOW}/mlflow-artifacts/artifacts", proxied_list, AUDIENCES),
    Route(HOST, "GET", f"{MLFLOW}/mlflow-artifacts/artifacts/{{path:path}}", proxied_get, AUDIENCES),
    Route(HOST, "PUT", f"{MLFLOW}/mlflow-artifacts/artifacts/{{path:path}}", proxied_put, AUDIENCES, UPLOAD_LIMIT),
    Route(HOST, "DELETE", f"{MLFLOW}/mlflow-artifacts/artifacts/{{path:path}}", proxied_delete, AUDIENCES),
)

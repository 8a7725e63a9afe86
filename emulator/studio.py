"""The local studio: a page on which jobs can be looked at, on the gateway's own port below ``/_emulator/studio/``.

Must live here: what the page asks for, and who may ask. Must not: anything that changes a job; markup, which is in ``pages/``.
A person who follows a link has no token, so what is shown is shown to this machine alone: the gateway listens on loopback and
refuses other names for it (``emulator.app``), and a page of another site can neither read nor embed what is answered here.
What jobs wrote is sent as data and becomes text on the page, never markup; a file is opened in a sandbox.
"""

from __future__ import annotations

import asyncio
import math
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, bad_request
from emulator.gateway.hosts import CONTROLS
from emulator.history.artifactservice import RUN, Container, checked
from emulator.http import Call, Reply
from emulator.management.ids import ResourceId
from emulator.routes import Route
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

BASE = "/_emulator/studio"
PAGES = Path(__file__).parent / "pages"
ASSETS = {
    "studio.css": "text/css",
    "studio.js": "text/javascript",
    "charts.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
JOBS = f"{WORKSPACES}/jobs"
NEWEST = 200  # jobs in a list
STATUSES = {
    "RUNNING": "Running",
    "SCHEDULED": "Queued",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Answer = Callable[[Call], Awaitable[Reply]]


def private(handler: Answer, *, page: bool = False) -> Answer:
    """``handler`` for requests of our own pages; a ``page`` may also be arrived at by a link from anywhere.

    Browsers say where a request is from: https://developer.mozilla.org/docs/Web/HTTP/Headers/Sec-Fetch-Site
    """

    async def checked_first(call: Call) -> Reply:
        site = call.headers.get("sec-fetch-site", "none")
        followed = (
            page
            and call.headers.get("sec-fetch-mode") == "navigate"
            and call.headers.get("sec-fetch-dest") == "document"
        )
        origin = call.headers.get("origin", "")
        if (site not in ("none", "same-origin") and not followed) or (
            origin and origin != f"http://{call.headers.get('host')}"
        ):
            raise AzureError(403, "Forbidden", "The studio answers its own page, and no other site's.")
        reply = await handler(call)
        return Reply(reply.status, reply.body, {**COMMON, **reply.headers}, reply.media_type)

    return checked_first


async def page(call: Call) -> Reply:
    body, _ = _asset("studio.html")
    return Reply(body=body, headers={"Content-Security-Policy": PAGE_POLICY}, media_type="text/html; charset=utf-8")


async def asset(call: Call) -> Reply:
    name = call.params["name"]
    if name not in ASSETS:
        raise AzureError(404, "NotFound", f"'{name}' is no part of the studio.")
    body, media = _asset(name)
    return Reply(body=body, media_type=f"{media}; charset=utf-8")


@lru_cache
def _asset(name: str) -> tuple[bytes, str]:
    return (PAGES / name).read_bytes(), ASSETS.get(name, "text/html")


# What the page asks for


async def workspaces(call: Call) -> Reply:
    found = call.cloud.store.of_type(WORKSPACES)
    return Reply(
        body=[
            {
                "id": one.id,
                "name": one.name,
                "group": ResourceId.parse(one.id).group,
                "location": one.body.get("location"),
                "jobs": len(call.cloud.store.children(one.id, JOBS)),
            }
            for one in found
        ]
    )


async def jobs(call: Call) -> Reply:
    """The newest jobs of the workspace ``wsid``, and the runs that were logged from outside a job."""
    workspace = _workspace(call)
    documents = call.cloud.store.children(str(workspace), JOBS)[-NEWEST:]
    found = [_line(document) for document in documents]
    names = {line["name"] for line in found}
    found += [line for line in await _logged(call.cloud, workspace) if line["name"] not in names]
    return Reply(body=sorted(found, key=lambda line: line["created"] or 0, reverse=True)[:NEWEST])


async def job(call: Call) -> Reply:
    """Everything about one job: what was asked, how it went, what it logged, the files it left."""
    workspace, name = _workspace(call), call.option("name") or ""
    document = call.cloud.store.get(str(workspace.child("jobs", name)))
    tracking = call.cloud.tracking
    logged, histories = await asyncio.gather(tracking.run(workspace, name), tracking.metrics(workspace, name))
    if document is None and not logged:
        raise AzureError(404, "NotFound", f"The workspace '{workspace.name}' has no job '{name}'.")
    files = await asyncio.to_thread(Container(call.cloud, workspace, RUN, f"dcid.{name}").entries)
    told = _told(document) if document else {**_run_line(logged["info"], ""), "properties": {}}
    data = logged.get("data", {})
    return Reply(
        body=_finite(
            {
                **told,
                "workspace": str(workspace),
                "params": _pairs(data.get("params", ())),
                "tags": {**told.get("tags", {}), **_pairs(data.get("tags", ()))},
                "metrics": histories,
                "files": [{"path": path, "size": size} for path, size in files],
            }
        )
    )


async def file(call: Call) -> Reply:
    """A file of a job, from byte ``offset`` on. Opened by itself it can run nothing."""
    folder = Container(call.cloud, _workspace(call), RUN, f"dcid.{checked(call.option('name'))}")
    offset = call.option("offset") or "0"
    if not offset.isdecimal() or len(offset) > 15:
        raise bad_request("UserError", f"'{offset[:40]}' is not a number of bytes.", target="offset")
    path = checked(call.option("path"))
    parts = await folder.read(path, int(offset))
    kind = mimetypes.guess_type(path)[0] or ""
    media = kind if kind.startswith("image/") else "text/plain; charset=utf-8"
    return Reply(body=parts, headers={"Content-Security-Policy": FILE_POLICY}, media_type=media)


def _workspace(call: Call) -> ResourceId:
    wanted = call.option("wsid") or ""
    document = call.cloud.store.get(wanted)
    if document is None or document.type != WORKSPACES.lower():
        raise AzureError(404, "NotFound", f"There is no workspace '{wanted[:300]}'.")
    return ResourceId.parse(document.id)


def _line(document: Document) -> dict[str, Any]:
    """A job in a list. Times are Unix seconds."""
    properties, run = document.body.get("properties", {}), document.body.get("run", {})
    return {
        "name": document.name,
        "displayName": properties.get("displayName") or document.name,
        "experiment": properties.get("experimentName"),
        "status": properties.get("status"),
        "type": properties.get("jobType"),
        "parent": properties.get("parentJobName"),
        "compute": str(properties.get("computeId") or "").rpartition("/")[2],
        "created": document.created,
        "started": run.get("started"),
        "ended": run.get("ended"),
    }


def _told(document: Document) -> dict[str, Any]:
    properties, run = document.body.get("properties", {}), document.body.get("run", {})
    shown = ("command", "description", "environmentId", "environmentVariables", "resources", "limits", "distribution")
    return {
        **_line(document),
        "tags": properties.get("tags") or {},
        "error": (run.get("error") or {}).get("error", run.get("error")),
        "properties": {name: properties[name] for name in shown if properties.get(name)},
        "inputs": properties.get("inputs") or {},
        "outputs": {
            name: {**(told or {}), **(run.get("outputs", {}).get(name) or {})}
            for name, told in (properties.get("outputs") or {}).items()
        },
    }


async def _logged(cloud: Cloud, workspace: ResourceId) -> list[dict[str, Any]]:
    """The newest runs that MLflow has of the workspace."""
    ask = cloud.tracking.ask
    answer = await ask(workspace, "POST", "experiments/search", body={"max_results": 1000})
    experiments = {one["experiment_id"]: one["name"] for one in answer.json.get("experiments", ())}
    if not experiments:
        return []
    body = {"experiment_ids": list(experiments), "max_results": NEWEST, "order_by": ["attributes.start_time DESC"]}
    answer = await ask(workspace, "POST", "runs/search", body=body)
    infos = [run["info"] for run in answer.json.get("runs", ())]
    return [_run_line(info, experiments.get(info["experiment_id"], "")) for info in infos]


def _run_line(info: Mapping[str, Any], experiment: str) -> dict[str, Any]:
    started, ended = info.get("start_time"), info.get("end_time")
    return {
        "name": info["run_id"],
        "displayName": info.get("run_name") or info["run_id"],
        "experiment": experiment,
        "status": STATUSES.get(info.get("status", ""), info.get("status")),
        "type": "Logged",
        "parent": None,
        "compute": "",
        "created": started / 1000 if started else None,
        "started": started / 1000 if started else None,
        "ended": ended / 1000 if ended else None,
    }


def _pairs(entries: Any) -> dict[str, str]:
    return {entry["key"]: entry.get("value", "") for entry in entries}


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


ROUTES = (
    Route(CONTROLS, "GET", BASE, private(page, page=True)),
    Route(CONTROLS, "GET", f"{BASE}/runs/{{name}}", private(page, page=True)),
    Route(CONTROLS, "GET", f"{BASE}/pages/{{name}}", private(asset)),
    Route(CONTROLS, "GET", f"{BASE}/data/workspaces", private(workspaces)),
    Route(CONTROLS, "GET", f"{BASE}/data/jobs", private(jobs)),
    Route(CONTROLS, "GET", f"{BASE}/data/job", private(job)),
    Route(CONTROLS, "GET", f"{BASE}/data/file", private(file)),
)

"""MLflow tracking of a workspace: the real MLflow server behind Azure ML's tracking URI.

Must live here: which workspace and which client a request is of, what Azure adds to MLflow's REST API, what it has not, and the
runs of jobs. Must not: experiments, runs and metrics themselves, which are MLflow's (``server``), artifacts, which are blobs
(``artifactservice``), and registered models, which are assets (``registry``).

The ``azureml-mlflow`` plugin turns ``azureml://HOST/mlflow/v1.0/WORKSPACE`` into ``https://HOST/mlflow/v2.0/WORKSPACE``; a client
without it takes the https form as it is. Both need a token.
https://learn.microsoft.com/azure/machine-learning/how-to-use-mlflow-configure-tracking
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, NotEmulated, not_found
from emulator.history import artifactservice
from emulator.history.artifactservice import has_plugin, workspace_of
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM, MACHINE_LEARNING
from emulator.management.ids import ResourceId
from emulator.mlflow import jobruns, registry
from emulator.mlflow.child import Answer, Server
from emulator.mlflow.server import ARTIFACTS
from emulator.routes import Route

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HOST = "*.api.azureml.ms"
AUDIENCES = (*ARM, *MACHINE_LEARNING)
# The parts of MLflow's API that are served; the others (its gateway, jobs, users, webhooks) Azure ML has not either.
PARTS = frozenset(
    {"experiments", "runs", "metrics", "traces", "logged-models", "datasets", "assessments", "server-info"}
)
POINTS = 500  # of a metric's history at most, evenly chosen


class Tracking:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._server = Server(cloud.home.tracking, cloud.home.logs / "mlflow.log")
        self._experiments: dict[tuple[str, str], str] = {}
        self._known: set[tuple[str, str]] = set()
        self._making: dict[str, set[asyncio.Future[None]]] = {}  # runs of jobs, by workspace

    async def start(self) -> None:
        """Returns at once: MLflow takes some seconds, and what needs it waits for it."""
        self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    def uri(self, workspace: ResourceId) -> str:
        """``azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/…``, for an MLflow client with the plugin."""
        return f"azureml://{self._host(workspace)}/mlflow/v1.0{_scope(workspace)}"

    async def create_run(
        self, workspace: ResourceId, run_id: str, experiment: str, *, name: str, tags: Mapping[str, str], user: str
    ) -> None:
        """Make the run of a job, or find it made. The experiment is made when it is new.

        The job need not wait for it: what clients ask of the workspace meanwhile is asked when the run is there (``settled``).
        """
        made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        making = self._making.setdefault(self.place(workspace), set())
        making.add(made)
        try:
            await self._create_run(workspace, run_id, experiment, name, tags, user)
        finally:
            making.discard(made)
            made.set_result(None)

    async def settled(self, workspace: ResourceId) -> None:
        """Return once the runs that are being made now are there."""
        making = self._making.get(self.place(workspace))
        if making:
            await asyncio.wait(set(making))

    async def _create_run(
        self, workspace: ResourceId, run_id: str, experiment: str, name: str, tags: Mapping[str, str], user: str
    ) -> None:
        body = {
            "user_id": user,
            "run_name": name,
            "start_time": _now(),
            "tags": [{"key": key, "value": str(value)} for key, value in tags.items()],
        }
        for attempt in (1, 2):
            body["experiment_id"] = await self._experiment(workspace, experiment, fresh=attempt > 1)
            answer = await self.ask(workspace, "POST", "runs/create", body=body, run_id=run_id)
            if answer.status == 200 or await self.has_run(workspace, run_id):
                return
        raise _failed(answer, f"The run '{run_id}' could not be made")

    async def end_run(self, workspace: ResourceId, run_id: str, status: str) -> None:
        """``status`` is MLflow's: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        body = {"run_id": run_id, "status": status, "end_time": _now()}
        answer = await self.ask(workspace, "POST", "runs/update", body=body)
        if answer.status != 200:
            raise _failed(answer, f"The run '{run_id}' could not be ended")

    async def run(self, workspace: ResourceId, run_id: str) -> dict[str, Any]:
        """MLflow's run, ``{"info", "data"}``; empty where there is none."""
        answer = await self.ask(workspace, "GET", "runs/get", query={"run_id": run_id})
        return dict(answer.json.get("run", {}))

    async def has_run(self, workspace: ResourceId, run_id: str) -> bool:
        """Whether there is such a run, or a logged model, which may have none and then keeps its files under its own id."""
        place = self.place(workspace), run_id
        if place not in self._known and (
            await self.run(workspace, run_id) or await self.logged_model(workspace, run_id)
        ):
            self._known.add(place)
        return place in self._known

    async def logged_model(self, workspace: ResourceId, model_id: str) -> dict[str, Any]:
        """MLflow's logged model, ``{"info", "data"}``; empty where there is none."""
        if not re.fullmatch(r"m-[0-9a-f]{32}", model_id):
            return {}
        answer = await self.ask(workspace, "GET", f"logged-models/{model_id}")
        return dict(answer.json.get("model", {}))

    async def metrics(self, workspace: ResourceId, run_id: str) -> dict[str, list[dict[str, Any]]]:
        """For each metric its history, ``{"step", "timestamp" (ms), "value"}``, oldest first, thinned to 500 points."""
        run = await self.run(workspace, run_id)
        names = [metric["key"] for metric in run.get("data", {}).get("metrics", ())]
        histories = await asyncio.gather(*(self._history(workspace, run_id, name) for name in names))
        return dict(zip(names, histories, strict=True))

    async def _history(self, workspace: ResourceId, run_id: str, name: str) -> list[dict[str, Any]]:
        query = {"run_ids": run_id, "metric_key": name, "max_results": str(POINTS)}
        path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        answer = await self.relay(workspace, "GET", path, query=query)
        points = answer.json.get("metrics", ())
        return [{key: point.get(key, 0) for key in ("step", "timestamp", "value")} for point in points]

    async def ask(self, workspace: ResourceId, method: str, call: str, **options: Any) -> Answer:
        """MLflow's answer to ``call`` (``runs/get``); ``options`` are those of ``Server.ask``."""
        return await self.relay(workspace, method, f"/api/2.0/mlflow/{call}", **options)

    async def relay(self, workspace: ResourceId, method: str, path: str, **options: Any) -> Answer:
        return await self._server.ask(self.place(workspace), method, path, **options)

    def place(self, workspace: ResourceId) -> str:
        """MLflow's own name for the workspace. One that is deleted and made again is another, and starts empty."""
        document = self._cloud.store.get(str(workspace))
        if document is None:
            raise not_found(str(workspace))
        return f"w-{hashlib.sha256(f'{document.id.lower()} {document.created}'.encode()).hexdigest()[:32]}"

    async def _experiment(self, workspace: ResourceId, name: str, *, fresh: bool) -> str:
        key = self.place(workspace), name
        if fresh or key not in self._experiments:
            answer = await self.ask(workspace, "POST", "experiments/create", body={"name": name})
            if answer.code == "RESOURCE_ALREADY_EXISTS":
                answer = await self.ask(workspace, "GET", "experiments/get-by-name", query={"experiment_name": name})
            found = answer.json.get("experiment", answer.json).get("experiment_id")
            if not found:
                raise _failed(answer, f"The experiment '{name}' could not be made")
            self._experiments[key] = str(found)
        return self._experiments[key]

    def _host(self, workspace: ResourceId) -> str:
        document = self._cloud.store.get(str(workspace))
        if document is None:
            raise not_found(str(workspace))
        return f"{document.body.get('location', 'westeurope')}.api.azureml.ms"


async def serve(call: Call) -> Reply:
    """MLflow's REST API, relayed but for its model registry; what is said of artifacts has the form that this client reads."""
    workspace = workspace_of(call)
    version, _, rest = call.params["rest"].partition("/")
    service, _, operation = rest.removeprefix("preview/").partition("/")
    part = operation.partition("/")[0]
    if service != "mlflow" or part not in (*PARTS, *registry.PARTS):
        raise NotEmulated(f"{call.method} …/api/{call.params['rest']} of MLflow's REST API")
    if call.body:
        call.json()  # MLflow fails on what is no object
    if part in registry.PARTS:
        status, told = await registry.serve(call, operation)
        answer = Answer(status, json.dumps(told).encode(), "application/json")
    else:
        await call.cloud.tracking.settled(workspace)
        answer = await call.cloud.tracking.relay(
            workspace, call.method, f"/api/{version}/mlflow/{operation}", query=call.query, body=call.body or None
        )
        if answer.status == 200 and part == "runs" and call.body:
            await jobruns.to_job(call, workspace, operation, call.json())
    body = answer.body.replace(ARTIFACTS.encode(), _artifact_root(call, workspace).encode())
    return Reply(answer.status, body, media_type=answer.media_type)


async def log_batch_async(call: Call) -> Reply:
    """Azure's own: the batch is written, and the tracking id of nothing says that there is nothing to wait for."""
    path = "/api/2.0/mlflow/runs/log-batch"
    call.json()
    await call.cloud.tracking.settled(workspace_of(call))
    answer = await call.cloud.tracking.relay(workspace_of(call), "POST", path, body=call.body or None)
    if answer.status != 200:
        return Reply(answer.status, answer.body, media_type=answer.media_type)
    await jobruns.to_job(call, workspace_of(call), "runs/log-batch", call.json())
    return Reply(body={"batch_tracking_id": ""})


async def run_data_status(call: Call) -> Reply:
    return Reply(body={"is_complete": True})


def _artifact_root(call: Call, workspace: ResourceId) -> str:
    """What stands in front of ``/{experiment}/runs/{run}/artifacts`` for this client.

    A client without the plugin would not know the scheme ``azureml``, and is given MLflow's own, which comes back here as
    ``/api/2.0/mlflow-artifacts``.
    """
    if has_plugin(call):
        return f"azureml://{call.host}/mlflow/v2.0{_scope(workspace)}/experiments"
    return ARTIFACTS


def _scope(workspace: ResourceId) -> str:
    """The workspace's id as the plugin's patterns read it: with ``resourceGroups`` spelt so."""
    return (
        f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
    )


def _failed(answer: Answer, what: str) -> AzureError:
    message = answer.json.get("message") or answer.body[:200].decode(errors="replace")
    return AzureError(502, "TrackingFailed", f"{what}: MLflow answered {answer.status} {answer.code}: {message}")


def _now() -> int:
    return int(time.time() * 1000)


BASE = "/mlflow/{version}/{workspace:path}/api"
ROUTES = (
    Route(HOST, "POST", f"{BASE}/2.0/preview/mlflow/runs/log-batch-async", log_batch_async, AUDIENCES),
    Route(HOST, "GET", f"{BASE}/2.0/preview/mlflow/runs/get-run-data-status", run_data_status, AUDIENCES),
    *artifactservice.ROUTES,
    *(
        Route(HOST, method, f"{BASE}/{{rest:path}}", serve, AUDIENCES)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
)

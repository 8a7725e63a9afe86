"""The program of the MLflow server, a child of the emulator: MLflow's own tracking API over MLflow's own SQL store.

    python -m emulator.mlflow.server FOLDER        (the first line of stdin is a secret; ends when stdin ends)

What differs from ``mlflow server``, and why:

- it prints its port once it answers, and ends with its parent, however that ended;
- a request must carry the parent's secret: loopback is open to everybody on the machine;
- MLflow's Flask application, which is its tracking API, is served without the FastAPI application that MLflow puts around it for
  its gateway, its assistant and its page: that takes three times as long as an answer does;
- the database is written through before it answers (WAL, ``synchronous=FULL``);
- a workspace of MLflow's is one of Azure ML's, exists without being made, and has a database of its own: runs are named
  after jobs, and two workspaces may have jobs of one name;
- a run's id can be given;
- a request that cannot be read is answered 400.

Must not live here: anything of Azure's wire formats.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SECRET_HEADER = "x-emulator-secret"
RUN_ID_HEADER = "x-emulator-run-id"
WORKSPACE_HEADER = "x-mlflow-workspace"
KEEP_ALIVE = 3600  # seconds that a connection may be idle
ARTIFACTS = "mlflow-artifacts:/experiments"  # below it: {experiment id}/runs/{run id}/artifacts, as in Azure's own URIs

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def main(folder: Path) -> None:
    secret = sys.stdin.buffer.readline().strip()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.umask(0o077)
    made = folder / "pattern.made"
    if not made.exists():  # or not to its end: MLflow does not go on with tables that it made by halves
        for file in folder.glob("pattern.db*"):
            file.unlink()
    _configure(folder)
    _write_through()
    register(folder)
    _read_strictly()

    import uvicorn
    from mlflow.server import app, handlers

    handlers._get_tracking_store()  # makes the tables now, not while the first client waits
    made.touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        # It is the client that closes a connection which it does not need: where both may, a request meets a closed one.
        options: dict[str, Any] = {
            "log_level": "warning",
            "access_log": False,
            "lifespan": "off",
            "timeout_keep_alive": KEEP_ALIVE,
        }
        uvicorn.Server(uvicorn.Config(served(app, secret), **options)).run([listener])


def _configure(folder: Path) -> None:
    """The settings that ``mlflow server`` would derive from its options."""
    os.environ.update(
        _MLFLOW_SERVER_FILE_STORE="emulator://",
        _MLFLOW_SERVER_REGISTRY_STORE=f"sqlite:///{folder / 'pattern.db'}",
        _MLFLOW_SERVER_ARTIFACT_ROOT=ARTIFACTS,
        MLFLOW_ENABLE_WORKSPACES="true",
        MLFLOW_WORKSPACE_STORE_URI="emulator://",
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    )


def _write_through() -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def durable(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 20000")


def _read_strictly() -> None:
    """A body of wrong types is the client's mistake, and no error of the server's."""
    from mlflow.exceptions import MlflowException
    from mlflow.server import handlers

    read = handlers._get_request_message

    def checked(*values: Any, **named: Any) -> Any:
        try:
            return read(*values, **named)
        except MlflowException:
            raise
        except (
            Exception
        ) as error:  # noqa: B902 - of whatever kind: protobuf's and the validators' have nothing in common
            raise MlflowException.invalid_parameter_value(f"The request cannot be read: {error}") from error

    handlers._get_request_message = checked


def _end_with_parent() -> None:
    while os.read(0, 4096):  # unbuffered: a lock on sys.stdin would be in the way of an ordinary end
        pass
    os._exit(0)  # nothing is unsaved: what was answered is in the database


def served(app: WSGIApplication, secret: bytes) -> App:
    """``app`` for those who know ``secret``; 403 for everybody else."""
    from werkzeug.test import create_environ, run_wsgi_app

    def answer(url: str, scope: MutableMapping[str, Any], headers: Mapping[str, str], body: bytes) -> Any:
        environ = create_environ(url, method=scope["method"], headers=headers, input_stream=io.BytesIO(body))
        chunks, status, told = run_wsgi_app(app, environ, buffered=True)
        return b"".join(chunks), int(status.split()[0]), told

    async def serve(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        content, status, told = b"", 403, list[tuple[str, str]]()
        if hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), secret):
            parts, more = [], True
            while more:
                message = await receive()
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            url = b"?".join((scope["raw_path"], scope["query_string"])).decode("latin-1")
            content, status, told = await asyncio.to_thread(answer, url, scope, headers, b"".join(parts))
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content})

    return serve


def register(folder: Path) -> None:
    """Teach MLflow the scheme ``emulator``: its own SQL store, with a database for each workspace."""
    import mlflow.store.db.utils as databases
    import sqlalchemy.orm
    from flask import has_request_context, request
    from mlflow.entities import Run, Workspace
    from mlflow.server import handlers
    from mlflow.store.tracking.dbmodels.models import SqlLoggedModel, SqlRun
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.store.workspace.abstract_store import AbstractStore
    from mlflow.tracking._workspace.registry import _get_workspace_store_registry
    from mlflow.utils.workspace_context import get_request_workspace

    chosen: ContextVar[str] = ContextVar("chosen", default="")

    class Workspaces(AbstractStore):  # type: ignore[misc]
        """Every name is a workspace: the emulator has checked it before the request came here."""

        def list_workspaces(self) -> list[Workspace]:
            return []

        def get_workspace(self, workspace_name: str) -> Workspace:
            return Workspace(workspace_name)

    class Store(SqlAlchemyStore):  # type: ignore[misc]
        """The base class's own database is a pattern: empty tables, copied for a workspace when it is first used."""

        supports_workspaces = True

        def __init__(self, root: str) -> None:
            self._sessions: dict[str, Any] = {}
            self._opening = threading.Lock()
            self._pattern = folder / "pattern.db"
            super().__init__(f"sqlite:///{self._pattern}", root)

        @property
        def ManagedSessionMaker(self) -> Any:  # noqa: N802 - the base class's name for it
            workspace = get_request_workspace()
            if not workspace:
                return self._pattern_sessions
            with self._opening:
                if workspace not in self._sessions:
                    self._sessions[workspace] = self._open(folder / f"{workspace}.db")
                return self._sessions[workspace]

        @ManagedSessionMaker.setter
        def ManagedSessionMaker(self, value: Any) -> None:  # noqa: N802
            self._pattern_sessions = value

        def _open(self, path: Path) -> Any:
            if not path.exists():
                draft = path.with_suffix(".new")
                draft.unlink(missing_ok=True)
                with closing(sqlite3.connect(self._pattern)) as pattern, closing(sqlite3.connect(draft)) as copy:
                    pattern.backup(copy)
                os.replace(draft, path)
            engine = databases.create_sqlalchemy_engine_with_retry(f"sqlite:///{path}")
            if databases._get_schema_version(engine) != databases._get_latest_schema_revision():
                databases._upgrade_db(engine)  # the folder is older than the MLflow installed now
            return databases._get_managed_session_maker(sqlalchemy.orm.sessionmaker(bind=engine), self.db_type)

        def create_run(self, *values: Any, **named: Any) -> Run:
            token = chosen.set(request.headers.get(RUN_ID_HEADER, "") if has_request_context() else "")
            try:
                return super().create_run(*values, **named)
            finally:
                chosen.reset(token)

        def _get_artifact_location(self, experiment_id: int) -> str:
            return f"{super()._get_artifact_location(experiment_id)}/runs"

    @sqlalchemy.event.listens_for(SqlRun, "init")
    def name_run(_: SqlRun, values: tuple[Any, ...], named: dict[str, Any]) -> None:
        if chosen.get():
            named["artifact_uri"] = named["artifact_uri"].replace(named["run_uuid"], chosen.get())
            named["run_uuid"] = chosen.get()

    @sqlalchemy.event.listens_for(SqlLoggedModel, "init")
    def place_model(_: SqlLoggedModel, values: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Beside the other artifacts of the run that made it, where ``jobs.download`` and a URI of a run's find it.

        Below a name that no artifact's begins: the plugin takes ``runs:/…/model`` for a folder where it only begins one's name.
        """
        root, _, model = named["artifact_location"].removesuffix("/artifacts").partition("/models/")
        named["artifact_location"] = f"{root}/{named.get('source_run_id') or model}/artifacts/_models/{model}"

    def build(store_uri: str, artifact_uri: str) -> Store:
        return Store(artifact_uri)

    handlers._tracking_store_registry.register("emulator", build)
    _get_workspace_store_registry().register("emulator", lambda workspace_uri: Workspaces())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

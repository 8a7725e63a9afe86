"""The rooms of an emulator in this process, and a real Azurite: for what data needs of a cloud."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from azure.storage.blob import ContainerClient

from emulator.app import App
from emulator.cloud import Cloud
from emulator.data import bindings
from emulator.gateway.ca import Authority
from emulator.gateway.server import Gateway
from emulator.home import Home
from emulator.http import Call, Handler, Reply
from emulator.identity.tenant import Identity
from emulator.journal import Journal
from emulator.machinelearning import datastores
from emulator.management import arm, groups
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kinds
from emulator.routes import load
from emulator.store import Store

T = TypeVar("T")


def short(path: str) -> str:
    return f"azureml://datastores/workspaceblobstore/paths/{path}"


class Rooms:
    """A gateway and what data needs of a cloud, on an event loop of their own, and a workspace."""

    def __init__(self, root: Path) -> None:
        home = Home(root).prepare()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._store = Store(home.database)
        self.cloud = Cloud(home, self._store, Identity(home), Authority(home), Kinds(load()[1]))
        self._gateway = Gateway(App(self.cloud, load()[0], Journal(home.logs)), self.cloud.authority, {})
        self.cloud.port = self.run(self._gateway.start())
        self.run(self.cloud.blobs.start())
        subscription = self.cloud.identity.subscription
        group = f"/subscriptions/{subscription}/resourceGroups/g"
        self.put(group, {"location": "westeurope"}, groups.put, subscription=subscription, group="g")
        bound = {
            "storageAccount": f"{group}/providers/Microsoft.Storage/storageAccounts/dataofrooms",
            "keyVault": f"{group}/providers/Microsoft.KeyVault/vaults/data-of-rooms",
            "applicationInsights": f"{group}/providers/Microsoft.Insights/components/data-of-rooms",
        }
        for id in bound.values():
            type = ResourceId.parse(id).type
            self.run(self._store.write(lambda tx, id=id, type=type: tx.put(id, type, {"properties": {}}, parent=group)))
        self.run(self.cloud.blobs.ensure_account("dataofrooms"))
        self.workspace = ResourceId.parse(f"{group}/providers/Microsoft.MachineLearningServices/workspaces/data")
        self.put(str(self.workspace), {"location": "westeurope", "properties": bound})
        place = datastores.default_store(self.cloud, self.workspace)
        self.blobs: ContainerClient = self.cloud.blobs.container(place.account, place.container)
        self.url = self.cloud.blobs.url(place.account, place.container)

    def run(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), self._loop).result(60)

    def put(self, id: str, body: dict[str, Any], handler: Handler = arm.dispatch, **params: str) -> Reply:
        call = Call(
            self.cloud,
            "PUT",
            "management.azure.com",
            id,
            params=params,
            query={"api-version": "2024-10-01" if handler is arm.dispatch else "2024-03-01"},
            body=json.dumps(body).encode(),
            principal=self.cloud.identity.local,
        )
        return self.run(handler(call))

    def asset(self, plural: str, name: str, properties: dict[str, Any]) -> str:
        self.put(f"{self.workspace}/{plural}/{name}/versions/1", {"properties": properties})
        return f"azureml:{name}:1"

    def close(self) -> None:
        self.run(self._gateway.stop())
        self.run(self.cloud.blobs.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()


def fetch(rooms: Rooms, folder: Path, uri: str, kind: str = "uri_folder", mode: str | None = None) -> Path:
    told = {"jobInputType": kind, "uri": uri, "mode": mode}
    return Path(rooms.run(bindings.fetch_input(rooms.cloud, rooms.workspace, "x", told, folder)))


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

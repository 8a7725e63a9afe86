"""The cloud: every room, built once, started and stopped in order. What a handler reaches as ``call.cloud``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emulator.faults import Faults
from emulator.home import Home
from emulator.identity.tenant import Identity
from emulator.jobs.jobs import Jobs
from emulator.management.kinds import Kinds
from emulator.management.operations import Operations
from emulator.mlflow.tracking import Tracking
from emulator.storage.blobs import Blobs
from emulator.store import Store

if TYPE_CHECKING:
    from emulator.gateway.ca import Authority


class Room(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Cloud:
    """``port`` is the gateway's, known once it listens."""

    def __init__(self, home: Home, store: Store, identity: Identity, authority: Authority, kinds: Kinds) -> None:
        self.home = home
        self.store = store
        self.identity = identity
        self.authority = authority
        self.kinds = kinds
        self.faults = Faults()
        self.operations = Operations(self)
        self.port = 0
        self.ready = False
        self.blobs = Blobs(self)
        self.tracking = Tracking(self)
        self.jobs = Jobs(self)
        # Started in this order, stopped in the other one.
        self._rooms: tuple[Room, ...] = (self.blobs, self.tracking, self.jobs)

    async def start(self) -> None:
        """After the gateway listens; what needs the rooms is answered 503 until they have started."""
        for room in self._rooms:
            await room.start()
        await self.operations.start()
        self.ready = True

    async def stop(self) -> None:
        await self.operations.stop()
        for room in reversed(self._rooms):
            await room.stop()

    @property
    def endpoint(self) -> str:
        """The gateway's own address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a child process needs to reach the emulated hosts: the proxy and the roots it must trust; no credential."""
        return {
            **self.authority.environment(),
            "HTTPS_PROXY": self.endpoint,
            "https_proxy": self.endpoint,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

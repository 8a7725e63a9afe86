"""The daemon: one process that is the emulator of one state folder, from its lock to its last answer."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.request import getproxies_environment

from emulator.app import App
from emulator.cloud import Cloud
from emulator.errors import StateError
from emulator.gateway.ca import Authority
from emulator.gateway.server import Gateway
from emulator.home import Home, write_private
from emulator.identity.tenant import Identity
from emulator.journal import Journal
from emulator.management.kinds import Kinds
from emulator.routes import load
from emulator.store import Store
from emulator.version import VERSION

PORT = 8443  # asked for first, so that a person's proxy setting stays true from one day to the next

logger = logging.getLogger("emulator")


async def serve(home: Home, port: int | None = None, *, attached: bool = False, ready: Callable[[], None]) -> None:
    """Until SIGTERM or SIGINT; ``attached``: until standard input ends too, which it does when whoever started us does.
    ``ready`` is called once requests are answered."""
    # The store's thread has an answer ready when its commit is on disk; by default it would wait 5 ms for a busy event loop.
    sys.setswitchinterval(0.001)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(0, 4096) else stopping.set())
    with _locked(home), Store(home.database) as store:
        authority = Authority(home)
        table, kinds = load()
        cloud = Cloud(home, store, Identity(home), authority, Kinds(kinds))
        journal = Journal(home.logs)
        gateway = Gateway(App(cloud, table, journal), authority, getproxies_environment())
        cloud.port = await gateway.start(PORT if port is None else port)
        try:
            await cloud.start()
            _announce(home, cloud)
            ready()
            logger.info("ready on port %s, state in %s", cloud.port, home.root)
            await stopping.wait()
        finally:
            home.running.unlink(missing_ok=True)
            await gateway.stop()
            await cloud.stop()
            journal.close()
            logger.info("stopped")


def _announce(home: Home, cloud: Cloud) -> None:
    running = {
        "pid": os.getpid(),
        "port": cloud.port,
        "started": time.time(),
        "version": VERSION,
        "tenant": cloud.identity.tenant,
        "subscription": cloud.identity.subscription,
    }
    write_private(home.running, json.dumps(running, indent=2).encode())


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Two emulators never share a folder. The lock ends with the process, however it ends."""
    with open(os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"{home.root} is in use by another emulator. Stop it, or name another: AML_LOCAL_HOME=…"
            ) from None
        home.running.unlink(missing_ok=True)
        yield

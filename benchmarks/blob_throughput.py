"""What the gateway and the journal cost: the same requests through the gateway, to the durable Azurite behind it, and to Azurite
as it comes from its vendor, in turn. 1 KB blobs over 16 connections; one of 100 MB. The client is Python too, on the same machine.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from azure.storage.blob import generate_container_sas

from benchmarks.figure import Figure
from benchmarks.wire import Wire
from emulator.storage.azurite.process import PROGRAM, find_node
from tests.emulator.storage import Storage, storage_at

CONNECTIONS, REQUESTS, ROUNDS, LARGE = 16, 800, 5, 100 * 1024 * 1024
HOST = "first.blob.core.windows.net"
HEADERS = {"x-ms-version": "2021-12-02", "x-ms-blob-type": "BlockBlob"}


class Plain(Wire):
    """The same client, straight to a server of loopback."""

    def __init__(self, port: int) -> None:
        self.port, self.host = port, HOST

    async def __aenter__(self) -> Plain:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, storage_at(Path(folder) / "home") as storage:
        key = storage.keys["first"]
        with _as_it_comes(Path(folder) / "vendor", key) as vendor:
            yield from asyncio.run(_measure(storage, vendor, key))


async def _measure(storage: Storage, vendor: int, key: str) -> list[Figure]:
    durable = storage.port()
    bundle = str(storage.home.bundle)
    ways: dict[str, Callable[[], Wire]] = {
        "gateway": lambda: Wire(storage.emulator.port, HOST, bundle),
        "durable": lambda: Plain(durable),
        "vendor": lambda: Plain(vendor),
    }
    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    sas = generate_container_sas("first", "bench", account_key=key, permission="racwdl", expiry=expiry)
    storage.service().create_container("bench")
    figures = []
    for what, kind in (
        ("writes of 1 KB", _writes),
        ("reads of 1 KB", _reads),
        ("100 MB up", _up),
        ("100 MB down", _down),
    ):
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, connect in ways.items():
                rates[name].append(await kind(connect, sas))
        median = {name: statistics.median(each) for name, each in rates.items()}
        unit = "/s" if "KB" in what else " MB/s"
        detail = ", ".join(f"{name} {value:,.0f}{unit}" for name, value in median.items())
        for one, other in (("gateway", "durable"), ("durable", "vendor")):
            ratio = statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))
            figures.append(Figure(f"{what}: {one} over {other}", ratio, "x", detail=detail))
    return figures


async def _each(connect: Callable[[], Wire], ask: Callable[[Wire, int, int], Awaitable[tuple[int, bytes]]]) -> float:
    """Requests a second."""

    async def one(number: int) -> None:
        async with connect() as wire:
            for index in range(REQUESTS // CONNECTIONS):
                status, body = await ask(wire, number, index)
                assert status < 300, body

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return REQUESTS / (time.perf_counter() - start)


async def _writes(connect: Callable[[], Wire], sas: str) -> float:
    body = os.urandom(1000)
    return await _each(
        connect, lambda wire, number, index: wire.request("PUT", f"/bench/b{number}-{index % 20}?{sas}", body, HEADERS)
    )


async def _reads(connect: Callable[[], Wire], sas: str) -> float:
    return await _each(connect, lambda wire, number, index: wire.request("GET", f"/bench/b{number}-{index % 20}?{sas}"))


async def _up(connect: Callable[[], Wire], sas: str) -> float:
    return await _large(connect, lambda wire: wire.request("PUT", f"/bench/large?{sas}", bytes(LARGE), HEADERS))


async def _down(connect: Callable[[], Wire], sas: str) -> float:
    return await _large(connect, lambda wire: wire.request("GET", f"/bench/large?{sas}"))


async def _large(connect: Callable[[], Wire], ask: Callable[[Wire], Awaitable[tuple[int, bytes]]]) -> float:
    async with connect() as wire:
        start = time.perf_counter()
        status, body = await ask(wire)
        assert status < 300, body
        return LARGE / 1e6 / (time.perf_counter() - start)


@contextmanager
def _as_it_comes(folder: Path, key: str) -> Iterator[int]:
    """Azurite with its own program and defaults; the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    program = PROGRAM.parents[3] / "node_modules/azurite/dist/src/blob/main.js"
    options = ["--blobPort", str(port), "-l", str(folder), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    other = base64.b64encode(secrets.token_bytes(64)).decode()
    process = subprocess.Popen(
        [find_node(), str(program), *options],
        env={"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"first:{key}:{other}"},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None, "It was asked for as a pipe."
        while b"successfully listens" not in process.stdout.readline():
            assert process.poll() is None, "Azurite did not start."
        asyncio.run(_container(port, key))
        yield port
    finally:
        process.terminate()
        process.communicate()


async def _container(port: int, key: str) -> None:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    expiry = datetime.now(timezone.utc) + timedelta(hours=1)
    sas = generate_account_sas(
        "first", key, ResourceTypes(container=True), AccountSasPermissions(create=True), expiry, services="b"
    )
    async with Plain(port) as wire:
        status, body = await wire.request("PUT", f"/bench?restype=container&{sas}", headers=HEADERS)
        assert status == 201, body

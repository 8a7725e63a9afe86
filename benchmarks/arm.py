"""ARM writes (durable when answered) and reads, 16 connections at once through gateway, TLS, token check and store."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.wire import Wire, bearer
from emulator import Emulator

CONNECTIONS, EACH = 16, 250
HOST, VERSION = "management.azure.com", "api-version=2023-01-31"


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder) / "home") as azure:
        token = bearer(azure, "https://management.azure.com")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        group = f"/subscriptions/{azure.settings.subscription}/resourceGroups/bench"
        writes, reads = asyncio.run(_measure(azure.port, str(azure.home.bundle), group, headers))
    for name, (rate, times), goal in (("ARM writes", writes, 750), ("ARM reads", reads, 1200)):
        slow = statistics.quantiles(times, n=100)[98] * 1000
        detail = (
            f"{CONNECTIONS} connections, {CONNECTIONS * EACH} requests; median {statistics.median(times) * 1000:.1f} ms"
        )
        yield Figure(name, rate, "a second", f"at least {goal:,}", rate >= goal, detail)
        if name == "ARM writes":
            yield Figure(f"{name}, p99", slow, "ms", "at most 60", slow <= 60, detail)


async def _measure(
    port: int, bundle: str, group: str, headers: dict[str, str]
) -> tuple[tuple[float, list[float]], ...]:
    async with Wire(port, HOST, bundle) as wire:
        status, body = await wire.request(
            "PUT", f"{group}?api-version=2024-03-01", json.dumps({"location": "westeurope"}).encode(), headers
        )
        if status not in (200, 201):
            raise RuntimeError(f"PUT {group} answered {status}: {body.decode()}")
    identities = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"

    async def worker(number: int, method: str, body: bytes) -> list[float]:
        times = []
        async with Wire(port, HOST, bundle) as wire:
            for index in range(EACH):
                start = time.perf_counter()
                status, answer = await wire.request(method, f"{identities}/i-{number}-{index}?{VERSION}", body, headers)
                times.append(time.perf_counter() - start)
                if status not in (200, 201):
                    raise RuntimeError(f"{method} answered {status}: {answer.decode()}")
        return times

    results = []
    for method, body in (
        ("PUT", json.dumps({"location": "westeurope", "tags": {"bench": "1"}}).encode()),
        ("GET", b""),
    ):
        start = time.perf_counter()
        times = [
            t for each in await asyncio.gather(*(worker(n, method, body) for n in range(CONNECTIONS))) for t in each
        ]
        results.append((len(times) / (time.perf_counter() - start), times))
    return tuple(results)

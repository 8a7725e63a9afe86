"""10,000 malformed requests: no 5xx but 501, no hang, no traceback, no file that a name from outside made.

Seeded, so that a failure can be run again. What is sent is ``nonsense``; slow clients go beside it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.figure import Figure
from benchmarks.laptop import workspace
from benchmarks.nonsense import ARM, MARK, PLANE, VAULT, Aim, Attempt, attempts
from benchmarks.wire import Wire, bearer
from emulator import Emulator
from tests.conftest import Arm, spoken_to

REQUESTS, SEED, PATIENCE, AT_ONCE = 10_000, 20261124, 30.0, 16
SLOW = 32  # clients that stop in the middle of a head

STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)


@dataclass
class Storm:
    """What came of it; the lists say what was sent, and answered."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[Attempt, bytes]] = field(default_factory=list)
    hangs: list[Attempt] = field(default_factory=list)
    tracebacks: int = 0
    strays: list[str] = field(default_factory=list)
    left: int = 0  # connections, when all clients had gone
    grown: float = 0.0  # MB of the emulator's own process


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "a" / "b" / "c"  # for names that would climb out of it
        with Emulator(inner / "home", port=0) as azure, spoken_to(azure):
            storm = asyncio.run(rage(azure, REQUESTS, SEED, slow=SLOW))
        storm.strays += [
            str(path) for path in inner.parents[1].rglob("*") if inner / "home" not in (path, *path.parents)
        ]
    storm.strays = [path for path in storm.strays if not path.endswith(("/b", "/c"))]
    detail = ", ".join(f"{status}: {count:,}" for status, count in sorted(storm.statuses.items()))
    for attempt, said in storm.errors + [(one, b"no answer") for one in storm.hangs]:
        line, _, rest = attempt.parts[0].partition(b"\r\n")
        print(f"{attempt.host}: {line[:300]!r} … {rest[-400:]!r}\n  {said[:60]!r} … {said[-300:]!r}")
    for name, count, how in (
        ("answers 5xx other than 501", len(storm.errors), f"{REQUESTS:,} requests, seed {SEED}; answers {detail}"),
        (
            "hangs",
            len(storm.hangs),
            f"{PATIENCE:.0f} s without an answer that was due; {SLOW} clients stop in the middle",
        ),
        ("tracebacks in the log", storm.tracebacks, ""),
        ("files that a name made", len(storm.strays), ", ".join(storm.strays[:3])),
        ("connections left", storm.left, f"the emulator's own process grew by {storm.grown:.0f} MB"),
    ):
        yield Figure(name, count, "", "0", count == 0, how)


async def rage(azure: Emulator, number: int, seed: int, slow: int = 0) -> Storm:
    """``number`` requests, ``AT_ONCE`` clients."""
    aim = await asyncio.to_thread(_aim, azure)
    storm, process = Storm(), psutil.Process(azure.start().pid)
    log = azure.home.logs / "emulator.log"
    before, size = _tracebacks(log), process.memory_info().rss
    waiting = attempts(number, seed, aim)

    async def client() -> None:
        for attempt in waiting:  # one iterator for all of them
            try:
                said = await asyncio.wait_for(_send(azure, attempt), PATIENCE)
            except asyncio.TimeoutError:
                storm.hangs.append(attempt)
                continue
            statuses = [match.decode() for match in STATUS.findall(said)]
            storm.statuses.update(statuses or ["none"])
            if any(status.startswith("5") and status != "501" for status in statuses):
                storm.errors.append((attempt, said))

    await asyncio.gather(*(client() for _ in range(AT_ONCE)), *(_stop_midway(azure, storm) for _ in range(slow)))
    storm.tracebacks = _tracebacks(log) - before
    storm.strays = [str(path) for path in azure.home.root.rglob("*") if MARK in path.name]
    storm.grown = (process.memory_info().rss - size) / 1e6
    ours = {one.laddr.port for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == azure.port}
    theirs = [one for one in process.net_connections() if one.laddr.port == azure.port and one.raddr]
    storm.left = len([one for one in theirs if one.raddr.port not in ours])
    return storm


def _aim(azure: Emulator) -> Aim:
    id = workspace(azure, "nonsense")
    arm = Arm(azure)
    account = arm.get(id).json()["properties"]["storageAccount"].rpartition("/")[2]
    storage = bearer(azure, "https://storage.azure.com")
    tokens = {
        ARM: bearer(azure, "https://management.azure.com"),
        PLANE: bearer(azure, "https://ml.azure.com"),
        VAULT: bearer(azure, "https://vault.azure.net"),
        f"{account}.blob.core.windows.net": storage,
    }
    container = f"{arm.get(id).json()['properties']['storageAccount']}/blobServices/default/containers/box"
    assert arm.put(container, {"properties": {}}).status_code in (200, 201)
    return Aim(id, azure.settings.tenant, account, tokens)


async def _send(azure: Emulator, attempt: Attempt) -> bytes:
    """Everything that is answered, until the emulator hangs up or, where it need not, at once."""
    try:
        if attempt.host:
            async with Wire(azure.port, attempt.host, str(azure.home.bundle)) as wire:
                return await _talk(wire.reader, wire.writer, attempt)
        reader, writer = await asyncio.open_connection("127.0.0.1", azure.port)
        try:
            return await _talk(reader, writer, attempt)
        finally:
            writer.close()
    except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
        return b""  # what is no HTTP at all may be hung up on


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, attempt: Attempt) -> bytes:
    for part in attempt.parts:
        writer.write(part)
        await asyncio.sleep(0.002 if len(attempt.parts) > 1 else 0)
    said = b""
    try:
        await writer.drain()
        if attempt.cut:
            return await asyncio.wait_for(reader.read(1 << 20), 0.05)
        while part := await reader.read(1 << 20):
            said += part
    except (ConnectionError, ssl.SSLError):
        pass  # refused before the end of what was sent
    except asyncio.TimeoutError:
        if not attempt.cut:
            raise
    return said


async def _stop_midway(azure: Emulator, storm: Storm) -> None:
    """A client that begins a head and says nothing more is hung up on."""
    attempt = Attempt(ARM, (b"GET /subscriptions HTTP/1.1\r\nHost: manage",))
    async with Wire(azure.port, ARM, str(azure.home.bundle)) as wire:
        try:
            await asyncio.wait_for(_talk(wire.reader, wire.writer, attempt), 2 * PATIENCE)
        except asyncio.TimeoutError:
            storm.hangs.append(attempt)


def _tracebacks(log: Path) -> int:
    return log.read_text(errors="replace").count("Traceback")

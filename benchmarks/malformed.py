"""10,000 malformed requests: no 5xx but 501, no hang, no file outside the state folder.

Half go to ARM, half to the blob service, seeded, so that a failure can be run again. What is sent is derived from valid requests by
breaking one thing: the JSON, a type, the path's encoding, a header, the API version, the length.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.wire import Wire, bearer
from emulator import Emulator

REQUESTS, SEED, PATIENCE = 10_000, 20261124, 20.0

Outcome = tuple[str, bytes]


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        outside = Path(folder)
        with Emulator(outside / "home") as azure:
            group = f"/subscriptions/{azure.settings.subscription}/resourceGroups/bench"
            counts, bad = asyncio.run(_storm(azure, group))
        strays = [path.name for path in outside.iterdir() if path.name != "home"]
    detail = ", ".join(f"{status}: {count:,}" for status, count in sorted(counts.items())) + f"; seed {SEED}"
    yield Figure("answers 5xx other than 501", len(bad["error"]), "", "0", not bad["error"], detail)
    yield Figure("hangs", len(bad["hang"]), "", "0", not bad["hang"], f"no answer in {PATIENCE:.0f} s")
    yield Figure("files outside the state folder", len(strays), "", "0", not strays, ", ".join(strays))
    for kind, requests in bad.items():
        for request in requests[:5]:
            print(kind, request[:300])


async def _storm(azure: Emulator, group: str) -> tuple[Counter[str], dict[str, list[bytes]]]:
    dice = random.Random(SEED)
    tokens = {
        "management.azure.com": bearer(azure, "https://management.azure.com"),
        "benchblobs.blob.core.windows.net": bearer(azure, "https://storage.azure.com"),
    }
    await _prepare(azure, group, tokens["management.azure.com"])
    counts: Counter[str] = Counter()
    bad: dict[str, list[bytes]] = {"error": [], "hang": []}
    for host, make in (("management.azure.com", _arm), ("benchblobs.blob.core.windows.net", _blob)):
        requests = [make(dice, host, tokens[host], group) for _ in range(REQUESTS // 2)]

        async def worker(host: str, requests: list[bytes]) -> None:
            while requests:
                request = requests.pop()
                try:
                    async with Wire(azure.port, host, str(azure.home.bundle)) as wire:
                        status, _ = await asyncio.wait_for(
                            wire.raw(request, bodiless=request.startswith(b"HEAD")), PATIENCE
                        )
                except asyncio.TimeoutError:
                    bad["hang"].append(request)
                    counts["hang"] += 1
                    continue
                except (ConnectionError, asyncio.IncompleteReadError):
                    counts["closed"] += 1  # a head that is no HTTP at all may be hung up on
                    continue
                counts[str(status)] += 1
                if status >= 500 and status != 501:
                    bad["error"].append(request)

        await asyncio.gather(*(worker(host, requests) for _ in range(8)))
    return counts, bad


async def _prepare(azure: Emulator, group: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    account = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
    async with Wire(azure.port, "management.azure.com", str(azure.home.bundle)) as wire:
        await wire.request(
            "PUT", f"{group}?api-version=2024-03-01", json.dumps({"location": "westeurope"}).encode(), headers
        )
        path = f"{group}/providers/Microsoft.Storage/storageAccounts/benchblobs?api-version=2024-01-01"
        status, body = await wire.request("PUT", path, json.dumps(account).encode(), headers)
        if status not in (200, 201, 202):
            raise RuntimeError(f"PUT {path} answered {status}: {body.decode()}")


BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"{}",
    b'{"location": 7}',
    b'{"location": null, "properties": []}',
    b'{"properties": "x"}',
    b"[" * 20_000,
    b'{"tags": {"a": {"b": 1}}}',
    b'{"location": "mars"}',
    b'{"a": 1e999}',
    b'{"sku": 3}',
    b'{"identity": []}',
    b"<xml/>",
    b"<?xml version='1.0'?><BlockList><Latest>!</Latest></BlockList>",
    b"\x00" * 64,
)
SEGMENTS = (
    "..",
    "..%2f..%2f",
    "%2e%2e",
    "%",
    "%zz",
    "%00",
    "a" * 5000,
    "é",
    "%c3%28",
    "~",
    "$logs",
    ";",
    "a b",
    "//",
    "\\",
    "?",
    "#",
    "{}",
    "%0d%0aX-Injected:1",
    "con",
    ".",
    "..%5c..%5c",
    "-",
    "%25%32%65",
    "😀",
)
METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "MERGE", "put", "X" * 40)


def _arm(dice: random.Random, host: str, token: str, group: str) -> bytes:
    types = (
        "Microsoft.Storage/storageAccounts",
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.KeyVault/vaults",
        "Microsoft.MachineLearningServices/workspaces/w/jobs",
        "Microsoft.MachineLearningServices/workspaces/w/computes",
        "Microsoft.MachineLearningServices/workspaces/w/data/d/versions",
        "Microsoft.Authorization/roleAssignments",
        "No.Such/things",
        "Microsoft.MachineLearningServices/workspaces/w/environments/e/versions",
        "Microsoft.Network/virtualNetworks",
    )
    path = f"{group}/providers/{dice.choice(types)}/{dice.choice((*SEGMENTS, 'fine', 'x1'))}"
    if dice.random() < 0.2:
        path = f"/{dice.choice(SEGMENTS)}/{dice.choice(SEGMENTS)}"
    version = dice.choice(
        ("2024-01-01", "2025-12-01", "2023-01-31", "1900-01-01", "latest", "", "2024-10-01", "%", "9999-99-99")
    )
    query = dice.choice(
        (f"?api-version={version}", "", f"?api-version={version}&$top=-1", f"?api-version={version}&$top=x&$skip=%ff")
    )
    return _request(dice, host, token, path + query)


def _blob(dice: random.Random, host: str, token: str, group: str) -> bytes:
    path = f"/{dice.choice((*SEGMENTS, 'box'))}/{dice.choice((*SEGMENTS, 'blob'))}"
    options = (
        "?restype=container",
        "?comp=list",
        "?comp=block&blockid=%%%",
        "?comp=blocklist",
        "?comp=lease",
        "?comp=metadata",
        "?restype=container&comp=list&maxresults=x",
        "?comp=appendblock",
        "?comp=page",
        "?comp=copy",
        "?sv=2020-01-01&sig=x&se=y",
        "?comp=" + "z" * 300,
        "",
        "?timeout=abc",
        "?comp=tags",
        "?comp=batch",
        "?comp=query",
        "?restype=account&comp=properties",
        "?snapshot=yesterday",
        "?comp=expiry",
    )
    return _request(dice, host, token, path + dice.choice(options))


def _request(dice: random.Random, host: str, token: str, target: str) -> bytes:
    body = dice.choice(BODIES)
    headers = {
        "Host": dice.choice((host, host, host, host, "", "example.com", "..")),
        "Authorization": dice.choice(
            (f"Bearer {token}",) * 6 + ("Bearer x", "Basic eDp5", "SharedKey a:b", "Bearer a.b.c")
        ),
        "Content-Type": dice.choice(
            ("application/json", "text/plain", "", "application/xml", "multipart/mixed; boundary=")
        ),
        "Content-Length": dice.choice((str(len(body)),) * 8 + ("-1", "x", "1" * 30)),
    }
    extra = {
        "x-ms-version": ("2021-12-02", "1999-01-01", "x"),
        "x-ms-blob-type": ("BlockBlob", "AppendBlob", "PageBlob", "Nope"),
        "Range": ("bytes=5-1", "bytes=x", "bytes=0-99999999999999999999"),
        "If-Match": ("*", '"x"', ""),
        "x-ms-range": ("lines=1",),
        "x-ms-lease-id": ("x",),
        "Content-MD5": ("x",),
        "x-ms-meta-": ("1",),
        "x-ms-date": ("yesterday",),
        "Expect": ("200-ok",),
        "Transfer-Encoding": ("gzip",),
        "x-ms-copy-source": ("file:///etc/passwd", "https://management.azure.com/", "x"),
        "x-ms-blob-content-length": ("-1", "x", "512"),
        "x-ms-blob-condition-appendpos": ("x",),
        "If-Modified-Since": ("x",),
    }
    for name in dice.sample(sorted(extra), dice.randrange(4)):
        headers[name] = dice.choice(extra[name])
    lines = [f"{dice.choice(METHODS)} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\nConnection: close\r\n\r\n" + body

"""What the engine adds to a no-op job: jobs queued on a cluster of one node, and the steps of a pipeline on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from benchmarks.figure import Figure
from benchmarks.laptop import Laptop, laptop
from benchmarks.wire import Wire

HOST, VERSION, GOAL = "management.azure.com", "api-version=2025-12-01", 50.0
JOBS, STEPS = (10, 100, 300), (10, 100, 1000)
Ask = Callable[..., Awaitable[dict[str, Any]]]


def run() -> Iterator[Figure]:
    start = time.perf_counter()
    for _ in range(50):
        subprocess.run(["bash", "-c", "true"], check=True)
    bare = (time.perf_counter() - start) / 50 * 1000
    with laptop() as it, patch.dict(os.environ, it.environment):
        asyncio.run(_jobs(it, 3))  # the default environment is built here
        for what, counts, measured in (("job", JOBS, _jobs), ("step of a pipeline", STEPS, _pipeline)):
            for count in counts:
                each = asyncio.run(measured(it, count)) / count * 1000
                yield Figure(
                    f"overhead of a no-op {what}, {count} in a row",
                    each - bare,
                    "ms",
                    f"at most {GOAL:.0f}",
                    each - bare <= GOAL,
                    f"{each:.0f} ms each, `bash -c true` alone {bare:.1f} ms",
                )


async def _jobs(it: Laptop, count: int) -> float:
    """Seconds from submitting the first of ``count`` jobs until the last is done, as a client sees it."""
    stamp = time.time_ns()
    async with _asking(it) as (ask, workspace, compute):
        job = {"jobType": "Command", "command": "true", "computeId": compute}
        job["environmentId"] = f"{workspace}/environments/noop/versions/1"
        start = time.perf_counter()
        for index in range(count):
            await ask("PUT", f"/jobs/noop-{stamp}-{index}", {"properties": job})
        await _completed(ask, f"/jobs/noop-{stamp}-{count - 1}")
        return time.perf_counter() - start


async def _pipeline(it: Laptop, count: int) -> float:
    """Seconds from submitting a pipeline of ``count`` steps, each after the one before, until it is done."""
    stamp = time.time_ns()
    async with _asking(it) as (ask, workspace, compute):
        spec = {
            "type": "command",
            "command": "true",
            "environment": f"azureml:{workspace}/environments/noop/versions/1",
            "inputs": {"before": {"type": "uri_folder", "optional": True, "mode": "direct"}},
            "outputs": {"made": {"type": "uri_folder"}},
            "is_deterministic": False,
        }
        component = f"/components/noop_{stamp}/versions/1"
        await ask("PUT", component, {"properties": {"componentSpec": spec}})
        jobs: dict[str, Any] = {}
        for index in range(count):
            before = {"job_input_type": "literal", "value": f"${{{{parent.jobs.s{index - 1}.outputs.made}}}}"}
            jobs[f"s{index}"] = {
                "type": "command",
                "componentId": workspace + component,
                "inputs": {"before": before} if index else {},
            }
        pipeline = {"jobType": "Pipeline", "jobs": jobs, "settings": {"default_compute": compute}}
        start = time.perf_counter()
        await ask("PUT", f"/jobs/pipe-{stamp}", {"properties": pipeline})
        await _completed(ask, f"/jobs/pipe-{stamp}")
        return time.perf_counter() - start


async def _completed(ask: Ask, job: str) -> None:
    """Looks again after a hundredth of the time that has passed: the client's looks at a long pipeline are no part of its steps."""
    start = time.perf_counter()
    while (properties := (await ask("GET", job))["properties"])["status"] not in ("Completed", "Failed", "Canceled"):
        await asyncio.sleep(max(0.01, (time.perf_counter() - start) / 100))
    if properties["status"] != "Completed":
        raise RuntimeError(f"a no-op job ended {properties['status']}: {properties}")


@asynccontextmanager
async def _asking(it: Laptop) -> AsyncIterator[tuple[Ask, str, str]]:
    """A way to ask below the workspace, the workspace's id and its cluster's."""
    from azure.identity import EnvironmentCredential

    token = await asyncio.to_thread(lambda: EnvironmentCredential().get_token(f"https://{HOST}/.default").token)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    settings = it.settings
    workspace = (
        f"/subscriptions/{settings['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{settings['AZURE_RESOURCE_GROUP']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['AZURE_WORKSPACE_NAME']}"
    )
    port = int(it.environment["HTTPS_PROXY"].rsplit(":", 1)[1].strip("/"))
    async with Wire(port, HOST, it.environment["SSL_CERT_FILE"]) as wire:

        async def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
            status, answer = await wire.request(
                method, f"{workspace}{path}?{VERSION}", json.dumps(body).encode() if body is not None else b"", headers
            )
            if status not in (200, 201):
                raise RuntimeError(f"{method} {path} answered {status}: {answer.decode()}")
            found: dict[str, Any] = json.loads(answer)
            return found

        image = {"properties": {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}}
        await ask("PUT", "/environments/noop/versions/1", image)
        yield ask, workspace, f"{workspace}/computes/{settings['AZURE_ML_COMPUTE_TRAINER']}"

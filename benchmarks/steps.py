"""What the engine adds to a no-op job: jobs queued on a cluster of one node, from the first start to the last end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.laptop import Laptop, laptop
from benchmarks.wire import Wire

HOST, VERSION, GOAL = "management.azure.com", "api-version=2025-12-01", 50.0
COUNTS = (10, 100, 300)


def run() -> Iterator[Figure]:
    start = time.perf_counter()
    for _ in range(50):
        subprocess.run(["bash", "-c", "true"], check=True)
    bare = (time.perf_counter() - start) / 50 * 1000
    with laptop() as it:
        asyncio.run(_jobs(it, 3))  # the default environment is built here
        for count in COUNTS:
            each = asyncio.run(_jobs(it, count)) / count * 1000
            detail = f"{each:.0f} ms a job, `bash -c true` alone {bare:.1f} ms"
            yield Figure(
                f"overhead of a no-op job, {count} in a row",
                each - bare,
                "ms",
                f"at most {GOAL:.0f}",
                each - bare <= GOAL,
                detail,
            )


async def _jobs(it: Laptop, count: int) -> float:
    """Seconds from submitting the last of ``count`` jobs' first until all are done, as a client sees it."""
    from azure.identity import EnvironmentCredential

    token = await asyncio.to_thread(lambda: EnvironmentCredential().get_token(f"https://{HOST}/.default").token)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    settings = it.settings
    workspace = (
        f"/subscriptions/{settings['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{settings['AZURE_RESOURCE_GROUP']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['AZURE_WORKSPACE_NAME']}"
    )
    stamp = time.time_ns()
    job = {
        "properties": {
            "jobType": "Command",
            "command": "true",
            "computeId": f"{workspace}/computes/{settings['AZURE_ML_COMPUTE_TRAINER']}",
            "environmentId": f"{workspace}/environments/noop/versions/1",
        }
    }
    port = int(it.environment["HTTPS_PROXY"].rsplit(":", 1)[1].strip("/"))
    async with Wire(port, HOST, it.environment["SSL_CERT_FILE"]) as wire:

        async def ask(method: str, path: str, body: object = None) -> dict[str, object]:
            status, answer = await wire.request(
                method, f"{workspace}{path}?{VERSION}", json.dumps(body).encode() if body is not None else b"", headers
            )
            if status not in (200, 201):
                raise RuntimeError(f"{method} {path} answered {status}: {answer.decode()}")
            found: dict[str, object] = json.loads(answer)
            return found

        image = {"properties": {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}}
        await ask("PUT", "/environments/noop/versions/1", image)
        start = time.perf_counter()
        for index in range(count):
            await ask("PUT", f"/jobs/noop-{stamp}-{index}", job)
        while True:
            last = await ask("GET", f"/jobs/noop-{stamp}-{count - 1}")
            properties = last["properties"]
            assert isinstance(properties, dict)
            if properties["status"] in ("Completed", "Failed", "Canceled"):
                break
            await asyncio.sleep(0.01)
        if properties["status"] != "Completed":
            raise RuntimeError(f"a no-op job ended {properties['status']}: {properties}")
        return time.perf_counter() - start

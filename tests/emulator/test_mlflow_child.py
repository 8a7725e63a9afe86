"""The MLflow server as a child: it ends with its parent, keeps what it acknowledged, and answers nobody else."""

import asyncio
import http.client
import re
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import psutil
import requests

from emulator.mlflow.child import Server
from tests.waiting import until

PARENT = """
import asyncio, sys
from pathlib import Path
from emulator.mlflow.child import Server

async def main():
    server = Server(Path(sys.argv[1]) / "mlflow", Path(sys.argv[1]) / "mlflow.log")
    answer = await server.ask("w-one", "POST", "/api/2.0/mlflow/runs/create", body={"experiment_id": "0"}, run_id="Job_1")
    assert answer.status == 200, answer.body
    print(server._process.pid, await server._port(), flush=True)
    for step in range(10000):
        body = {"run_id": "Job_1", "key": "step", "value": step, "timestamp": step, "step": step}
        answer = await server.ask("w-one", "POST", "/api/2.0/mlflow/runs/log-metric", body=body)
        assert answer.status == 200, answer.body
        print(step, flush=True)

asyncio.run(main())
"""


def test_it_ends_with_a_killed_parent_and_has_what_it_acknowledged(tmp_path):
    (tmp_path / "mlflow").mkdir()
    with closing(
        sqlite3.connect(tmp_path / "mlflow/pattern.db")
    ) as half_made:  # by one that was killed while it first started
        half_made.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with parent.stdout as said:
        child, port = map(int, said.readline().split())
        assert (
            requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 403
        ), "only its parent has the secret"
        idle = http.client.HTTPConnection("127.0.0.1", port)
        idle.request("GET", "/health")
        idle.getresponse().read()
        acknowledged = [int(said.readline()) for _ in range(40)]
        assert not select.select([idle.sock], [], [], 7)[0], "it is the client that closes a connection which is idle"
        parent.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in said if re.fullmatch(r"\d+\n", line)]
        assert idle.sock.recv(1) == b"", "it is closed with the server"
        idle.close()
    parent.wait()
    until(lambda: not psutil.pid_exists(child), 10)

    async def after():
        server = Server(tmp_path / "mlflow", tmp_path / "mlflow.log")
        try:
            query = {"run_id": "Job_1", "metric_key": "step", "max_results": "20000"}
            path = "/api/2.0/mlflow/metrics/get-history"
            history = (await server.ask("w-one", "GET", path, query=query)).json["metrics"]
            other = await server.ask("w-two", "GET", "/api/2.0/mlflow/runs/get", query={"run_id": "Job_1"})
            same = await server.ask(
                "w-two", "POST", "/api/2.0/mlflow/runs/create", body={"experiment_id": "0"}, run_id="Job_1"
            )
            # It is started again when it ended by itself.
            server._process.kill()
            await server._process.wait()
            again = await server.ask("w-two", "GET", "/api/2.0/mlflow/runs/get", query={"run_id": "Job_1"})
            return [point["value"] for point in history], other, same, again
        finally:
            await server.stop()

    history, other, same, again = asyncio.run(after())
    assert set(acknowledged) <= set(history) and len(acknowledged) >= 40
    assert other.status == 404 and other.code == "RESOURCE_DOES_NOT_EXIST"
    assert same.status == 200 and same.json["run"]["info"]["run_id"] == "Job_1"
    assert again.status == 200
    assert not [
        file for file in (tmp_path / "mlflow").iterdir() if file.stat().st_mode & 0o077
    ], "files are their owner's"

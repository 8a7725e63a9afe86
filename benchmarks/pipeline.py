"""The pipeline of four steps from a new submission to Completed, its environment built and no step reused, against the same four
scripts as bare processes, and against kfp's local runner, Metaflow and Prefect with the same scripts: all in turn in each round.

The peers are installed into ``.venv-peers``, with the packages of the job's environment: a script runs in the process that the peer
starts for its step. What serves is up beforehand, the emulator as well as Prefect's server. What is compared is a submission
by a client that is imported until its end is seen, and with the peers so too; and beside it the commands, imports and all.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.figure import Figure, seconds
from benchmarks.laptop import ROOT, Laptop, laptop

ROUNDS = 3
JOB, PEERS, PYTHON = ROOT / "jobs/pipeline_two_step", ROOT / "benchmarks/peers", ROOT / ".venv-peers/bin/python"
NAMES = {"kfp": "kfp's local runner", "metaflow": "Metaflow", "prefect": "Prefect"}
# Nothing leaves this machine: what is not asked of it is refused where the proxy should be.
APART = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def run() -> Iterator[Figure]:
    subprocess.run([ROOT / "scripts/setup", "peers"], check=True)
    with laptop() as it, tempfile.TemporaryDirectory() as folder:
        it.aml("pipeline", "--stack", "local", "--json")  # the environment is built here, once
        (python,) = (it.home / "environments").glob("*/bin/python")
        with patch.dict(os.environ, it.environment), _prefect(Path(folder)) as server:
            ways: dict[str, Callable[[Path], object]] = {
                "bare": lambda work: _bare(python, work),
                "submit": _submission(),
                "aml": lambda _: _aml(it),
                "kfp": lambda work: _peer(work, "with_kfp.py"),
                "metaflow": lambda work: _peer(work, "with_metaflow.py", "run"),
                "prefect": lambda work: _peer(work, "with_prefect.py", PREFECT_API_URL=server),
            }
            times: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(ROUNDS + 1):  # the first one does not count
                for name, way in ways.items():
                    work = Path(folder, f"{name}-{number}")
                    work.mkdir()
                    (taken,) = seconds(lambda way=way, work=work: way(work), runs=1, warmup=0)
                    if number:
                        times[name].append(taken)
                        if name in NAMES:
                            times.setdefault(f"{name} imported", []).append(float((work / "seconds").read_text()))
    yield _ratio(times, "submit", "bare", "submitted until Completed, over the bare scripts", 1.3)
    yield _ratio(times, "aml", "bare", "`aml pipeline` over the bare scripts")
    for name, called in NAMES.items():
        yield _ratio(times, "submit", f"{name} imported", f"submitted until Completed, over {called}", 1)
        yield _ratio(times, "aml", name, f"`aml pipeline` over {called} as a command")


def _ratio(times: dict[str, list[float]], one: str, other: str, called: str, goal: float | None = None) -> Figure:
    ratio = statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))
    detail = f"{statistics.median(times[one]):.1f} s and {statistics.median(times[other]):.1f} s"
    if goal is None:
        return Figure(called, ratio, "times", detail=detail)
    return Figure(called, ratio, "times", f"at most {goal:g}", ratio <= goal, detail)


def _steps(work: Path) -> list[list[str]]:
    """Each script with its arguments, as ``pipeline.yml`` and the components connect them."""
    given = {
        "ingest": {"input-data": ROOT / "jobs/data/iris_dataset.csv", "data": "data", "report": "report"},
        "split": {"data": "data", "train": "train", "test": "test"},
        "train": {"train": "train", "test": "test", "report": "report", "model": "model", "gate": "gate"},
        "predict": {"data": "test", "model": "model", "scores": "scores"},
    }
    return [
        [str(JOB / f"job/{name}.py"), *(f"--{key}={work / value}" for key, value in arguments.items())]
        for name, arguments in given.items()
    ]


def _environment(work: Path) -> dict[str, str]:
    tracking = {"MLFLOW_TRACKING_URI": (work / "mlruns").as_uri()}
    return {"PATH": "/usr/bin:/bin", "HOME": str(work), **tracking, **APART, **QUIET}


def _bare(python: Path, work: Path) -> None:
    for command in _steps(work):
        _run([str(python), *command], work, _environment(work))


def _peer(work: Path, *command: str, **more: str) -> None:
    own = {
        "STEPS": json.dumps(_steps(work)),
        "PYTHONPATH": str(PEERS),
        "METAFLOW_USER": "bench",
        "PREFECT_HOME": str(work / "prefect"),
    }
    _run([str(PYTHON), str(PEERS / command[0]), *command[1:]], work, {**_environment(work), **own, **more})
    if not (work / "scores/scores.csv").is_file():
        raise RuntimeError(f"{command[0]} ended well and wrote no scores")


def _run(command: list[str], work: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _aml(it: Laptop) -> None:
    it.aml("pipeline", "--stack", "local", "--force-rerun", "--json")


def _submission() -> Callable[[Path], None]:
    """What ``aml pipeline`` submits, waited for by its status, in this process."""
    from runner import config, experiment, pipeline, settings
    from runner.paths import JobFolder
    from runner.workspace import Workspace

    workspace = Workspace(settings.load(settings.Given(stack="local"), needs=experiment.NEEDS))
    folder = JobFolder.find(str(JOB))
    configuration = config.read(folder.config, ())

    def submit(_: Path) -> None:
        asked = pipeline.read(workspace, folder, configuration, ())
        name = pipeline.submit(workspace, asked, force_rerun=True).name
        while (status := workspace.client.jobs.get(name).status) not in ("Completed", "Failed", "Canceled"):
            time.sleep(0.1)
        if status != "Completed":
            raise RuntimeError(f"the pipeline {name} ended {status}")

    return submit


@contextmanager
def _prefect(folder: Path) -> Iterator[str]:
    """Prefect's server, and its address; a run without one would start its own first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    environment = {**_environment(folder), "PREFECT_HOME": str(folder), "PREFECT_SERVER_UI_ENABLED": "false"}
    command = [PYTHON, "-m", "prefect", "server", "start", "--port", str(port), "--no-services", "--analytics-off"]
    with Path(folder, "prefect.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                direct.open(f"{address}/health", timeout=5).close()
                break
            except OSError as error:
                if server.poll() is not None:
                    said = Path(folder, "prefect.log").read_text()
                    raise RuntimeError(f"Prefect's server ended with {server.returncode}:\n{said}") from error
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()

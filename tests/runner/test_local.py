"""The life cycle of the emulator on this machine, by the commands that people type, each in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cached_property
from io import StringIO
from pathlib import Path
from select import select
from unittest.mock import patch

import psutil
import pytest

from emulator.home import VERSION
from infra.evaluation import evaluate
from runner import settings
from runner.main import main
from tests.runner.conftest import heed_interrupt

TOP = Path(__file__).resolve().parents[2]
SECONDS = 60.0


class Local:
    """``aml local`` on a state folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
        self.environ["AML_LOCAL_HOME"] = str(home)

    @cached_property
    def resources(self) -> int:
        """How many the stack declares."""
        return len(evaluate("local").declared)

    def __call__(self, *words: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command that starts or stops something, as a program of its own."""
        command = [sys.executable, "-m", "runner.main", "local", *words]
        environ = {**self.environ, **environ}
        ended = subprocess.run(
            command, cwd=TOP, env=environ, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
        assert ended.returncode == code, f"{words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def tell(self, *words: str, code: int = 0) -> str:
        """What a command that only tells something writes to stdout (to stderr, when it fails), in this process."""
        out, err = StringIO(), StringIO()
        with patch.dict(os.environ, self.environ, clear=True), redirect_stdout(out), redirect_stderr(err):
            assert main(words) == code, f"{words}: {out.getvalue()}{err.getvalue()}"
        return err.getvalue() if code else out.getvalue()

    @property
    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.tell("local", "status", "--json"))
        return found

    @property
    def variables(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.tell("local", "env", "--shell", "json"))
        return found

    @property
    def pid(self) -> int:
        return int(json.loads((self.home / "running.json").read_text())["pid"])

    def family(self) -> list[psutil.Process]:
        """The emulator and all that it started."""
        daemon = psutil.Process(self.pid)
        return [daemon, *daemon.children(recursive=True)]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("local")
    yield folder
    for home in folder.iterdir():
        Local(home)("down")


@pytest.fixture(scope="module")
def local(homes: Path) -> Local:
    """One that is up."""
    one = Local(homes / "one")
    one("up", "--port", str(free_port()))
    return one


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_up_writes_down_what_the_runner_needs(local: Local) -> None:
    file = local.home / "stacks" / "local.json"
    content = json.loads(file.read_text())
    assert set(content["outputs"]) == set(settings.NAMES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = json.loads(local.tell("settings", "--stack", "local", "--json"))
    assert {name: shown[name]["value"] for name in settings.NAMES} == content["outputs"]


def test_a_second_up_changes_nothing(local: Local) -> None:
    before = local.pid
    said = local("up").stderr
    assert local.pid == before
    assert f"stack local: {local.resources} unchanged" in said and "was running" in said and "+" not in said


def test_status_tells_what_runs_where_since_when_in_which_version(local: Local) -> None:
    found = local.status
    assert found["running"] is True and found["pid"] == local.pid and found["resources"] == local.resources
    assert time.time() - 600 < float(str(found["since"])) <= time.time()
    assert str(found["address"]).startswith("http://127.0.0.1:") and found["version"]
    text = local.tell("local", "status")
    assert all(
        word in text for word in ("running", str(found["address"]), str(found["pid"]), f"{local.resources} resources")
    )


def test_env_makes_any_other_client_one_of_the_emulator(local: Local) -> None:
    curl = 'eval "$(aml local env)" && curl -sS https://management.azure.com/subscriptions?api-version=2022-12-01'
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "-c", curl], env={**local.environ, **tools}, capture_output=True, text=True, timeout=SECONDS, cwd=TOP
    )
    assert json.loads(ended.stdout)["error"]["code"] == "AuthenticationFailed", ended.stderr


@pytest.mark.parametrize("shell", ["bash", "dotenv", "fish", "powershell"])
def test_env_in_every_syntax_says_the_same(local: Local, shell: str) -> None:
    values = local.variables
    assert {"HTTPS_PROXY", "SSL_CERT_FILE", "AZURE_CLIENT_SECRET", *settings.NAMES} <= set(values)
    text = local.tell("local", "env", "--shell", shell)
    assert len(text.splitlines()) == len(values)
    if shell == "dotenv":
        from dotenv import dotenv_values

        assert dict(dotenv_values(stream=StringIO(text))) == values
    elif shutil.which(shell):
        show = f"{text}\nenv -0"
        out = subprocess.run([shell, "-c", show], capture_output=True, timeout=SECONDS).stdout.decode()
        assert values.items() <= dict(line.partition("=")[::2] for line in out.split("\0") if line).items()


# azure-ai-ml leaves the connections of an operation that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failure_on_demand_is_told_in_azures_words_or_passes(local: Local, tmp_path: Path) -> None:
    local.tell("local", "fault", "add", "throttle", "--path", "/jobs", "--times", "1")
    local.tell("jobs", "list", "--stack", "local")  # it was asked again
    (met,) = json.loads(local.tell("local", "fault", "list", "--json"))
    assert (met["kind"], met["met"]) == ("throttle", 1)
    (tmp_path / "x").write_text("1")
    local.tell("data", "upload", str(tmp_path / "x"), "/x", "--stack", "local")
    words = (
        "experiment",
        "--stack",
        "local",
        "--compute",
        "another",
        "--input-data-path",
        "/x",
        "--output-data-path",
        "/",
    )
    for kind, said in (("conflict", "Something else is at work on it."), ("operation-fails", "and then failed.")):
        local.tell("local", "fault", "add", kind, "--path", "computes", "--times", "0")
        assert said in local.tell(*words, code=2)
        local.tell("local", "fault", "remove")
    assert "There is no fault '4711'." in local.tell("local", "fault", "remove", "4711", code=1)
    gc.collect()


def test_logs_have_a_line_for_each_request_and_no_secret(local: Local) -> None:
    lines = local.tell("local", "logs", "-n", "1000").splitlines()
    assert any(" 201 PUT management.azure.com " in line and "/workspaces/" in line for line in lines)
    assert all(len(line.split(" ")) >= 6 for line in lines)
    assert local.variables["AZURE_CLIENT_SECRET"] not in "".join(lines)
    assert "ready on port" in local.tell("local", "logs", "--emulator")


def test_logs_are_followed(local: Local) -> None:
    command = [sys.executable, "-m", "runner.main", "local", "logs", "-f", "-n", "0"]
    with subprocess.Popen(
        command, cwd=TOP, env=local.environ, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupt
    ) as following:
        assert following.stdout is not None
        deadline = time.monotonic() + SECONDS
        line = ""
        while "/_emulator/health" not in line and time.monotonic() < deadline:
            local.tell("local", "status")  # asks the emulator for its health
            if select([following.stdout], [], [], 0.5)[0]:
                line = following.stdout.readline()
            assert " PUT " not in line, "with -n 0 nothing of before is shown"
        following.send_signal(signal.SIGINT)
        assert "/_emulator/health" in line
    assert following.returncode == 0


def test_after_a_kill_the_next_up_goes_on_from_there(local: Local) -> None:
    """Also in a shell that was set up for it: the emulator must not become its own proxy, nor its CA one of the machine's."""
    outputs, family, given = local.status["outputs"], local.family(), local.variables
    os.kill(local.pid, signal.SIGKILL)
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == [], "children never outlive the emulator"
    assert local.status["running"] is False
    assert "aml local up" in local.tell("local", "env", code=1)
    said = local("up", **given).stderr
    assert "started in" in said and f"{local.resources} unchanged" in said
    assert local.status["outputs"] == outputs and local.variables == given
    environ = psutil.Process(local.pid).environ()
    assert environ.get("HTTPS_PROXY") != given["HTTPS_PROXY"]
    assert environ.get("SSL_CERT_FILE") != given["SSL_CERT_FILE"]


@pytest.fixture(scope="module")
def two(local: Local, homes: Path) -> Local:
    """Another one that is up, on a port of its own though it asked for the first one's; killed while it first started, which is no
    obstacle."""
    two, port = Local(homes / "two"), str(local.status["address"]).rpartition(":")[2]
    command = [sys.executable, "-m", "runner.main", "local", "up"]
    with subprocess.Popen(command, cwd=TOP, env=two.environ, stderr=subprocess.PIPE) as starting:
        deadline = time.monotonic() + SECONDS
        while not (two.home / "lock").exists() and time.monotonic() < deadline:
            pass
        starting.kill()
    two("down")
    assert not any(str(two.home) in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    assert f"port {port} is taken" in two("up", "--port", port).stderr
    assert two.status["resources"] == two.resources
    return two


def test_two_homes_run_side_by_side(local: Local, two: Local) -> None:
    one, other = local.status, two.status
    assert one["running"] and other["running"] and one["address"] != other["address"] and one["pid"] != other["pid"]
    mine, theirs = local.variables, two.variables
    assert mine["AZURE_CLIENT_SECRET"] != theirs["AZURE_CLIENT_SECRET"]
    assert mine["AZURE_SUBSCRIPTION_ID"] != theirs["AZURE_SUBSCRIPTION_ID"]


def test_reset_empties_the_state_and_keeps_the_emulator_what_it_is(two: Local) -> None:
    before = two.variables
    (two.home / "runs" / "a-job").mkdir(parents=True)
    assert "1 job is running" in two("reset", code=1).stderr
    assert two.status["running"] is True

    said = two("reset", "--yes", "--no-stack").stderr
    assert "is empty" in said and "stack local:" not in said and "next: aml infra plan --stack local" in said
    assert two.status["running"] is True and not two.status["outputs"]
    assert f"stack local: {two.resources - 1} created, 1 updated" in two("up").stderr
    assert not (two.home / "runs" / "a-job").exists()
    assert two.variables == before


def test_down_stops_everything_of_its_own_and_can_be_said_twice(local: Local, two: Local) -> None:
    family = two.family()
    assert "stopped" in two("down").stderr
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert "no emulator was running" in two("down").stderr
    assert local.status["running"] is True and two.status["running"] is False

    assert "next: aml local up" in two("reset").stderr
    assert not (two.home / "store.db").exists() and not (two.home / "stacks").exists()


def test_a_folder_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    home = tmp_path / "newer"
    home.mkdir()
    (home / "version").write_text(f"{VERSION + 1}\n")
    three = Local(home)
    for words in (("up",), ("reset", "--yes")):
        said = three(*words, code=1).stderr
        assert "newer version" in said and "AML_LOCAL_HOME" in said
    assert [entry.name for entry in home.iterdir()] == ["version"]


def test_a_folder_that_is_not_ours_is_refused_untouched(tmp_path: Path) -> None:
    home = tmp_path / "somebody's"
    home.mkdir()
    (home / "thesis.tex").write_text("everything")
    for words in (("up",), ("reset", "--yes")):
        assert "not a state folder" in Local(home)(*words, code=1).stderr
    assert (home / "thesis.tex").read_text() == "everything"


def test_nothing_of_this_is_imported_for_the_help() -> None:
    code = "import sys; from runner.main import main; main(['local', '--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TOP, timeout=SECONDS).stdout
    assert "Start the emulator" in out
    assert not any(name in out for name in ("'emulator'", "'infra'", "'pulumi'", "'azure", "'psutil'"))

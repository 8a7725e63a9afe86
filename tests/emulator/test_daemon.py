"""The emulator as a process: its folder, its lock, its end, and what is there after the worst of ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import requests

from emulator import Emulator
from emulator.errors import StateError
from emulator.home import Home
from tests.waiting import until


def speak(azure: Emulator) -> requests.Session:
    """A client of this emulator and no other."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(azure.home.bundle)
    session.proxies = {"https": f"http://127.0.0.1:{azure.port}"}
    session.headers["Authorization"] = f"Bearer {azure.token('https://management.azure.com/.default')}"
    return session


def test_a_life(tmp_path: Path) -> None:
    """Started, attached to, stopped; the folder is kept, and so are its secrets and what is in it."""
    home = tmp_path / "home"
    with Emulator(home, port=0) as first:
        running = first.running()
        assert running is not None
        with Emulator(home) as second:
            assert second.running() == running
        assert first.running() == running
        variables = first.environment()
        assert Path(variables["SSL_CERT_FILE"]).read_bytes().count(b"BEGIN CERTIFICATE") > 1
        group = f"https://management.azure.com/subscriptions/{first.subscription_id}/resourceGroups/g?api-version=2024-03-01"
        with speak(first) as client:
            assert client.put(group, json={"location": "westeurope"}, timeout=10).status_code == 201
    until(lambda: not psutil.pid_exists(running.pid))
    assert not first.home.running.exists()
    assert Emulator(home).running() is None
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        again = Emulator(home, port=port)
        again.start()
    with again:
        assert again.port != port, "a port that is taken is left alone"
        assert {name: again.environment()[name] for name in variables if name.startswith("AZURE_")} == {
            name: value for name, value in variables.items() if name.startswith("AZURE_")
        }
        with speak(again) as client:
            assert client.get(group, timeout=10).status_code == 200
    assert home.stat().st_mode & 0o777 == 0o700


def test_the_folder_has_one_emulator(azure: Emulator) -> None:
    command = [sys.executable, "-m", "emulator", "--home", str(azure.home.root)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert str(azure.home.root) in second.stderr and "in use" in second.stderr


def test_a_folder_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "version").write_text("999\n")
    with pytest.raises(StateError, match="newer version"):
        Emulator(home, port=0).start()
    assert [path.name for path in home.iterdir()] == ["version"]


def test_a_folder_of_someone_elses_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    tmp_path.chmod(0o755)
    with pytest.raises(StateError, match="not a state folder"):
        Emulator(tmp_path, port=0).start()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"] and tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_kept_it_from_starting_is_said(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare().root
    (home / "identity").mkdir()
    (home / "identity" / "signing.key").write_text("no key")
    with pytest.raises(StateError, match="did not start"):
        Emulator(home, port=0).start()


def test_it_ends_with_the_one_who_started_it(tmp_path: Path) -> None:
    """A test run that is killed leaves no emulator behind."""
    home = tmp_path / "home"
    script = (
        "import sys\nfrom emulator import Emulator\nazure = Emulator(sys.argv[1], port=0)\nprint(azure.start().pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    pid = int(child.stdout.readline())
    assert psutil.pid_exists(pid)
    child.kill()
    child.wait()
    until(lambda: not psutil.pid_exists(pid))
    child.stdin.close()
    child.stdout.close()


def test_a_detached_one_stays(tmp_path: Path) -> None:
    azure = Emulator(tmp_path / "home", port=0)
    running = azure.start(detached=True)
    other = Emulator(tmp_path / "home")
    try:
        assert other.running() == running
    finally:
        assert other.stop()
    until(lambda: not psutil.pid_exists(running.pid))
    assert other.running() is None
    assert not other.stop()


def test_the_running_file_tells_how_to_reach_it(azure: Emulator) -> None:
    found = json.loads(azure.home.running.read_text())
    assert (found["port"], found["subscription"]) == (azure.port, azure.subscription_id)
    assert azure.home.running.stat().st_mode & 0o077 == 0

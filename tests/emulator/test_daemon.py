"""The emulator as a process: its folder, its lock, its end, and what is there after the worst of ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from emulator import Emulator
from emulator.errors import StateError


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        threading.Event().wait(0.02)
    return True if true() else False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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
    assert until(lambda: not alive(running.pid))
    assert not first.home.running.exists()
    assert Emulator(home).running() is None
    with Emulator(home, port=0) as again:
        assert {name: again.environment()[name] for name in variables if name.startswith("AZURE_")} == {
            name: value for name, value in variables.items() if name.startswith("AZURE_")
        }
        with speak(again) as client:
            assert client.get(group, timeout=10).status_code == 200
    assert home.stat().st_mode & 0o777 == 0o700


def test_the_folder_has_one_emulator(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Emulator(home, port=0):
        second = subprocess.run(
            [sys.executable, "-m", "emulator", "--home", str(home)], capture_output=True, text=True, timeout=60
        )
    assert second.returncode == 1
    assert str(home) in second.stderr and "in use" in second.stderr


def test_a_taken_port_is_left_alone(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with Emulator(tmp_path / "home", port=port) as azure:
            assert azure.port != port


def test_a_folder_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "version").write_text("999\n")
    with pytest.raises(StateError, match="newer version"):
        Emulator(home, port=0).start()
    assert [path.name for path in home.iterdir()] == ["version"]


def test_a_folder_of_someone_elses_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StateError, match="not a state folder"):
        Emulator(tmp_path, port=0).start()


def test_what_kept_it_from_starting_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Emulator(home, port=0):
        pass
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
    assert alive(pid)
    child.kill()
    child.wait()
    assert until(lambda: not alive(pid))
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
    assert until(lambda: not alive(running.pid))
    assert other.running() is None
    assert not other.stop()


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    """16 writers PUT; the daemon is killed in the middle, three times."""
    home = tmp_path / "home"
    acknowledged: set[str] = set()
    for round in range(3):
        with Emulator(home, port=0) as azure:
            running = azure.running()
            assert running is not None
            root = f"https://management.azure.com/subscriptions/{azure.subscription_id}/resourceGroups"
            with speak(azure) as client:
                client.put(f"{root}/crash?api-version=2024-03-01", json={"location": "westeurope"}, timeout=10)
            tables = f"{root}/crash/providers/Microsoft.Network/routeTables"
            written: list[str] = []
            enough = threading.Event()

            def writer(number: int, tables: str, written: list[str], enough: Any, azure: Emulator, round: int) -> None:
                with speak(azure) as client:
                    for index in range(1000):
                        url = f"{tables}/t-{round}-{number}-{index}?api-version=2024-05-01"
                        try:
                            answer = client.put(url, json={"location": "westeurope"}, timeout=10)
                        except requests.RequestException:
                            return
                        assert answer.status_code == 201
                        written.append(url)
                        if len(written) >= 150:
                            enough.set()

            threads = [
                threading.Thread(target=writer, args=(n, tables, written, enough, azure, round)) for n in range(16)
            ]
            for thread in threads:
                thread.start()
            assert enough.wait(60)
            os.kill(running.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            acknowledged.update(written)
    with Emulator(home, port=0) as azure, speak(azure) as client:
        found: set[str] = set()
        url = f"{tables}?api-version=2024-05-01"
        while url:
            page = client.get(url, timeout=10).json()
            found.update(one["name"] for one in page["value"])
            url = page.get("nextLink")
    missing = {url.rpartition("/")[2].partition("?")[0] for url in acknowledged} - found
    assert len(acknowledged) >= 450
    assert not missing


def test_the_running_file_tells_how_to_reach_it(azure: Emulator) -> None:
    found = json.loads(azure.home.running.read_text())
    assert (found["port"], found["subscription"]) == (azure.port, azure.subscription_id)
    assert azure.home.running.stat().st_mode & 0o077 == 0

"""The emulator as others hold it: start, find, stop, and the variables that a client needs. Imports nothing of the server."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from emulator.errors import StateError
from emulator.home import Home

START_TIMEOUT = 60.0  # seconds until ready
STOP_TIMEOUT = 30.0  # seconds for what is being answered, and for the children


@dataclass(frozen=True)
class Settings:
    """What a client names, and signs in with."""

    tenant: str
    subscription: str
    client_id: str


@dataclass(frozen=True)
class Running:
    """``running.json`` of an emulator that answers; ``started`` is in Unix seconds."""

    pid: int
    port: int
    started: float
    version: str


class Emulator:
    """``with Emulator(home) as azure``: attached to the folder's emulator, started first where none runs.

    One that was started here is stopped at the end, and ends with this process whatever happens to it; ``start(detached=True)``
    makes one that stays.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None, *, port: int | None = None) -> None:
        self.home = Home.find(home)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()
            self._forget()

    def running(self) -> Running | None:
        """What runs on this folder and answers, or ``None``."""
        try:
            found = json.loads(self.home.running.read_text())
            running = Running(found["pid"], found["port"], found["started"], found["version"])
        except (OSError, ValueError, KeyError):
            return None
        return running if _answers(running.port, found["subscription"]) else None

    def start(self, *, detached: bool = False) -> Running:
        """Return when it is ready; at once where it runs already. Raises ``StateError`` with what the emulator said."""
        running = self.running()
        if running is not None:
            return running
        self.home.prepare()
        self.home.logs.mkdir(mode=0o700, exist_ok=True)
        log = self.home.logs / "emulator.log"
        command = [sys.executable, "-m", "emulator", "--home", str(self.home.root)]
        command += ["--port", str(self._port)] if self._port is not None else []
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            before = output.tell()
            process = subprocess.Popen(
                [*command, "--detach" if detached else "--attached"],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # A detached one is the child of a process that ends when it is ready, or has failed.
        self._process = None if detached else process
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            running = self.running()
            if running is not None:
                if detached:
                    process.wait()
                return running
            if ended:
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
        self._forget()
        with log.open("rb") as file:
            file.seek(before)
            said = file.read().decode(errors="replace").strip()
        raise StateError(f"The emulator did not start. It said: {said[-2000:] or 'nothing'} (whole log: {log})")

    def stop(self) -> bool:
        """Stop whatever runs on this folder; whether anything did."""
        try:
            pid = int(json.loads(self.home.running.read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return False
        if not self._locked():  # it was killed: its file is all that is left
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while time.monotonic() < deadline and self._locked():
            time.sleep(0.02)
        if self._locked():
            os.kill(pid, signal.SIGKILL)
        self._forget()
        return True

    @property
    def port(self) -> int:
        return self._must_run().port

    @property
    def settings(self) -> Settings:
        account = self._account()
        return Settings(account["tenant"], account["subscription"], account["client_id"])

    @property
    def subscription_id(self) -> str:
        return self.settings.subscription

    def token(self, scope: str) -> str:
        """An access token for ``scope`` (``https://management.azure.com/.default``), asked for as any client does; for those
        who speak to the emulator without azure-identity."""
        account = self._account()
        form = {
            "grant_type": "client_credentials",
            "client_id": account["client_id"],
            "client_secret": account["secret"],
            "scope": scope,
        }
        proxy = urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{self.port}"})
        trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.home.bundle)))
        url = f"https://login.microsoftonline.com/{account['tenant']}/oauth2/v2.0/token"
        with urllib.request.build_opener(proxy, trust).open(url, urlencode(form).encode(), timeout=30) as answer:
            return str(json.load(answer)["access_token"])

    def environment(self, *, credential: bool = True) -> dict[str, str]:
        """Everything that makes a client of Azure speak to this emulator; the local principal's secret is among it."""
        address, bundle, account = f"http://127.0.0.1:{self.port}", str(self.home.bundle), self._account()
        variables = {
            "HTTPS_PROXY": address,
            "https_proxy": address,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
        }
        if credential:
            variables["AZURE_TENANT_ID"] = account["tenant"]
            variables["AZURE_CLIENT_ID"] = account["client_id"]
            variables["AZURE_CLIENT_SECRET"] = account["secret"]
        return variables

    def control(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """One of the emulator's own controls: ``control("/_emulator/reset", method="POST")``; ``body`` is sent as JSON."""
        headers = {"X-Emulator": "1", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        with _direct().open(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def _account(self) -> Mapping[str, str]:
        path: Path = self.home.identity / "account.json"
        if not path.exists():
            raise StateError(f"{self.home.root} has never been started.")
        return dict(json.loads(path.read_text()))

    def _must_run(self) -> Running:
        running = self.running()
        if running is None:
            raise StateError(f"No emulator runs on {self.home.root}. Start it: aml local up")
        return running

    def _locked(self) -> bool:
        """Whether an emulator lives on this folder: the lock ends with its process, however that ends."""
        try:
            with self.home.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None


def _answers(port: int, subscription: str) -> bool:
    try:
        with _direct().open(f"http://127.0.0.1:{port}/_emulator/health", timeout=5) as answer:
            said = json.load(answer)
            return bool(said["subscription"] == subscription and said["status"] == "ready")
    except (OSError, ValueError, KeyError):
        return False


def _direct() -> urllib.request.OpenerDirector:
    """Never through a proxy, and so never through another emulator."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))

"""Nothing that is applied in process may reach the real Azure: each way in which it could is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from emulator import Emulator
from infra.apply import apply
from infra.arm import ENDPOINT
from infra.emulated import emulator_behind
from infra.errors import NotTheEmulator

PROXIES = [name for pair in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (pair, pair.lower())]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def somebody() -> Iterator[str]:
    """A proxy on this machine that is not the emulator."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ready"}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_emulator_is_recognised(azure: Emulator) -> None:
    assert emulator_behind(ENDPOINT)["subscription"] == azure.settings.subscription


def test_without_a_proxy_it_would_be_azure_itself(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NotTheEmulator, match="https://management.azure.com would be reached without a proxy.*pulumi up"
    ):
        apply("local")


def test_a_host_that_goes_past_the_proxy_is_azure_itself(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,.azure.com")
    with pytest.raises(NotTheEmulator, match="management.azure.com would be reached without a proxy"):
        apply("local")


def test_signing_in_past_the_proxy_is_refused_too(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "login.microsoftonline.us")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.microsoftonline.us")
    with pytest.raises(NotTheEmulator, match="login.microsoftonline.us would be reached without"):
        apply("local")


def test_a_proxy_elsewhere_is_refused_unasked(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("HTTPS_PROXY", "http://user:secret@proxy.example.com:3128")
    with pytest.raises(
        NotTheEmulator, match="through the proxy proxy.example.com:3128, which is not on this"
    ) as refused:
        apply("local")
    assert "secret" not in str(refused.value)


def test_a_proxy_here_that_is_not_the_emulator_is_refused(bare: pytest.MonkeyPatch, somebody: str) -> None:
    bare.setenv("HTTPS_PROXY", somebody)
    with pytest.raises(NotTheEmulator, match="is not the emulator: /_emulator/health answered"):
        apply("local")


def test_a_proxy_that_does_not_answer_is_refused(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(NotTheEmulator, match="127.0.0.1:9 is not the emulator"):
        apply("local")
    assert "HTTPS_PROXY" in os.environ

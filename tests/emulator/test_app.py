"""What stands between HTTP and the rooms: malformed requests, paths that lead elsewhere, the log, and bugs."""

from __future__ import annotations

import asyncio
import http.client
from typing import Any

import pytest

from benchmarks.malformed import rage
from emulator import Emulator
from emulator.app import App
from emulator.gateway.hosts import CONTROLS
from emulator.journal import Journal, clean, redacted
from emulator.routes import Route, Table


def test_five_hundred_malformed_requests(azure: Emulator) -> None:
    storm = asyncio.run(rage(azure, 500, seed=20260131))
    assert (storm.errors, storm.hangs, storm.tracebacks, storm.strays, storm.left) == ([], [], 0, [], 0)
    assert len(storm.statuses) > 10 and azure.control("/_emulator/health")["status"] == "ready"


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/..%2fb",
        "/a/%2E%2E%5Cb",
        "/..",
        "/a/./b",
        "/%00",
        "/a%0d%0ab",
        "/%ff",
        "/%e",
        "/a\\..\\b",
    ],
)
def test_paths_that_lead_elsewhere(arm: Any, path: str) -> None:
    """Sent as they are: ``requests`` would tidy them up."""
    connection = http.client.HTTPConnection("127.0.0.1", arm.azure.port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", "127.0.0.1")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    connection.close()


def test_the_log_has_a_line_a_request_and_no_secret(azure: Emulator, arm: Any) -> None:
    arm.get("/subscriptions", query={"sig": "SECRET1", "code": "SECRET2"}, version="2022-12-01")
    mine = arm.get("/subscriptions", version="2022-12-01").headers["x-ms-request-id"]
    log = (azure.home.logs / "requests.log").read_text()
    line = next(line for line in log.splitlines() if mine in line).split(" ")
    assert line[1:5] == ["200", "GET", "management.azure.com", "/subscriptions?api-version=2022-12-01"]
    assert line[6].startswith("python-requests/")
    assert "SECRET" not in log
    assert azure.environment()["AZURE_CLIENT_SECRET"] not in log
    assert (azure.home.logs / "requests.log").stat().st_mode & 0o077 == 0


def test_an_address_that_is_a_secret_is_not_in_the_log(tmp_path: Any) -> None:
    journal = Journal(tmp_path)
    journal.write("GET", "_emulator", "/_emulator/on-behalf-of/SECRET", "resource=x", 200, 0.001, "job", "id")
    journal.close()
    assert " /_emulator/on-behalf-of/***?resource=x " in journal.path.read_text()


def test_redaction() -> None:
    assert redacted("sv=2020&sig=abc%3D&se=x") == "sv=2020&sig=***&se=x"
    assert redacted("SIG=abc") == "SIG=***"
    assert redacted("signal=abc") == "signal=abc"
    assert clean("a\nb\x1b[31m") == "a?b?[31m"


async def broken(call: Any) -> Any:
    raise ZeroDivisionError


async def whole() -> Any:
    return {"type": "http.request", "body": b""}


async def stalled() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "receive, status, code", [(whole, 500, "InternalServerError"), (stalled, 408, "RequestTimeout")]
)
def test_what_no_handler_answers(tmp_path: Any, monkeypatch: Any, receive: Any, status: int, code: str) -> None:
    """A bug, an exception that is no ``AzureError``, and a body that never comes: one answer, with the request's id."""
    monkeypatch.setattr("emulator.app.SILENCE", 0.01)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = App(None, Table((Route(CONTROLS, "GET", "/x", broken),)), Journal(tmp_path))  # type: ignore[arg-type]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "state": {"host": CONTROLS},
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == status
    assert dict(sent[0]["headers"])[b"x-ms-request-id"]
    assert f'"code":"{code}"'.encode() in sent[1]["body"]

"""Malformed requests: hundreds, each a valid one with something broken. None is answered 5xx, none is left hanging."""

from __future__ import annotations

import asyncio
import http.client
import random
import ssl
from typing import Any

import pytest
from azure.identity import EnvironmentCredential

from emulator import Emulator
from emulator.app import App
from emulator.gateway.hosts import CONTROLS
from emulator.journal import Journal, clean, redacted
from emulator.routes import Route, Table
from tests.emulator.test_gateway import connect

SEED = 20260131
HOSTS = ("management.azure.com", "login.microsoftonline.com", "westeurope.api.azureml.ms", "v.vault.azure.net")
PATHS = (
    "/subscriptions/{s}/resourceGroups/{x}",
    "/{x}",
    "/subscriptions/{s}/providers/{x}/{x}",
    "/{t}/oauth2/v2.0/token",
)
PATHS += ("/subscriptions/{s}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{x}",)
PATHS += ("/subscriptions/{s}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{x}/subnets/{x}",)
PARTS = (
    "..",
    "..%2f..%2fetc",
    "%2e%2e",
    "%",
    "%zz",
    "%00",
    "%0d%0aX: y",
    "é",
    "%c3%28",
    "a" * 3000,
    "\\",
    "//",
    "{}",
    "😀",
    "'",
    "x",
)
QUERIES = (
    "",
    "?",
    "?api-version=2024-03-01",
    "?api-version=%",
    "?api-version=2024-03-01&$filter='",
    "?%ff=%fe",
    "?a=b&" * 300,
)
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"location": {}}',
    b"[" * 50_000,
    b'{"a": 1e999}',
    b"grant_type=%",
    b"\x00" * 99,
)
METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "MERGE", "put", "G\x01T", "")
LENGTHS = (None, None, None, "-1", "x", "9" * 40, "0", "1, 2")


def request(dice: random.Random, host: str, azure: Emulator, token: str) -> tuple[bytes, bool]:
    """The bytes, and whether they are all that their head announces: else the server may wait for the rest."""
    path = dice.choice(PATHS).format(s=azure.settings.subscription, t=azure.settings.tenant, x=dice.choice(PARTS))
    body, length = dice.choice(BODIES), dice.choice(LENGTHS)
    lines = [
        f"{dice.choice(METHODS)} {path}{dice.choice(QUERIES)} {dice.choice(('HTTP/1.1',) * 8 + ('HTTP/9.9', 'SMTP', ''))}",
        f"Host: {dice.choice((host, host, host, '', 'a b', '..'))}",
        f"Content-Length: {len(body) if length is None else length}",
        f"Authorization: {dice.choice((f'Bearer {token}',) * 5 + ('Bearer', 'Basic x', 'Bearer a.b.c', 'é'))}",
        *dice.sample(
            [
                "Transfer-Encoding: chunked",
                "Transfer-Encoding: gzip",
                "Expect: 100-continue",
                "Upgrade: websocket",
                "bad header",
                ": x",
            ]
            + ["If-Match: \x7f", "Content-Type: x", "A: " + "b" * 9000, "Connection: upgrade", " folded"],
            dice.randrange(3),
        ),
        "Connection: close",
    ]
    whole = length is None and not any(line.startswith("Transfer-Encoding") for line in lines)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body, whole


def test_four_hundred_malformed_requests(azure: Emulator) -> None:
    token = EnvironmentCredential().get_token("https://management.azure.com/.default").token
    context = ssl.create_default_context(cafile=str(azure.home.bundle))
    dice = random.Random(SEED)
    for number in range(400):
        host = dice.choice(HOSTS)
        data, whole = request(dice, host, azure, token)
        with connect(azure.port, host) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
            tls.settimeout(20 if whole else 0.2)
            try:
                tls.sendall(data)
                answer = tls.recv(65536)
            except ConnectionError:
                continue  # hung up on: it was no HTTP
            except TimeoutError:
                assert not whole, (number, data[:300])
                continue
            status = answer[9:12].decode()
            assert status == "501" or not status.startswith("5"), (number, data[:300], answer[:500])
    assert azure.control("/_emulator/health")["status"] == "ready"
    assert "Traceback" not in (azure.home.logs / "emulator.log").read_text()


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


def test_a_bug_is_logged_and_said(tmp_path: Any) -> None:
    """An exception that is no ``AzureError`` is answered 500, once, with the request's id."""

    async def broken(call: Any) -> Any:
        raise ZeroDivisionError

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

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
    assert sent[0]["status"] == 500
    assert b'"code":"InternalServerError"' in sent[1]["body"]

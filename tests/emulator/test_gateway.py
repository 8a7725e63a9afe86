"""The gateway by its sockets: who is let in, who is turned away and with which words, and that nothing hangs."""

from __future__ import annotations

import asyncio
import gc
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
import requests
import uvloop

from emulator import Emulator
from emulator.gateway.ca import Authority
from emulator.gateway.server import Gateway
from emulator.home import Home

DEADLINE = 10.0


def say(port: int, data: bytes, *, end: bool = False) -> bytes:
    """Everything that the gateway answers to ``data`` until it closes."""
    with closing(socket.create_connection(("127.0.0.1", port), DEADLINE)) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def connect(port: int, host: str, to: int = 443) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), DEADLINE)
    connection.sendall(f"CONNECT {host}:{to} HTTP/1.1\r\nHost: {host}:{to}\r\n\r\n".encode())
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return connection


@contextmanager
def echo() -> Iterator[int]:
    """A server outside the emulator that sends back what it gets; its port."""

    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65536):
                self.request.sendall(data)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_an_emulated_host_speaks_tls_with_a_certificate_of_its_own(azure: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(azure.home.bundle))
    for host in ("management.azure.com", "x.vault.azure.net", "account1.blob.core.windows.net"):
        with connect(azure.port, host) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
            certificate: Any = tls.getpeercert()
            assert certificate["subjectAltName"] == (("DNS", host),)


def test_who_does_not_trust_the_authority_gets_nothing(azure: Emulator) -> None:
    import certifi

    with pytest.raises(requests.exceptions.SSLError):
        requests.get("https://management.azure.com/subscriptions", verify=certifi.where(), timeout=DEADLINE)


def test_another_hosts_name_is_not_certified(azure: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(azure.home.bundle))
    with connect(azure.port, "management.azure.com") as raw, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(raw, server_hostname="login.microsoftonline.com")


@pytest.mark.parametrize(
    "host", ["graph.microsoft.com", "management.usgovcloudapi.net", "r.azurecr.io", "169.254.169.254"]
)
def test_the_rest_of_azure_is_refused_by_name(azure: Emulator, host: str) -> None:
    answer = say(azure.port, f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
    status = answer.split(b"\r\n")[0]
    assert status.startswith(b"HTTP/1.1 403 ")
    assert host.encode() in status
    with pytest.raises(requests.exceptions.ProxyError, match=host.replace(".", "[.]")):
        requests.get(f"https://{host}/", timeout=DEADLINE)


def test_what_is_not_azures_passes_through_untouched(azure: Emulator) -> None:
    block = bytes(range(256)) * 4096
    with echo() as port, connect(azure.port, "127.0.0.1", port) as tunnel:
        sender = threading.Thread(target=tunnel.sendall, args=(block,))
        sender.start()
        got = b""
        while len(got) < len(block):
            got += tunnel.recv(1 << 20)
        sender.join()
        assert got == block
        tunnel.shutdown(socket.SHUT_WR)
        assert tunnel.recv(1) == b""


def test_what_cannot_be_reached_is_said(azure: Emulator) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    answer = say(azure.port, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"CONNECT nowhere HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT a..b:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT xn--a.vault.azure.net:443 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", b"501"),
        (b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n\x16\x03\x01", b"400"),
        (b"GET /_emulator/health HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /_emulator/../x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /_emulator/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"403"),
        (
            b"POST /_emulator/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            b"403",
        ),
        (b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", b"400"),
    ],
)
def test_bad_first_bytes_are_answered(azure: Emulator, data: bytes, status: bytes) -> None:
    assert say(azure.port, data).split(b" ")[1] == status


def test_half_a_head_and_no_more(azure: Emulator) -> None:
    assert say(azure.port, b"CONNECT management.az", end=True) == b""


def test_half_a_handshake_and_no_more(azure: Emulator) -> None:
    with connect(azure.port, "management.azure.com") as connection:
        connection.sendall(b"\x16\x03\x01")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) in (b"", b"\x15\x03\x01\x00\x02\x022")  # closed, perhaps with TLS's word for it


def test_a_thousand_connections_at_once(azure: Emulator) -> None:
    """All are open before the first asks anything, a quarter of them within TLS."""
    context = ssl.create_default_context(cafile=str(azure.home.bundle))
    host = "management.azure.com"
    with ExitStack() as stack:
        for _ in range(750):
            stack.enter_context(connect(azure.port, host))
        secure = []
        for _ in range(250):
            raw = stack.enter_context(connect(azure.port, host))
            secure.append(stack.enter_context(context.wrap_socket(raw, server_hostname=host)))
        for tls in secure:
            tls.sendall(b"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\r\nHost: management.azure.com\r\n\r\n")
        for tls in secure:
            assert tls.recv(65536).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_stop_leaves_no_connection(tmp_path: Any, run: Any) -> None:
    """Not to a client that is in the middle of nothing: pooled, tunnelled, or yet to speak; what was answered arrives whole."""
    answer = b"x" * 20_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})

    async def go() -> None:
        home = Home(tmp_path / "home").prepare()
        gateway = Gateway(app, Authority(home), {})
        trust = ssl.create_default_context(cafile=str(home.bundle))
        port, host = await gateway.start(), "management.azure.com"
        with echo() as far, ExitStack() as stack:

            def clients() -> tuple[ssl.SSLSocket, list[socket.socket]]:
                silent = stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE))
                tunnel, half = (stack.enter_context(connect(port, *to)) for to in (("127.0.0.1", far), (host, 443)))
                raw = stack.enter_context(connect(port, host))
                pooled = stack.enter_context(trust.wrap_socket(raw, server_hostname=host))
                pooled.sendall(b"GET / HTTP/1.1\r\nHost: management.azure.com\r\n\r\n")
                pooled.recv(1)
                return pooled, [silent, tunnel, half]

            def rest(pooled: ssl.SSLSocket) -> int:
                return sum(len(part) for part in iter(lambda: pooled.recv(1 << 20), b""))

            pooled, others = await asyncio.to_thread(clients)
            reading = asyncio.create_task(asyncio.to_thread(rest, pooled))
            await gateway.stop()
            assert not gateway.open and not gateway.state.connections and not gateway.tasks
            assert await reading > len(answer)
            for other in others:
                with suppress(ConnectionResetError):
                    assert other.recv(1) == b""

    run(go())
    gc.collect()  # what was left would warn, and a warning is an error


def test_the_users_own_proxy_is_chained(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, azure: Emulator) -> None:
    """A second emulator, started behind the first as its proxy, tunnels through it; what ``NO_PROXY`` names goes straight."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{azure.port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{azure.port}")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("no_proxy", "localhost")
    with Emulator(tmp_path / "second", port=0) as second, echo() as port:
        assert second.port != azure.port
        with connect(second.port, "127.0.0.1", port) as tunnel:
            tunnel.sendall(b"through both")
            assert tunnel.recv(100) == b"through both"
        # What the first refuses, the second never asks it for; a host that neither can reach gets the first one's answer.
        answer = say(second.port, b"CONNECT name.invalid:443 HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway: name.invalid:443 cannot be reached")

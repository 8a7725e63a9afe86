"""The gateway: the only file with sockets. One port on loopback, that is a proxy for every host and serves our own controls.

A ``CONNECT`` to an emulated host is upgraded in place: TLS with a certificate for that host, then HTTP, on the very connection
that the client opened. Where a host leads is ``hosts.upstream_for``; what the first bytes mean is ``heads.parse``.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from emulator.gateway import heads
from emulator.gateway.ca import Authority
from emulator.gateway.hosts import CONTROLS, Emulated, PassThrough, Refused, upstream_for

logger = logging.getLogger("emulator")

ADDRESS = "127.0.0.1"
HEAD_TIMEOUT = 30.0  # seconds for a client to finish what it began: a head, a TLS handshake
IDLE_TIMEOUT = 600  # seconds that a kept-alive connection may say nothing; clients pool theirs for minutes
QUICK_ACKNOWLEDGEMENT: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
HEAD_LIMIT = 64 * 1024  # bytes of request line and headers within TLS


class Gateway:
    """``app`` is an ASGI application; it finds the connection's host in ``scope["state"]["host"]``. ``proxies`` is what
    ``urllib.request.getproxies_environment`` gave: the user's own, for what is passed through."""

    def __init__(self, app: Any, authority: Authority, proxies: Mapping[str, str]) -> None:
        self.authority = authority
        self.state = ServerState()
        self.config = Config(
            app=app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_TIMEOUT,
        )
        self.config.load()
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self.proxies = proxies
        self.open: set[asyncio.Transport] = set()  # of TCP: what runs within TLS is closed with it
        self.tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on ``port``, or on another one where it is taken; the port that it became."""
        _allow_many_files()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Door(self), ADDRESS, port, backlog=4096)
        except OSError:
            if port == 0:
                raise
            self._server = await loop.create_server(lambda: Door(self), ADDRESS, 0, backlog=4096)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, grace: float = 5.0) -> None:
        """Take no more, let what is being answered end, close the rest; no connection is left when this returns."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace
        if self._server is not None:
            self._server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=grace)
        tasks = (*self.state.tasks, *self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self.open and clock() < deadline + 1:
            # Closing is not enough: TLS waits for the client's own farewell, and one that keeps its connection for later
            # does not see ours until it uses that again. What is still to be sent may take its time.
            for transport in list(self.open):
                if clock() > deadline or not transport.get_write_buffer_size():
                    transport.abort()
            await asyncio.sleep(0.005)

    def http(self, host: str, transport: asyncio.Transport) -> Http:
        """``transport`` is the TCP connection below."""
        return Http(self.config, self.state, {"host": host}, lambda: self.open.discard(transport))

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Door(asyncio.Protocol):
    """A connection until it is known what its client wants."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._data = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self._decided = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write"), "A stream of bytes."
        self._transport = transport  # type: ignore[assignment]
        self._gateway.open.add(self._transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_TIMEOUT, self._refuse, 408, "no request was sent")

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._gateway.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._decided:  # a tunnel is being opened: what came meanwhile goes down it
            return
        head = heads.parse(self._data)
        if head is None:
            return
        self._decided = True
        self._timer.cancel()
        if isinstance(head, heads.Tunnel):
            self._data = head.rest
            self._tunnel(head)
        elif isinstance(head, heads.Plain):
            http = self._gateway.http(CONTROLS, self._transport)
            self._transport.set_protocol(http)
            http.connection_made(self._transport)
            http.data_received(self._data)
        elif isinstance(head, heads.Forward):
            self._refuse(501, f"{head.url}: only HTTPS is proxied (CONNECT), not requests in clear text")
        else:
            self._refuse(400, head.reason)

    def _tunnel(self, head: heads.Tunnel) -> None:
        upstream = upstream_for(head.host, head.port)
        if isinstance(upstream, Refused):
            self._refuse(403, upstream.reason)
        elif isinstance(upstream, Emulated) and head.rest:
            self._refuse(400, "bytes were sent before the answer to CONNECT")
        elif isinstance(upstream, Emulated):
            self._gateway.spawn(self._upgrade(upstream.host))
        else:
            self._gateway.spawn(self._pass(upstream, head.port))

    async def _upgrade(self, host: str) -> None:
        loop, http = asyncio.get_running_loop(), self._gateway.http(host, self._transport)
        try:
            context = self._gateway.authority.context_for(host)
        except ValueError as error:
            self._refuse(400, f"'{host}' is not a host name: {error}")
            return
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            transport = await loop.start_tls(
                self._transport, http, context, server_side=True, ssl_handshake_timeout=HEAD_TIMEOUT
            )
        except (OSError, asyncio.CancelledError) as error:
            logger.info("%s: no TLS: %s (does the client trust the emulator's bundle?)", host, error)
            self._transport.abort()
            self._gateway.open.discard(self._transport)
            return
        if transport is None or transport.is_closing():
            return
        http.connection_made(transport)

    async def _pass(self, upstream: PassThrough, port: int) -> None:
        self._transport.pause_reading()
        loop = asyncio.get_running_loop()
        far = Pipe(self._transport, self._gateway.open)
        address, hello = _next_hop(self._gateway, upstream.host, port)
        try:
            transport, _ = await asyncio.wait_for(loop.create_connection(lambda: far, *address), HEAD_TIMEOUT)
        except (OSError, asyncio.TimeoutError) as error:
            self._refuse(502, f"{upstream.host}:{port} cannot be reached: {error or 'no answer'}")
            return
        near = Pipe(transport, self._gateway.open)
        near.connection_made(self._transport)
        if hello:  # the next proxy's own answer to CONNECT is what the client gets
            transport.write(hello)
        else:
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self._data:
            transport.write(self._data)
        self._transport.set_protocol(near)
        self._transport.resume_reading()

    def _refuse(self, status: int, reason: str) -> None:
        words = {
            400: "Bad Request",
            403: "Forbidden",
            408: "Request Timeout",
            501: "Not Implemented",
            502: "Bad Gateway",
        }
        text = f"{reason}.\n".encode("utf-8", "replace")
        # The reason is in the status line too: most clients show nothing else of a CONNECT that failed.
        line = "".join(mark if " " <= mark <= "~" else "?" for mark in f"{words[status]}: {reason}")[:400]
        self._transport.write(
            f"HTTP/1.1 {status} {line}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text
        )
        self._transport.close()


class Pipe(asyncio.Protocol):
    """One end of a tunnel: what it receives is written to the other; a slow reader slows the writer down."""

    def __init__(self, peer: asyncio.Transport, open: set[asyncio.Transport]) -> None:
        self._peer = peer
        self._open = open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._own: asyncio.Transport = transport  # type: ignore[assignment]
        self._open.add(self._own)

    def data_received(self, data: bytes) -> None:
        self._peer.write(data)

    def eof_received(self) -> bool:
        if self._peer.can_write_eof() and not self._peer.is_closing():
            self._peer.write_eof()
        return True

    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self._peer.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self._own)
        self._peer.close()


class Corked:
    """A transport whose writes of one turn of the event loop go out as one: uvicorn writes an answer's head and its body
    apart, which within TLS is two records and two system calls."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        if self._parts:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()


class Http(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with what it leaves to a proxy in front: a limit for heads, and a time to finish one."""

    def __init__(
        self, config: Config, state: ServerState, app_state: dict[str, Any], on_end: Callable[[], None]
    ) -> None:
        super().__init__(config, state, app_state)
        self._on_end = on_end
        self._connected = False
        self._early = b""
        self._head: int | None = None  # bytes so far of a head that is not complete
        self._chunk = 0  # bytes of the latest read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Corked(transport, self.loop))  # type: ignore[arg-type]  # all of it that uvicorn uses
        self._connected = True
        self._arm(IDLE_TIMEOUT)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end()
        if self._connected:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self._connected:  # the handshake's last bytes brought the first of the request along
            self._early += data
            return
        self._chunk = len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head is not None:
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self.send_400_response("The request's head is too large.")
                return
        if self._head is None and self.cycle is not None and self.cycle.more_body:
            self._acknowledge()
        if self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
            self._arm(HEAD_TIMEOUT if self._head is not None else IDLE_TIMEOUT)

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if (self._head or 0) + self._chunk > HEAD_LIMIT:  # perhaps: what came with it may be of the body
            if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
                raise ValueError("The request's head is too large.")
        self._head = None
        super().on_headers_complete()

    def _acknowledge(self) -> None:
        """Let the body come at once. Behind a proxy urllib3 leaves Nagle's algorithm on, so that the body of every request
        waits for the acknowledgement of its head, which the kernel would otherwise hold back for 40 ms."""
        if QUICK_ACKNOWLEDGEMENT is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, QUICK_ACKNOWLEDGEMENT, 1)

    def _arm(self, seconds: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


def _next_hop(gateway: Gateway, host: str, port: int) -> tuple[tuple[str, int], bytes]:
    """Where to connect to, and what to say there first: the user's own proxy where the emulator was started behind one."""
    proxy = gateway.proxies.get("https") or gateway.proxies.get("all")
    if not proxy or _direct(host, gateway.proxies.get("no", "")):
        return (host, port), b""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    credential = ""
    if parts.username:
        import base64

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credential = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    hello = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credential}\r\n".encode()
    return (parts.hostname or host, parts.port or 80), hello


def _direct(host: str, exceptions: str) -> bool:
    """Whether ``NO_PROXY`` names the host, or a domain above it."""
    names = [name.strip().lower().lstrip("*").lstrip(".") for name in exceptions.split(",")]
    return any(name and (host == name or host.endswith(f".{name}")) for name in names) or exceptions.strip() == "*"


def _allow_many_files() -> None:
    """A connection is a file: take as many as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

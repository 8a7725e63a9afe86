"""A small HTTP/1.1 client for one server on loopback: streams both ways, keeps connections, holds no body in memory.

Knows nothing of what is sent through it. It is not a general client because those read an answer only after the request's last
byte, end a body that breaks off as if it were whole, or write the head anew; and it costs no more than they do
(``benchmarks/blob_throughput.py``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

HIGH = 512 * 1024  # bytes of a response that wait for the client before reading stops
IDLE = 64  # connections kept for the next request

Headers = list[tuple[bytes, bytes]]


class Lost(Exception):
    """The connection ended before the response did."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time: ``begin``, ``write``…, ``sent``, ``head``, ``read``…, ``release``."""

    def __init__(self, idle: Callable[[Connection], None]) -> None:
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self.closed = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._wake: asyncio.Future[None] | None = None
        self._reset("GET")

    def _reset(self, method: str) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = method == "HEAD"
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self.status = 0
        self.headers: Headers = []
        self._head_seen = False
        self._complete = False
        self._sent = False
        self._keep = False

    # The request

    def begin(self, method: str, head: bytes) -> None:
        self._reset(method)
        self._transport.write(head)

    async def write(self, data: bytes) -> None:
        """Raises ``Lost`` where there is nobody to write to."""
        if self.closed:
            raise Lost
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def sent(self) -> None:
        """The request's last byte was written: the connection may be used again after the response's last."""
        self._sent = True

    # The response

    async def head(self) -> tuple[int, Headers]:
        while not self._head_seen:
            await self._more()
        return self.status, self.headers

    async def read(self) -> tuple[bytes, bool]:
        """The next bytes of the body, and whether more follow. Raises ``Lost``."""
        while not self._chunks and not self._complete:
            await self._more()
        data = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data, not self._complete

    def release(self) -> None:
        """Done with it: keep it for another request where both ends agree where this one ended, else close it."""
        if self._complete and self._sent and self._keep and not self.closed:
            self._idle(self)
        else:
            self.abort()

    def abort(self) -> None:
        self.closed = True  # at once, so that nobody takes it for one that can be used
        self._transport.abort()

    async def _more(self) -> None:
        if self.closed:
            raise Lost
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        self._notify()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()
        self._notify()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue: nobody asked for it
            self.headers = []
            return
        self.status = status
        self._keep = self._parser.should_keep_alive()
        self._head_seen = True
        if self._bodiless:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > HIGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head_seen:
            self._complete = True


class Upstream:
    """The server at ``address()``; connections are opened as they are needed and kept for the next request."""

    def __init__(self, address: Callable[[], int]) -> None:
        self._address = address
        self._kept: list[Connection] = []

    async def connect(self) -> Connection:
        """Raises ``OSError`` where nothing listens."""
        while self._kept:
            connection = self._kept.pop()
            if not connection.closed:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._keep), "127.0.0.1", self._address()
        )
        return connection

    def close(self) -> None:
        for connection in self._kept:
            connection.abort()
        self._kept.clear()

    def _keep(self, connection: Connection) -> None:
        if len(self._kept) < IDLE:
            self._kept.append(connection)
        else:
            connection.abort()

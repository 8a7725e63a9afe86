"""A lean HTTP/1.1 client through the emulator's gateway, so that what is measured is the emulator and not the client."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from urllib.parse import urlencode

from emulator import Emulator


@lru_cache
def _trust(bundle: str) -> ssl.SSLContext:
    """Read once: the roots of a machine take 20 ms to parse, more than a connection."""
    return ssl.create_default_context(cafile=bundle)


class Wire:
    """One connection to ``host`` through the gateway at ``port``: CONNECT, TLS, then requests one after another."""

    def __init__(self, port: int, host: str, bundle: str) -> None:
        self.port, self.host = port, host
        self._context = _trust(bundle)

    async def __aenter__(self) -> Wire:
        loop, tunnel = asyncio.get_running_loop(), socket.socket()
        tunnel.setblocking(False)
        await loop.sock_connect(tunnel, ("127.0.0.1", self.port))
        await loop.sock_sendall(tunnel, f"CONNECT {self.host}:443 HTTP/1.1\r\nHost: {self.host}:443\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n") and (part := await loop.sock_recv(tunnel, 4096)):
            head += part
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            tunnel.close()
            raise ConnectionError(head.decode("latin-1"))
        self.reader, self.writer = await asyncio.open_connection(
            sock=tunnel, ssl=self._context, server_hostname=self.host
        )
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.writer.transport.abort()  # a TLS connection that is closed politely outlives the loop on Python 3.10

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body, bodiless=method == "HEAD")

    async def raw(self, request: bytes, *, bodiless: bool = False) -> tuple[int, bytes]:
        """Send these bytes as they are, and read one answer."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        if bodiless or status in (204, 304):
            return status, b""
        if "transfer-encoding: chunked" in head:
            content = b""
            while size := int((await self.reader.readline()).split(b";")[0], 16):
                content += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
            return status, content
        length = next(
            (int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:")), None
        )
        if length is None:
            return status, await self.reader.read()
        return status, await self.reader.readexactly(length)


def bearer(azure: Emulator, resource: str) -> str:
    """A token of the local principal for ``resource``, a URL without a slash at its end."""
    variables = azure.environment()
    form = {
        "grant_type": "client_credentials",
        "client_id": variables["AZURE_CLIENT_ID"],
        "client_secret": variables["AZURE_CLIENT_SECRET"],
        "scope": f"{resource}/.default",
    }
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": variables["HTTPS_PROXY"]}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])),
    )
    url = f"https://login.microsoftonline.com/{variables['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    with opener.open(url, urlencode(form).encode()) as answer:
        return str(json.load(answer)["access_token"])

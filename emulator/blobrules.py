"""What Azurite must not see, and the answer that Storage gives to it. Pure: a request in, an ``AzureError`` or nothing out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from emulator.errors import AzureError, NotEmulated

SUFFIX = ".blob.core.windows.net"


@dataclass
class Request:
    """A request on its way: what ASGI says of it, and what the gate found out. ``path`` and ``query`` are as sent."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    host: str
    anonymous: bool = False  # nothing in it says who sends it
    gone: bool = False  # the client is not there any more
    fields: Mapping[bytes, bytes] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(scope: Mapping[str, Any]) -> Request:
        headers = list(scope["headers"])
        fields = dict(headers)
        host = fields.get(b"host", b"").decode("latin-1").lower().partition(":")[0]
        query: bytes = scope["query_string"]
        pairs = (part.partition(b"=") for part in query.split(b"&") if part)
        options = {_text(name).lower(): _text(value) for name, _, value in pairs}
        return Request(scope["method"], scope["raw_path"], query, headers, host, fields=fields, options=options)

    @property
    def account(self) -> str:
        return self.host.removesuffix(SUFFIX).removesuffix("-secondary")

    @property
    def authorization(self) -> str:
        return self.fields.get(b"authorization", b"").decode("latin-1").strip()

    @property
    def scheme(self) -> str:
        """Of ``Authorization``, in lower case; empty without one."""
        return self.authorization.partition(" ")[0].lower()

    @property
    def signed(self) -> bool:
        """Whether it carries a shared access signature."""
        return "sig" in self.options

    @property
    def version(self) -> str:
        value = self.fields.get(b"x-ms-version", b"").decode("latin-1")
        return value if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else ""

    @property
    def chunked(self) -> bool:
        return b"transfer-encoding" in self.fields

    @property
    def has_body(self) -> bool:
        return self.chunked or self.fields.get(b"content-length", b"0") != b"0"

    @property
    def repeatable(self) -> bool:
        return self.method in ("GET", "HEAD") and not self.has_body

    @property
    def batch(self) -> bool:
        return self.method == "POST" and self.options.get("comp", "").lower() == "batch"

    def authorize(self, value: bytes) -> None:
        self.headers = [(name, value if name == b"authorization" else old) for name, old in self.headers]

    def head(self, length: int | None = None) -> bytes:
        """The request as Azurite gets it; ``length`` where the body is another than the client's."""
        target = self.path + (b"?" + self.query if self.query else b"")
        lines = [b"%b %b HTTP/1.1" % (self.method.encode("latin-1"), target), b"host: " + self.host.encode("latin-1")]
        for name, value in self.headers:
            if name == b"host" or name in HOP or (length is not None and name in LENGTH):
                continue
            lines.append(name + b": " + value)
        if length is not None:
            lines.append(b"content-length: %d" % length)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path.decode('latin-1')}"


# Of one connection, not of the request (RFC 9110, 7.6.1); ``expect`` has been answered by the server in front.
HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect")
)
LENGTH = frozenset((b"content-length", b"transfer-encoding"))


def check(request: Request) -> None:
    """Raises for what Azurite would answer with a bare 500, or not at all."""


def no_such_account(account: str) -> AzureError:
    """In Azure the name of an account that does not exist does not resolve; there is no HTTP answer to copy."""
    return AzureError(404, "ResourceNotFound", f"The specified resource does not exist. There is no storage account '{account}'.")


def busy() -> AzureError:
    return AzureError(
        503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request.", headers={"Retry-After": "1"}
    )


def unknown_outcome() -> AzureError:
    return AzureError(500, "OperationTimedOut", "The operation could not be completed within the permitted time.")


def _text(value: bytes) -> str:
    return unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")

"""A request for blobs on its way to Azurite: who asks, for which account and container, and what a role must allow for it.

Pure: what ASGI says, read. What of it is refused is said by ``rules``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

SUFFIX = ".blob.core.windows.net"
BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Of one connection, not of the request (RFC 9110, 7.6.1); ``expect`` has been answered by the server in front.
HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
        b"expect",
    )
)


@dataclass
class Request:
    """A request on its way: what ASGI says of it, and what the gate found out. ``path`` and ``query`` are as sent."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    host: str  # that the connection was made for
    named: str = ""  # the request's own ``Host``
    fields: Mapping[bytes, bytes] = field(
        default_factory=dict
    )  # the headers by name; the last where one is there twice
    options: Mapping[str, str] = field(default_factory=dict)  # the query, decoded
    parameters: Sequence[tuple[str | None, str | None]] = ()  # the query in its order; None for what cannot be decoded
    anonymous: bool = False  # nothing in it says who sends it
    gone: bool = False  # the client is not there any more
    answered: bool = False  # the first of the answer has been sent

    @staticmethod
    def of(scope: Mapping[str, Any]) -> Request:
        headers = list(scope["headers"])
        fields = dict(headers)
        named = fields.get(b"host", b"").decode("latin-1").lower()
        host = scope.get("state", {}).get("host", named.partition(":")[0])
        query: bytes = scope["query_string"]
        parameters = list(_parameters(query))
        options = {name: value for name, value in parameters if name is not None and value is not None}
        return Request(scope["method"], scope["raw_path"], query, headers, host, named, fields, options, parameters)

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
    def has_body(self) -> bool:
        return self.fields.get(b"content-length", b"0") != b"0"

    @property
    def repeatable(self) -> bool:
        return self.method in ("GET", "HEAD") and not self.has_body

    @property
    def publishes(self) -> bool:
        """Whether it would let anybody read a container."""
        return self.method == "PUT" and self.fields.get(b"x-ms-blob-public-access", b"") != b""

    @property
    def keyed(self) -> bool:
        """Whether an account's key stands behind it: SharedKey itself, or a signature that is no user's delegation."""
        return self.scheme in ("sharedkey", "sharedkeylite") or (self.signed and "skoid" not in self.options)

    @property
    def container(self) -> str:
        """Empty where the request is for the account."""
        name = unquote_to_bytes(self.path).decode("utf-8", "replace").strip("/").partition("/")[0]
        return "" if self.options.get("comp", "").lower() in ("userdelegationkey",) else name

    @property
    def action(self) -> str:
        """What a role must allow: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory"""
        service, comp = "Microsoft.Storage/storageAccounts/blobServices", self.options.get("comp", "").lower()
        if comp == "userdelegationkey":
            return f"{service}/generateUserDelegationKey/action"
        if self.method in ("GET", "HEAD", "OPTIONS"):
            verb = "read"
        else:
            verb = "delete" if self.method == "DELETE" or self.batch else "write"
        of_container = not self.container or (self.options.get("restype") == "container" and comp != "list")
        return f"{service}/containers/{verb}" if of_container else f"{service}/containers/blobs/{verb}"

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
            if name == b"host" or name in HOP or (length is not None and name == b"content-length"):
                continue
            lines.append(name + b": " + value)
        if length is not None:
            lines.append(b"content-length: %d" % length)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path.decode('latin-1')}"


@dataclass(frozen=True)
class Policy:
    """What an account permits: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create#request-body"""

    public_access: bool = True
    shared_key: bool = True
    account_id: str = ""  # of its resource; an account without one is the emulator's own, and asks for no roles


def _parameters(query: bytes) -> Iterator[tuple[str | None, str | None]]:
    """Names in lower case, and values; ``None`` for one that is not percent-encoded UTF-8."""
    for part in filter(None, query.split(b"&")):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        word = decoded(name)
        yield (None if word is None else word.lower()), decoded(value)


def decoded(value: bytes) -> str | None:
    """As JavaScript's ``decodeURIComponent`` reads it, which is strict in both: the percent signs and the UTF-8."""
    if b"%" in value:
        if BAD_ESCAPE.search(value):
            return None
        value = unquote_to_bytes(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None

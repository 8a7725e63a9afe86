"""The first bytes of a connection to the gateway: what the client wants of it. Pure: bytes in, a value out.

parse(b"CONNECT vault.azure.net:443 HTTP/1.1\\r\\n\\r\\n")  Tunnel("vault.azure.net", 443, rest=b"")
parse(b"GET /_emulator/health HTTP/1.1\\r\\n…")             Plain()
parse(b"CONN")                                            None: not enough yet
parse(b"\\x16\\x03\\x01…")                                   Malformed("…")
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LIMIT = 16 * 1024  # of the head, bytes: a CONNECT needs a hundred

_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])\Z")
_AUTHORITY = re.compile(rb"(\[[0-9a-fA-F:.%]+\]|[^:\[\]/?#@]+):([0-9]{1,5})\Z")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\Z")


@dataclass(frozen=True)
class Tunnel:
    """A CONNECT; ``rest`` is what the client sent after its head without waiting for the answer."""

    host: str
    port: int
    rest: bytes


@dataclass(frozen=True)
class Plain:
    """A request for the gateway itself, ``GET /…``."""


@dataclass(frozen=True)
class Forward:
    """A request for another host in clear text, ``GET http://…``: nothing of Azure's speaks that, and it is not forwarded."""

    url: str


@dataclass(frozen=True)
class Malformed:
    reason: str


Head = Tunnel | Plain | Forward | Malformed


def parse(data: bytes) -> Head | None:
    """The head that ``data`` begins with, ``None`` while it is not complete and may still become one."""
    line, separator, _ = data.partition(b"\r\n")
    if not separator:
        if len(data) > LIMIT:
            return Malformed("the request line is too long")
        return _impossible(data)
    found = _REQUEST.match(line)
    if not found:
        return Malformed("the first line is not a request of HTTP/1.1")
    method, target = found[1], found[2]
    if method != b"CONNECT":
        if target.startswith(b"/") or target == b"*":
            return Plain()
        return Forward(target.decode("ascii"))
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return Malformed("the head is too long") if len(data) > LIMIT else None
    if not all(_FIELD.match(field) for field in head.split(b"\r\n")[1:]):
        return Malformed("a header line is not 'name: value'")
    authority = _AUTHORITY.match(target)
    if not authority or not 0 < int(authority[2]) < 65536:
        return Malformed(f"CONNECT takes host:port, not '{target.decode('ascii')}'")
    return Tunnel(authority[1].decode("ascii"), int(authority[2]), rest)


def _impossible(data: bytes) -> Malformed | None:
    """Say so at once when no further byte can make this a request: a TLS hello, for one, would wait for ever."""
    if data[:1] == b"\x16":
        return Malformed("this port speaks plain HTTP: use it as HTTPS_PROXY=http://…, not as https://")
    if data and not re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}( [\x21-\x7e]*( [HTP/1.0\r]{0,9})?)?\Z", data):
        return Malformed("the first line is not a request of HTTP/1.1")
    return None

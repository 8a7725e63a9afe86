"""The first bytes of a connection, as a dialogue: what came so far, and what is made of it."""

from __future__ import annotations

import pytest

from emulator.gateway.heads import LIMIT, Forward, Malformed, Plain, Tunnel, parse


def test_a_tunnel_byte_by_byte() -> None:
    whole = b"CONNECT vault.vault.azure.net:443 HTTP/1.1\r\nHost: vault.vault.azure.net:443\r\nUser-Agent: x\r\n\r\n"
    for end in range(len(whole)):
        assert parse(whole[:end]) is None, whole[:end]
    assert parse(whole) == Tunnel("vault.vault.azure.net", 443, b"")
    assert parse(whole + b"\x16\x03") == Tunnel("vault.vault.azure.net", 443, b"\x16\x03")


def test_an_address() -> None:
    assert parse(b"CONNECT [::1]:8080 HTTP/1.1\r\n\r\n") == Tunnel("[::1]", 8080, b"")


def test_a_request_for_ourselves() -> None:
    assert parse(b"GET /_emulator/health HTTP/1.1\r\n") == Plain()
    assert parse(b"POST / HTTP/1.0\r\nHost: x") == Plain()


def test_clear_text_for_another_host() -> None:
    assert parse(b"GET http://example.com/ HTTP/1.1\r\n") == Forward("http://example.com/")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00",
        b"hello there general\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/3",
        b"CONNECT HTTP/1.1\r\n",
        b"CONNECT example.com HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:0 HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:99999 HTTP/1.1\r\n\r\n",
        b"CONNECT user@example.com:443 HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nno colon\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n" + b"A: b\r\n" * LIMIT,
        b"G" * (LIMIT + 1),
        b"GET /" + b"a" * LIMIT,
    ],
)
def test_malformed_at_once(data: bytes) -> None:
    assert isinstance(parse(data), Malformed)

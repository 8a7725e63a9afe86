"""Requests that nobody should send: each gets Storage's own answer, and none of them a 500."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from tests.emulator.storage import Storage
from tests.emulator.test_blobs import Line

BLOB = {"x-ms-blob-type": "BlockBlob"}
BLOCKS = b"<BlockList><Latest>QUJD</Latest></BlockList>"


@pytest.fixture(scope="module", autouse=True)
def data(storage: Storage) -> None:
    storage.service().create_container("data").upload_blob("x", b"hello")


def ask(
    storage: Storage,
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    host: str = "first.blob.core.windows.net",
) -> tuple[int, str]:
    """Status, and the code: the header's and the body's, which must agree."""
    every = {
        "Host": host,
        "Authorization": f"Bearer {storage.token()}",
        "x-ms-version": "2021-12-02",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in every.items() if value is not None)
    line = Line(storage)
    try:
        line.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)
        answer = line.answer(method)
        content = answer.read()
    finally:
        line.close()
    code = answer.headers.get("x-ms-error-code", "")
    if answer.status >= 400 and content:
        root = ElementTree.fromstring(content)
        assert (root.tag, root.findtext("Code")) == ("Error", code)
        assert root.findtext("Message")
    return answer.status, code


@pytest.mark.parametrize(
    "target",
    [
        "/data/%",
        "/data/%zz",
        "/data/%u0041",
        "/data/%ff",
        "/data/%ed%a0%80",
        "/data/%00",
        "/data/a%0ab",
        "/data/..%2f..%2fetc%2fpasswd",
        "/data/%2e%2e/x",
        "/data/a/../../../x",
        "/data/..%5c..%5cx",
        "/data/" + "a" * 1025,
        "/../../etc/passwd",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_path_that_names_nothing(storage: Storage, method: str, target: str) -> None:
    assert ask(storage, method, target, BLOB) == (400, "InvalidUri")


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "expected"),
    [
        ("GET", "/?comp=%zz", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/?comp=list&prefix=%ff", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/?comp=list&prefix=%00", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/?comp=list&comp=properties", {}, b"", (400, "InvalidQueryParameterValue")),
        ("GET", "/data/x?sig=%25zz&sv=2021-12-02", {}, b"", (403, "AuthenticationFailed")),
        ("GET", "/?comp=blobs", {}, b"", (400, "MissingRequiredQueryParameter")),
        ("GET", "/data/x?comp=pagelist", {"Range": "a,b"}, b"", (400, "InvalidHeaderValue")),
        ("GET", "/data/x", {"Host": ""}, b"", (400, "InvalidHeaderValue")),
        ("GET", "/data/x", {"Host": "second.blob.core.windows.net"}, b"", (400, "InvalidHeaderValue")),
        ("GET", "/data/x", {"x-ms-meta-a": "x" * 17_000}, b"", (400, "InvalidInput")),
        ("GET", "/data/x", {"Authorization": "Basic eDp5"}, b"", (400, "InvalidAuthenticationInfo")),
        ("GET", "/data/x", {"Authorization": "SharedKeyLite first:AAAA"}, b"", (501, "NotImplemented")),
        ("PUT", "/data/y", {}, b"", (400, "InvalidInput")),  # no blob type
        ("PUT", "/data/y", {**BLOB, "Content-Length": None}, b"", (411, "MissingContentLengthHeader")),
        ("PUT", "/data/y", {**BLOB, "x-ms-tags": "no equals sign"}, b"", (400, "InvalidHeaderValue")),
        ("PUT", "/data/y", {**BLOB, "x-ms-encryption-key": "AAAA"}, b"", (501, "NotImplemented")),
        ("PUT", "/data/y", {"x-ms-copy-source": "nonsense"}, b"", (400, "InvalidHeaderValue")),
        ("PUT", "/data/y", {"x-ms-copy-source": "https://example.com/a"}, b"", (501, "NotImplemented")),
        ("PUT", "/more?restype=container", {"x-ms-blob-public-access": "all"}, b"", (400, "InvalidHeaderValue")),
        ("PUT", "/data/y?comp=blocklist", {}, b"", (400, "InvalidXmlDocument")),
        ("PUT", "/data/y?comp=blocklist", {}, b"<BlockList>", (400, "InvalidXmlDocument")),
        ("PUT", "/data/y?comp=blocklist", {}, b"<Tags/>", (400, "InvalidXmlDocument")),
        ("PUT", "/data/y?comp=blocklist", {}, b'<!DOCTYPE a [<!ENTITY b "c">]>' + BLOCKS, (400, "InvalidXmlDocument")),
        ("PUT", "/data/y?comp=blocklist", {}, BLOCKS + b" " * (8 << 20), (413, "RequestBodyTooLarge")),
        ("PUT", "/?restype=service&comp=properties", {}, b"", (400, "InvalidXmlDocument")),
        ("PUT", "/?restype=service&comp=properties", {}, b"<StorageServiceProperties/>", (400, "InvalidXmlDocument")),
        ("PUT", "/data/x?comp=tags", {}, b"<Tags", (400, "InvalidXmlDocument")),
        ("POST", "/?restype=service&comp=userdelegationkey", {}, b"{}", (400, "InvalidXmlDocument")),
    ],
)
def test_what_is_not_well_formed(
    storage: Storage, method: str, target: str, headers: dict[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    assert ask(storage, method, target, headers, body) == expected


def test_its_well_formed_twins(storage: Storage) -> None:
    assert ask(storage, "PUT", "/data/a%20b%2Bc%E2%82%AC/d..e/.f", BLOB, b"x") == (201, "")
    assert ask(storage, "GET", "/data/a%20b%2Bc%E2%82%AC/d..e/.f")[0] == 200
    assert ask(storage, "PUT", "/data/z?comp=block&blockid=QUJD", {}, b"abc") == (201, "")
    assert ask(storage, "PUT", "/data/z?comp=blocklist", {}, BLOCKS) == (201, "")
    assert ask(storage, "PUT", "/data/z?comp=tags", {}, TAGS)[0] == 204
    assert ask(storage, "GET", "/data/x", host="first.blob.core.windows.net:443")[0] == 200


TAGS = b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>"
TARGETS = (
    ("PUT", "/data/x", BLOB, b"hello"),
    ("PUT", "/data/x?comp=block&blockid=QUJD", {}, b"abc"),
    ("PUT", "/data/x?comp=blocklist", {}, BLOCKS),
    ("PUT", "/data/x?comp=metadata", {"x-ms-meta-a": "b"}, b""),
    ("PUT", "/data/x?comp=lease", {"x-ms-lease-action": "break"}, b""),
    ("PUT", "/data/x?comp=tags", {}, TAGS),
    ("PUT", "/data/y", {"x-ms-copy-source": "https://first.blob.core.windows.net/data/x"}, b""),
    ("PUT", "/data?restype=container&comp=acl", {}, b"<SignedIdentifiers/>"),
    ("GET", "/data/x", {"Range": "bytes=0-3"}, b""),
    ("GET", "/data/x?comp=blocklist&blocklisttype=all", {}, b""),
    ("GET", "/data?restype=container&comp=list&maxresults=2", {}, b""),
    ("GET", "/?comp=blobs&where=a%3D%27b%27", {}, b""),
    ("POST", "/?restype=service&comp=userdelegationkey", {}, b"<KeyInfo><Expiry>x</Expiry></KeyInfo>"),
    ("DELETE", "/data/y", {}, b""),
)
NONSENSE = (
    "",
    " ",
    "-1",
    "9" * 30,
    "NaN",
    "%",
    "%zz",
    "%00",
    "\xff",
    "a" * 3000,
    "../..",
    '"',
    "=",
    "bytes=5-1",
    "x=y&z",
)
HEADERS = (
    "x-ms-blob-type x-ms-version x-ms-date Range x-ms-range If-Match If-None-Match If-Modified-Since If-Unmodified-Since "
    "Content-MD5 x-ms-lease-id x-ms-lease-action x-ms-lease-duration x-ms-proposed-lease-id x-ms-copy-source x-ms-tags "
    "x-ms-access-tier x-ms-blob-content-length x-ms-meta-__proto__ x-ms-delete-snapshots x-ms-if-tags Content-Type Origin"
).split()
OPTIONS = (
    "comp restype snapshot timeout prefix marker maxresults include where blockid sv sig se sp sr skoid a[b]".split()
)


def test_four_hundred_at_random(storage: Storage) -> None:
    dice = random.Random(20261124)

    def broken() -> tuple[str, str, dict[str, str], bytes]:
        method, target, headers, body = dice.choice(TARGETS)
        headers = dict(headers)
        for _ in range(dice.choice((1, 1, 2, 3))):
            kind = dice.randrange(5)
            if kind == 0:
                headers[dice.choice(HEADERS)] = dice.choice(NONSENSE)
            elif kind == 1:
                value = "".join(mark if "!" <= mark <= "~" else f"%{ord(mark):02x}" for mark in dice.choice(NONSENSE))
                target += f"{'&' if '?' in target else '?'}{dice.choice(OPTIONS)}={value}"
            elif kind == 2:
                body = bytes(dice.choice(b"<>&/xa\x00\xff") if dice.random() < 0.2 else byte for byte in body)
            elif kind == 3:
                body = body[: dice.randrange(len(body) + 1)]
            else:
                method = dice.choice(("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"))
        return method, target, headers, body

    requests = [broken() for _ in range(400)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda request: ask(storage, *request), requests))
    failures = [(request, answer) for request, answer in zip(requests, answers, strict=True) if answer[0] >= 500]
    assert [(request, answer) for request, answer in failures if answer[0] != 501] == []
    assert storage.service().get_account_information()

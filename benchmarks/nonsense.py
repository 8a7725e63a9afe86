"""Malformed requests as bytes: valid ones with something broken. Pure functions of dice and of what there is to aim at.

Each kind is one function: bodies of resources, blobs, the data plane, sign-in, the framing of HTTP itself, and what is said to the
proxy. What they send need not be invalid, and some of it is not. The words are in ``nonsense.yaml``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.conftest import API_VERSIONS

ARM, PLANE = "management.azure.com", "westeurope.api.azureml.ms"
LOGIN, VAULT = "login.microsoftonline.com", "nonsense.vault.azure.net"
MARK = "n0nsense"

WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
METHODS = (
    *("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS") * 4,
    "MERGE",
    "TRACE",
    "put",
    "CONNECT",
    "X" * 40,
)
VALUES = (*WORDS["values"], "x" * 5000, "1" * 400, -(10**400), "\ud800", [None] * 3000)
SEGMENTS = (*WORDS["segments"], "a" * 5000)
DEEP = (b"[" * 50_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900)
BODIES = (
    *(text.encode("latin-1", "surrogatepass") for text in WORDS["bodies"]),
    *DEEP,
    b"9" * 10_000,
    "{}".encode("utf-16"),
)


@dataclass(frozen=True)
class Aim:
    """What there is: ``tokens`` by host, and the id of a workspace, whose group has ``account``, with a container ``box``."""

    workspace: str
    tenant: str
    account: str
    tokens: Mapping[str, str]

    @property
    def group(self) -> str:
        return self.workspace.partition("/providers/")[0]

    @property
    def blobs(self) -> str:
        return f"{self.account}.blob.core.windows.net"

    def fill(self, text: str) -> str:
        return text.replace("{w}", self.workspace).replace("{g}", self.group).replace("{t}", self.tenant)


@dataclass(frozen=True)
class Attempt:
    """``parts`` are sent one after another, to ``host`` or, where that is empty, to the gateway's own port. After one that is
    ``cut`` the client hangs up, because no answer is due."""

    host: str
    parts: tuple[bytes, ...]
    cut: bool = False


def resource(dice: random.Random, aim: Aim) -> Attempt:
    """A resource of ARM's, with a value of its body replaced, a segment of its id, or all of it."""
    path, body = dice.choice(list(WORDS["resources"].items()))
    namespace = path.lower().rpartition("/providers/")[2].partition("/")[0] if "/providers/" in path else ""
    right = API_VERSIONS["microsoft.machinelearningservices" if path.startswith("{w}") else namespace]
    version = right if dice.random() < 0.8 else dice.choice(WORDS["versions"])
    more = dice.choice(("",) * 40 + ("&$top=-1", "&$skip=%ff", "&$filter=%27", "&a=b" * 300))
    method = "PUT" if dice.random() < 0.6 else dice.choice(METHODS)
    if method == "DELETE" and path in ("{g}", "{w}"):  # what the others are aimed at
        method = "PATCH"
    path = _bent(dice, path)
    return _request(dice, aim, ARM, method, f"{aim.fill(path)}?api-version={version}{more}", _broken(dice, body, aim))


def plane(dice: random.Random, aim: Aim) -> Attempt:
    """Run history, MLflow, artifacts, and the index."""
    path, body = dice.choice(list(WORDS["planes"].items()))
    odd = quote(str(dice.choice(VALUES))[:300], errors="replace")
    query = dice.choice(("", "", f"?path=../../{MARK}", f"?run_id={odd}", f"?max_results={odd}"))
    method = "POST" if dice.random() < 0.6 else dice.choice(METHODS)
    return _request(dice, aim, PLANE, method, aim.fill(_bent(dice, path)) + query, _broken(dice, body, aim))


def signing_in(dice: random.Random, aim: Aim) -> Attempt:
    """Tokens and their documents, and a vault's secrets."""
    if dice.random() < 0.3:
        path = f"/secrets/{dice.choice(SEGMENTS)}?api-version={dice.choice(('7.4', '7.5', '', 'x'))}"
        body = _broken(dice, {"value": "x", "attributes": {"exp": 1}}, aim)
        return _request(dice, aim, VAULT, dice.choice(METHODS), path, body)
    form = {
        "grant_type": "client_credentials",
        "client_id": aim.tenant,
        "client_secret": "x",
        "scope": f"https://{ARM}/.default",
    }
    for name in dice.sample([*form, "client_assertion", "client_assertion_type", "code", "username"], 2):
        form[name] = str(dice.choice(VALUES))[:5000]
    content = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in form.items()).encode()
    document = dice.choice(
        ("oauth2/v2.0/token", "oauth2/token", "v2.0/.well-known/openid-configuration", "discovery/v2.0/keys")
    )
    path = _bent(dice, f"/{dice.choice((aim.tenant, 'common', *SEGMENTS))}/{document}")
    method = "POST" if dice.random() < 0.7 else dice.choice(METHODS)
    body = content if dice.random() < 0.8 else dice.choice(BODIES)
    return _request(dice, aim, LOGIN, method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})


def blob(dice: random.Random, aim: Aim) -> Attempt:
    words = WORDS["blobs"]
    path = f"/{dice.choice((*SEGMENTS, *['box'] * 20))}/{dice.choice((*SEGMENTS, *['blob'] * 20))}"
    if dice.random() < 0.2:
        path = path.rpartition("/")[0]
    headers = {"x-ms-version": "2021-12-02", "x-ms-blob-type": "BlockBlob"}
    headers |= {
        name: dice.choice((*words["values"], "a" * 3000)) for name in dice.sample(words["headers"], dice.randrange(4))
    }
    method, query = dice.choice(METHODS), dice.choice(words["queries"])
    if method == "DELETE" and path.startswith("/box") and "restype" in query:
        method = "PUT"
    return _request(dice, aim, aim.blobs, method, path + query, dice.choice(BODIES), headers)


def framing(dice: random.Random, aim: Aim) -> Attempt:
    """HTTP itself: lengths, chunks, heads, and more than one request."""
    data = f"{aim.workspace}/data/{MARK}?api-version=2024-10-01"
    host, path = dice.choice(((ARM, data), (aim.blobs, "/box/framing"), (PLANE, "/discovery"), (LOGIN, "/")))
    fields = [f"Host: {host}", f"Authorization: Bearer {aim.tokens.get(host, 'none')}", "x-ms-version: 2021-12-02"]
    fields += ["x-ms-blob-type: BlockBlob"]

    def said(line: str, *more: str, body: bytes = b"", cut: bool = False) -> Attempt:
        head = "\r\n".join([line, *fields, *more, "Connection: close"]).encode("latin-1", "replace")
        return Attempt(host, (head + b"\r\n\r\n" + body,), cut)

    get = f"GET {path} HTTP/1.1"
    whole, plain = said(get).parts[0], f"{get}\r\nHost: {host}\r\n\r\n".encode()
    choice = dice.randrange(12)
    if choice == 0:
        return said(f"{dice.choice(('GET', 'PUT'))} {path} {dice.choice(WORDS['protocols'])}", cut=True)
    if choice == 1:
        target = dice.choice(
            (f"https://{host}{path}", "*", f"{host}:443", f" {path}", "/" + "a" * dice.choice((8_000, 70_000)))
        )
        return said(f"{dice.choice(('GET', 'CONNECT'))} {target} HTTP/1.1")
    if choice == 2:  # pipelined
        return Attempt(host, (plain * dice.randint(2, 40) + whole,))
    if choice == 3:
        return Attempt(host, (plain * 3 + b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n",), cut=True)
    if choice == 4:  # floods
        return said(get, *(f"A{number}: b" for number in range(dice.choice((100, 1000, 5000)))))
    if choice == 5:
        return said(get, "A: " + "b" * dice.choice((8_000, 40_000, 70_000, 1_000_000)))
    if choice == 6:
        return said(get.replace("GET", "PUT"), "Content-Length: 5000000", body=b"[" * 5_000_000)
    if choice == 7:  # slow
        return Attempt(host, tuple(whole[start : start + 40] for start in range(0, len(whole), 40)))
    if choice == 8:
        return Attempt(
            host,
            (dice.choice((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\r\n", plain.replace(b"\r\n", b"\n"))),),
            cut=True,
        )
    odd = dice.choice(WORDS["framings"])
    body = odd.get("body", "").encode("latin-1")
    return said(get if not body else get.replace("GET", "PUT"), *odd["fields"], body=body, cut=odd.get("cut", False))


def proxying(dice: random.Random, aim: Aim) -> Attempt:
    """What is said to the gateway's own port."""
    target = dice.choice(
        (
            *WORDS["targets"],
            "a" * 300 + ".vault.azure.net:443",
            "a." * 200 + "blob.core.windows.net:443",
            "a:" + "9" * 400,
        )
    )
    control = f"{dice.choice(METHODS)} {dice.choice(WORDS['controls'])} HTTP/1.1"
    line = dice.choice(
        (
            f"CONNECT {target} HTTP/1.1",
            f"CONNECT {target} HTTP/1.0",
            control,
            f"CONNECT {target}",
            "\x16\x03\x01\x02\x00",
        )
    )
    fields = ["Host: " + dice.choice(("127.0.0.1", target, "", "evil.example", ".."))]
    fields += dice.sample(["bad", "A: " + "b" * 20_000, "Proxy-Authorization: x", ": x", "A\x00: b"], dice.randrange(2))
    data = "\r\n".join([line, *fields, "Connection: close"]).encode("utf-8", "replace") + b"\r\n\r\n"
    # A tunnel that opens is one that waits for the client; and to a head that is not whole there is no answer yet.
    return Attempt("", (data,), cut="HTTP/" not in line or line.startswith("CONNECT management"))


KINDS = (
    (resource, 34),
    (blob, 22),
    (framing, 18),
    (plane, 14),
    (signing_in, 7),
    (proxying, 5),
)  # and how many of a hundred


def attempts(number: int, seed: int, aim: Aim) -> Iterator[Attempt]:
    dice = random.Random(seed)
    kinds, weights = zip(*KINDS, strict=True)
    for _ in range(number):
        yield dice.choices(kinds, weights)[0](dice, aim)


def _request(
    dice: random.Random,
    aim: Aim,
    host: str,
    method: str,
    target: str,
    body: bytes,
    more: Mapping[str, str] | None = None,
) -> Attempt:
    """Whole, so that an answer is due, but for what the head may say of its length."""
    token, length = f"Bearer {aim.tokens.get(host, 'none')}", str(len(body))
    headers = {
        "Host": dice.choice((host,) * 40 + ("", "example.com", "..")),
        "Authorization": dice.choice((token,) * 60 + ("Bearer x", "Basic eDp5", "SharedKey a:b", "Bearer a.b.c", "é")),
        "Content-Type": dice.choice(("application/json",) * 40 + tuple(WORDS["types"])),
        "Content-Length": dice.choice((length,) * 60 + ("-1", "x", "1" * 30)),
        **(more or {}),
    }
    conditions = (("If-Match", '"x"'), ("If-Match", ""), ("If-None-Match", "*"), ("Accept", "x"), ("Cookie", "="))
    if dice.random() < 0.2:
        name, value = dice.choice(conditions)
        headers[name] = value
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "Connection: close",
    ]
    data = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body
    return Attempt(host, (data,), cut=headers["Content-Length"] != length)


def _bent(dice: random.Random, path: str) -> str:
    choice = dice.random()
    if choice < 0.1:
        return f"{path.rpartition('/')[0]}/{dice.choice(SEGMENTS)}"
    return f"/{dice.choice(SEGMENTS)}/{dice.choice(SEGMENTS)}" if choice < 0.14 else path


def _broken(dice: random.Random, body: Any, aim: Aim) -> bytes:
    """``body`` as JSON with one to three of its values replaced, lost, or joined by others; or no JSON at all."""
    if dice.random() < 0.15:
        return bytes(dice.choice(BODIES))
    document = json.loads(aim.fill(json.dumps(body)))
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            return json.dumps(dice.choice(VALUES)).encode()
        holder, key = dice.choice(places)
        choice = dice.random()
        if choice < 0.1:
            del holder[key]
        elif choice < 0.2 and isinstance(holder, dict):
            key = dice.choice(("", MARK, "é", "a" * 3000, f"../{MARK}", "$", "properties"))
            holder[key] = deepcopy(dice.choice(VALUES))
        else:
            holder[key] = deepcopy(dice.choice(VALUES))
    return json.dumps(document, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every holder and key of the document."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))[:20] if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]

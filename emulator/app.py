"""The one adapter to HTTP: from an ASGI request to a ``Call``, from a ``Reply`` or an error to the wire.

Must live here: decoding of paths and queries, limits, tokens, request ids, the error envelope, the request log. Must not:
what any path means. An exception that is no ``AzureError`` is a bug: logged with its traceback, answered 500.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from emulator.cloud import Cloud
from emulator.errors import AzureError, NotEmulated, bad_request
from emulator.gateway.hosts import CONTROLS, RESOURCE_MANAGER
from emulator.http import SILENCE, Call, Reply
from emulator.journal import Journal
from emulator.routes import Receive, Scope, Send, Table

logger = logging.getLogger("emulator")

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
_UUID = re.compile(r"[0-9a-fA-F-]{1,64}\Z")


class ClientGone(Exception):
    """The client hung up before its request was whole."""


class App:
    """An ASGI application. ``scope["state"]["host"]`` is the host that the connection was made for."""

    def __init__(self, cloud: Cloud, table: Table, journal: Journal) -> None:
        self._cloud = cloud
        self._table = table
        self._journal = journal
        self._date = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        host: str = scope["state"]["host"]
        headers = _headers(scope)
        request_id = str(uuid.uuid4())
        correlation = headers.get("x-ms-correlation-request-id", "")
        common = [
            (b"date", self._now()),
            (b"x-ms-request-id", request_id.encode()),
            (b"x-ms-correlation-request-id", (correlation if _UUID.match(correlation) else request_id).encode()),
        ]
        status = 0

        async def send_and_note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # A room that relays another server's answer brings that server's own.
                sent = {name for name, _ in message.get("headers", ())}
                message["headers"] = [
                    *(pair for pair in common if pair[0] not in sent),
                    *message.get("headers", ()),
                ]
            await send(message)

        try:
            try:
                stream = self._table.stream(host, scope["path"])
                if stream is None or not stream.raw:
                    path = _path(scope["raw_path"])
                    query = _query(scope["query_string"])
                if host == CONTROLS:
                    _check_own_host(headers)
                if stream is not None:
                    await stream.app(self._cloud, scope, receive, send_and_note)
                else:
                    reply = await self._answer(scope, receive, host, path, query, headers)
                    await _send(reply, scope["method"], send_and_note)
            except AzureError as error:
                if status:
                    raise
                await _send(_error(error), scope["method"], send_and_note)
        except (ClientGone, asyncio.CancelledError) as gone:
            status = status or 499
            if isinstance(gone, asyncio.CancelledError):
                raise
        except Exception:
            logger.exception("%s https://%s%s", scope["method"], host, scope["path"])
            if not status:
                message = f"The emulator failed on request {request_id}; its log has the traceback."
                await _send(_error(AzureError(500, "InternalServerError", message)), scope["method"], send_and_note)
        finally:
            self._journal.write(
                scope["method"],
                host,
                scope["path"],
                scope["query_string"].decode("latin-1"),
                status,
                time.perf_counter() - started,
                headers.get("user-agent", "").partition(" ")[0],
                request_id,
            )

    async def _answer(
        self, scope: Scope, receive: Receive, host: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Reply:
        method: str = scope["method"]
        if method not in _METHODS:
            raise AzureError(405, "HttpMethodNotAllowed", f"The HTTP method '{method}' is not supported.")
        found = self._table.route(host, method, path)
        if found is None:
            await _body(receive, headers, 1024 * 1024)
            raise self._nothing(host, method, path)
        route, params = found
        principal = None
        if route.audience is not None:
            if not self._cloud.ready:
                raise AzureError(503, "ServiceUnavailable", "The emulator is starting.", headers={"Retry-After": "1"})
            principal = self._cloud.identity.verify(headers.get("authorization"), route.audiences)
        body = await _body(receive, headers, route.limit)
        if host == RESOURCE_MANAGER:
            self._cloud.faults.answer(method, path)
        return await route.handler(Call(self._cloud, method, host, path, params, query, headers, body, principal))

    def _nothing(self, host: str, method: str, path: str) -> AzureError:
        if host == CONTROLS:
            return AzureError(
                404, "NotFound", f"The emulator's own controls are below /_emulator/; '{path}' is none of them."
            )
        return NotEmulated(f"{method} https://{host}{path}")

    def _now(self) -> bytes:
        second = int(time.time())
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True).encode()
        return self._date[1]


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _path(raw: bytes) -> str:
    """Percent-decoded once; refused where it is not UTF-8, or would lead somewhere else if anyone took it for a file's."""
    path = _decoded(raw, "path")
    if not path.startswith("/"):
        raise bad_request("InvalidUri", "The request's path must begin with a slash.")
    if ".." in path or "/./" in path or "\\" in path:
        if any(part in (".", "..") for part in re.split(r"[/\\]", path)):
            raise bad_request("InvalidUri", "The request's path must not have '.' or '..' as a segment.")
    return path


def _query(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    _decoded(raw, "query")
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise bad_request("InvalidUri", "The request's query string cannot be read.") from None


def _decoded(raw: bytes, what: str) -> str:
    if _BAD_ESCAPE.search(raw):
        raise bad_request("InvalidUri", f"The request's {what} has a '%' that no two hexadecimal digits follow.")
    try:
        text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request("InvalidUri", f"The request's {what} is not UTF-8.") from None
    if what == "path" and _CONTROL.search(text):
        raise bad_request("InvalidUri", f"The request's {what} has a control character in it.")
    return text


def _check_own_host(headers: Mapping[str, str]) -> None:
    """A page of another site whose name was made to resolve to this machine is not let in."""
    name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    if name not in ("127.0.0.1", "localhost", "[::1]"):
        raise AzureError(
            403, "Forbidden", f"The emulator's own controls are at 127.0.0.1, not at '{headers.get('host', '')}'."
        )


async def _body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await _next(receive)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(parts)


async def _next(receive: Receive) -> Any:
    try:
        message = await asyncio.wait_for(receive(), SILENCE)
    except asyncio.TimeoutError:
        raise AzureError(408, "RequestTimeout", f"The request's body has not come on for {SILENCE} s.") from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _too_large(limit: int) -> AzureError:
    message = f"The request's body is larger than {limit} bytes, the limit of this operation."
    return AzureError(413, "RequestContentTooLarge", message, headers={"Connection": "close"})


def _error(error: AzureError) -> Reply:
    headers = {"x-ms-failure-cause": "gateway"} if error.status < 500 and error.status in (401, 404) else {}
    return Reply(error.status, error.body(), {**headers, **error.headers})


async def _send(reply: Reply, method: str, send: Send) -> None:
    body, media = reply.body, reply.media_type
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()]
    if isinstance(body, AsyncIterator):
        headers.append((b"content-type", (media or "application/octet-stream").encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if body is None:
        content = b""
    elif isinstance(body, bytes):
        content, media = body, media or "application/octet-stream"
    elif isinstance(body, str):
        content, media = body.encode(), media or "text/plain; charset=utf-8"
    else:
        content, media = json.dumps(body, separators=(",", ":")).encode(), media or "application/json; charset=utf-8"
    if media:
        headers.append((b"content-type", media.encode()))
    if reply.status not in (204, 304):
        headers.append((b"content-length", str(len(content)).encode()))
    if b"cache-control" not in {name for name, _ in headers}:
        headers.append((b"cache-control", b"no-cache"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})

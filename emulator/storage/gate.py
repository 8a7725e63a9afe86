"""What stands before Azurite: ``*.blob.core.windows.net``, as an ASGI application that streams both ways.

A bearer token is checked here, by the emulator's identity, and replaced by one that Azurite is known to believe from this gate
alone (``azurite/main.js``). Signatures (SharedKey, SAS) are Azurite's to check, over the very request that the client sent. What
Azurite would answer with a bare 500, ``rules`` refuses before it. Everything that is refused here has Storage's XML shape
(https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import jwt

from emulator.errors import AzureError
from emulator.gateway.upstream import Connection, Headers, Lost, Upstream
from emulator.http import SILENCE
from emulator.identity.tenant import STORAGE, Identity, Principal
from emulator.storage import rules
from emulator.storage.azurite import Azurite
from emulator.storage.request import HOP, SUFFIX, Policy, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BEARER = re.compile(rb"^authorization:[ \t]*bearer[ \t]+([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
DEFAULT_VERSION = "2021-12-02"  # of the answer to a request that names none or a bad one
PASS = 300  # seconds that a token of the gate's own is good for

# What Storage says of a token that it does not take, by what our identity says of it. The words for the audience are quoted in
# https://github.com/Azure/AzureStor/issues/119, for the issuer in https://github.com/Azure/azure-sdk-for-net/issues/10529.
TOKEN_DETAIL = {
    "ExpiredAuthenticationToken": "Lifetime validation failed. The token is expired.",
    "InvalidAuthenticationTokenAudience": "Audience validation failed. Audience did not match.",
    "InvalidAuthenticationTokenTenant": "Issuer validation failed. Issuer did not match.",
}

logger = logging.getLogger(__name__)


class Gate:
    """``accounts`` gives the names that exist, ``policy`` what one permits; ``allowed`` says whether a principal may do
    something with a resource; ``secret`` signs what Azurite believes."""

    def __init__(
        self,
        azurite: Azurite,
        identity: Identity,
        accounts: Callable[[], Collection[str]],
        policy: Callable[[str], Policy],
        allowed: Callable[[str, str, str], bool],
        secret: str,
    ) -> None:
        self._azurite = azurite
        self._identity = identity
        self._accounts = accounts
        self._policy = policy
        self._allowed = allowed
        self._secret = secret
        self._upstream = Upstream(lambda: azurite.port)
        self._passes: dict[str, tuple[float, bytes]] = {}

    def close(self) -> None:
        self._upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        try:
            rules.check(request)
            self._admit(request)
            limit = rules.body_limit(request)
            if limit is None:
                await self._forward(request, receive, send)
                return
            body = await _whole(receive, limit)
            if body is None:
                return
            rules.check_body(request, body)
            await self._forward(request, self._batch(body) if request.batch else body, send)
        except AzureError as error:
            await refuse(error, request, send)

    async def own(self, method: str, account: str, target: str) -> tuple[int, str]:
        """A request of the emulator itself, without a body: its status and, where it was refused, Storage's code."""
        status, headers, _ = await self._ask(method, account, target)
        return status, dict(headers).get(b"x-ms-error-code", b"").decode()

    async def containers(self, account: str) -> list[str]:
        names: list[str] = []
        marker = ""
        while True:
            _, _, body = await self._ask("GET", account, f"/?comp=list&marker={quote(marker, safe='')}")
            page = ElementTree.fromstring(body)
            names += [name.text or "" for name in page.iterfind("Containers/Container/Name")]
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return names

    async def _ask(self, method: str, account: str, target: str) -> tuple[int, Headers, bytes]:
        token = self._pass(self._identity.local.object_id)
        headers = [(b"authorization", b"Bearer " + token), (b"x-ms-version", DEFAULT_VERSION.encode())]
        path, _, query = target.encode().partition(b"?")
        request = Request(method, path, query, headers, account + SUFFIX)
        answer: list[Message] = []

        async def take(message: Message) -> None:
            answer.append(message)

        await self._forward(request, b"", take)
        body = b"".join(message["body"] for message in answer[1:])
        return answer[0]["status"], answer[0]["headers"], body

    # Who may pass

    def _admit(self, request: Request) -> None:
        """Raises unless Azurite may see the request; changes its ``Authorization`` where that is a token."""
        if request.account not in self._accounts():
            known = ", ".join(sorted(self._accounts())) or "none"
            logger.warning("%s: there is no such storage account; there are: %s", request, known)
            raise rules.no_such_account(request.account)
        scheme, policy = request.scheme, self._policy(request.account)
        if request.keyed and not policy.shared_key:
            raise rules.no_shared_key()
        if scheme == "bearer":
            principal = self._known(request.authorization)
            self._check_role(request, policy, principal.object_id)
            request.authorize(b"Bearer " + self._pass(principal.object_id))
        elif request.signed and "skoid" in request.options:
            self._check_role(request, policy, request.options["skoid"])
        elif scheme == "" and not request.signed:
            request.anonymous = True
            reads = request.method in ("GET", "HEAD") and policy.public_access
            if not reads and request.method != "OPTIONS":  # a browser's question, which never says who asks
                raise self._unauthenticated(request)
        if request.publishes and not policy.public_access:
            raise rules.not_public()

    def _check_role(self, request: Request, policy: Policy, object_id: str) -> None:
        container = f"/blobServices/default/containers/{request.container}" if request.container else ""
        if policy.account_id and not self._allowed(object_id, policy.account_id + container, request.action):
            raise rules.no_permission()

    def _known(self, authorization: str) -> Principal:
        """Whom the client's token names; raises Storage's 401 for anything but a good one."""
        try:
            return self._identity.verify(authorization, STORAGE)
        except AzureError as error:
            detail = TOKEN_DETAIL.get(error.code, "Signature validation failed. Signature verification failed.")
            raise self._challenge("InvalidAuthenticationInfo", detail) from None

    def _pass(self, object_id: str) -> bytes:
        now = time.time()
        until, token = self._passes.get(object_id, (0.0, b""))
        if until < now:
            until = now + PASS / 2
            claims = {
                "aud": STORAGE[0],
                "iss": f"https://sts.windows.net/{self._identity.tenant}/",
                "oid": object_id,
                "tid": self._identity.tenant,
                "iat": int(now) - 60,
                "nbf": int(now) - 60,
                "exp": int(now) + PASS,
            }
            token = jwt.encode(claims, self._secret, algorithm="HS256").encode()
            self._passes[object_id] = until, token
        return token

    def _challenge(self, code: str, detail: str | None = None) -> AzureError:
        """https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#bearer-challenge"""
        return AzureError(
            401,
            code,
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
            details=[{"AuthenticationErrorDetail": detail}] if detail else [],
            headers={
                "WWW-Authenticate": "Bearer "
                f"authorization_uri=https://login.microsoftonline.com/{self._identity.tenant}/oauth2/authorize "
                f"resource_id={STORAGE[0]}"
            },
        )

    def _unauthenticated(self, request: Request) -> AzureError:
        """A request that says nothing of who sends it, for something that is not public."""
        if request.version >= "2019-12-12":
            return self._challenge("NoAuthenticationInformation")
        return rules.not_public()

    def _batch(self, body: bytes) -> bytes:
        """A batch with each sub-request's token exchanged; one that is not good is replaced by one that is refused."""

        def exchanged(found: re.Match[bytes]) -> bytes:
            try:
                principal = self._known("Bearer " + found[1].decode("latin-1"))
                return b"Authorization: Bearer " + self._pass(principal.object_id)
            except AzureError:
                return b"Authorization: Bearer refused"

        return BEARER.sub(exchanged, body)

    # The way through

    async def _forward(self, request: Request, body: Receive | bytes, send: Send) -> None:
        for attempt in (1, 2):
            if not await self._azurite.ready():
                raise rules.busy()
            try:
                connection = await self._upstream.connect()
            except OSError:
                if attempt == 1 and await self._restarted():
                    continue
                raise rules.busy() from None
            try:
                await self._converse(connection, request, body, send)
                return
            except Lost:
                if request.gone:
                    return
                if request.answered:
                    # Returning without the rest makes the server break the connection, which is how a client learns of it.
                    logger.warning("Azurite ended in the middle of its answer to %s", request)
                    return
                if attempt == 1 and request.repeatable and await self._restarted():
                    continue
                raise (rules.busy() if request.repeatable else rules.unknown_outcome()) from None
            finally:
                connection.release()

    def _reword(self, request: Request, status: int, code: str) -> None:
        """Raises Storage's own answer for one that Azurite words differently, or not at all."""
        if code == "AuthorizationFailure" and request.anonymous:
            raise self._unauthenticated(request)
        if code == "AuthorizationFailure" and request.signed:
            raise rules.bad_signature(request)
        if not code and status == 400:
            raise AzureError(400, "InvalidInput", "One of the request inputs is not valid.")
        if not code and status == 500:
            raise AzureError(
                500, "InternalError", "Server encountered an internal error. Please try again after some time."
            )

    async def _restarted(self) -> bool:
        """A connection broke: give the watcher the turns in which it learns that the process ended, then wait for the next."""
        for _ in range(20):
            if not self._azurite.serving:
                break
            await asyncio.sleep(0.01)
        return await self._azurite.ready()

    async def _converse(self, connection: Connection, request: Request, body: Receive | bytes, send: Send) -> None:
        """One request and its answer."""
        tasks: list[asyncio.Task[None]] = []
        try:
            if isinstance(body, bytes):
                connection.begin(request.method, request.head(len(body)) + body)
                connection.sent()
            else:
                connection.begin(request.method, request.head())
                if request.has_body:
                    # An answer may come before the body's end (a 403, a 404), and must not wait for it.
                    tasks.append(asyncio.create_task(_pump(connection, request, body)))
                else:
                    connection.sent()
            status, headers = await connection.head()
            if status >= 400:
                self._reword(request, status, dict(headers).get(b"x-ms-error-code", b"").decode())
            start = {"type": "http.response.start", "status": status, "headers": _end_to_end(headers)}
            data, more = await connection.read()
            request.answered = True
            await send(start)
            await send({"type": "http.response.body", "body": data, "more_body": more})
            if more and not isinstance(body, bytes):
                tasks.append(asyncio.create_task(_watch(connection, request, body, tasks[:])))
            while more:
                data, more = await connection.read()
                await send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            for task in tasks:
                task.cancel()


async def _whole(receive: Receive, limit: int) -> bytes | None:
    """The body; ``None`` where the client went away before its end. Raises ``RequestBodyTooLarge`` (413)."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise AzureError(
                413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
            )
        if not message.get("more_body", False):
            return bytes(body)


async def _pump(connection: Connection, request: Request, receive: Receive) -> None:
    """The client's body to Azurite, as it comes. Where it does not come whole, Azurite must not take it for whole."""
    try:
        while True:
            message = await asyncio.wait_for(receive(), SILENCE)
            if message["type"] == "http.disconnect":
                request.gone = True
                break
            data, more = message.get("body", b""), message.get("more_body", False)
            if data:
                await connection.write(data)
            if not more:
                connection.sent()
                return
    except asyncio.TimeoutError:
        pass
    except Lost:
        return
    connection.abort()


async def _watch(
    connection: Connection, request: Request, receive: Receive, before: Sequence[asyncio.Task[None]]
) -> None:
    """Stop reading a long answer when nobody takes it any more."""
    await asyncio.gather(*before)
    while (await receive())["type"] != "http.disconnect":
        pass
    request.gone = True
    connection.abort()


def _end_to_end(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name not in HOP]


async def refuse(error: AzureError, request: Request, send: Send) -> None:
    """``error`` as Storage writes it: XML, and its code as a header too, which is all that the answer to a HEAD has."""
    identifier = str(uuid.uuid4())
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{error.message}\nRequestId:{identifier}\nTime:{now}"
    details = "".join(
        f"<{name}>{escape(rules.CONTROL.sub('?', str(value)))}</{name}>"
        for detail in error.details
        for name, value in detail.items()
    )
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{error.code}</Code><Message>{escape(message)}</Message>{details}</Error>"
    ).encode()
    headers = {
        "Content-Length": str(len(body)),
        "Content-Type": "application/xml",
        "x-ms-request-id": identifier,
        "x-ms-version": request.version or DEFAULT_VERSION,
        "x-ms-error-code": error.code,
        "Date": formatdate(usegmt=True),
        **error.headers,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

"""What a handler takes and gives: no socket, no framework.

A handler is ``async def handler(call: Call) -> Reply``. It reads the request from ``call``, reaches the other rooms through
``call.cloud``, and returns a value or raises ``emulator.errors.AzureError``. Status lines, envelopes, request ids and dates
are written by ``emulator.app`` alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.errors import invalid_content

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.identity.tenant import Principal

SILENCE = 120  # seconds that a client may pause in the middle of a body


@dataclass(frozen=True)
class Call:
    """One request. ``path`` is percent-decoded once and holds no ``..``; ``headers`` has lower-case names;
    ``query`` keeps Azure's names as sent (``api-version``, ``$top``) and is looked up without case by ``option``."""

    cloud: Cloud
    method: str
    host: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    principal: Principal | None = None

    def option(self, name: str, default: str | None = None) -> str | None:
        """A query parameter, its name compared without case as ARM does."""
        wanted = name.lower()
        return next((value for key, value in self.query.items() if key.lower() == wanted), default)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; anything else is Azure's ``InvalidRequestContent``."""
        try:
            value = json.loads(self.body)
            if b"\\u" in self.body or not self.body.isascii():
                json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            raise invalid_content(
                f"The request content was invalid and could not be deserialized: '{error}'."
            ) from None
        if not isinstance(value, dict):
            raise invalid_content(f"The request content must be a JSON object; it is a {type(value).__name__}.")
        return value


@dataclass(frozen=True)
class Reply:
    """An answer: ``body`` is a JSON value, bytes, text, or an iterator of bytes that is streamed; ``None`` sends no body."""

    status: int = 200
    body: Any | AsyncIterator[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


Handler = Callable[[Call], Awaitable[Reply]]

"""What a resource looks like when it is sent: one, and a page of many. What is stored is not what is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from emulator.errors import bad_request
from emulator.http import Call, Reply
from emulator.management.kinds import Kind
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

HIDDEN = frozenset({"properties", "run", "private"})  # of a stored body: sent in another way, or not at all
PAGE = 1000  # resources in one answer, where the client does not say


def render(cloud: Cloud, document: Document, kind: Kind | None = None) -> dict[str, Any]:
    """The resource as a client sees it."""
    kind = kind or cloud.kinds.of(document)
    body = document.body
    properties: dict[str, Any] | None = dict(body.get("properties") or {})
    if kind.render is not None:
        computed = kind.render(cloud, document)
        body = {**body, **{name: value for name, value in computed.items() if name != "properties"}}
        own = computed.get("properties", {})
        properties = {**(properties or {}), **own} if own is not None else None
    if kind.state and properties is not None:
        properties.setdefault("provisioningState", "Succeeded")
    return {
        "id": document.id,
        "name": document.name,
        "type": kind.type,
        **{name: value for name, value in body.items() if name not in HIDDEN},
        "etag": f'"{document.etag}"',
        "properties": properties,
        "systemData": system_data(document),
    }


def system_data(document: Document) -> dict[str, Any]:
    """https://learn.microsoft.com/rest/api/azureml/workspaces/get#systemdata"""
    return {
        "createdAt": timestamp(document.created),
        "createdBy": document.author,
        "createdByType": "Application",
        "lastModifiedAt": timestamp(document.changed),
        "lastModifiedBy": document.editor,
        "lastModifiedByType": "Application",
    }


def page(
    call: Call,
    documents: Sequence[Document],
    render_one: Callable[[Cloud, Document], dict[str, Any]] | None = None,
    *,
    size: int = PAGE,
) -> Reply:
    """One page of ``documents``, by ``$top``, ``$skip`` and the ``$skipToken`` of the ``nextLink`` that was given before."""
    top, skip = number(call, "$top"), number(call, "$skipToken", number(call, "$skip", 0))
    assert skip is not None, "A default was given."
    count = min(size, top) if top is not None else size
    chosen = documents[skip : skip + count]
    body: dict[str, Any] = {"value": [(render_one or render)(call.cloud, document) for document in chosen]}
    following = skip + len(chosen)
    # With $top ARM's own lists end there; Azure ML's take it for the size of a page. A link is right for both.
    if chosen and following < len(documents):
        body["nextLink"] = next_link(call, following)
    return Reply(body=body)


def next_link(call: Call, skip: int) -> str:
    kept = [(name, value) for name, value in call.query.items() if name.lower() not in ("$skip", "$skiptoken")]
    return f"https://{call.host}{quote(call.path)}?{urlencode([*kept, ('$skipToken', str(skip))])}"


def number(call: Call, name: str, default: int | None = None) -> int | None:
    """A query option that is a count."""
    text = call.option(name)
    if text is None or text == "":
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise bad_request(
            "InvalidQueryParameterValue", f"The value '{text}' of the query parameter '{name}' is not a count."
        )
    return int(text)


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

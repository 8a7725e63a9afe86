"""Lists of assets: the filters, orders and pages that Azure ML's list operations take.

https://learn.microsoft.com/rest/api/azureml/data-versions/list, …/model-versions/list, …/environment-versions/list
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emulator.errors import NotEmulated, bad_request
from emulator.http import Call, Reply
from emulator.management import envelope
from emulator.store import Document

VIEWS = ("ActiveOnly", "ArchivedOnly", "All")
ORDERS: dict[str, Callable[[Document], Any]] = {
    "createdtime": lambda document: document.sequence,
    "createdat": lambda document: document.sequence,
    "modifiedtime": lambda document: document.changed,
    "lastmodifiedtime": lambda document: document.changed,
    "updatedtime": lambda document: document.changed,
    "name": lambda document: document.name,
    "version": lambda document: (
        (len(document.name), document.name) if document.name.isdecimal() else (0, document.name)
    ),
}
LABELS = ("tags", "properties")


def page(call: Call, documents: Sequence[Document], *, archived: bool = False) -> Reply:
    """One page of what the request's options leave of ``documents``; ``archived`` when their container is."""
    found = ordered(call, filtered(call, documents, archived=archived))
    return envelope.page(call, found[envelope.number(call, "offset") or 0 :])


def filtered(call: Call, documents: Sequence[Document], *, archived: bool = False) -> list[Document]:
    if call.option("feed"):
        raise NotEmulated("the list option 'feed'")
    view = (call.option("listViewType") or VIEWS[0]).lower()
    if view not in [one.lower() for one in VIEWS]:
        raise bad_request("InvalidQueryParameterValue", f"'{view}' is not a listViewType; they are {', '.join(VIEWS)}.")
    found = [one for one in documents if view == "all" or (archived or _archived(one)) is (view == "archivedonly")]
    for name in LABELS:
        wanted = _pairs(call.option(name))
        found = [one for one in found if _has(one.body["properties"].get(name) or {}, wanted)]
    for name, of in (("version", "name"), ("description", "description"), ("stage", "stage")):
        text = call.option(name)
        if text:
            found = [one for one in found if (one.name if of == "name" else one.body["properties"].get(of)) == text]
    digest = call.option("hash")
    if digest:
        version = call.option("hashVersion")
        found = [
            one
            for one in found
            if (one.body["properties"].get("properties") or {}).get("hash_sha256") == digest
            and version in (None, one.body["properties"]["properties"].get("hash_version"))
        ]
    return found


def ordered(call: Call, documents: Sequence[Document]) -> list[Document]:
    """``createdtime desc``; newest first where the caller does not say."""
    words = (call.option("$orderBy") or "createdtime desc").lower().split()
    key = ORDERS.get(words[0]) if words else None
    if key is None or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):
        raise bad_request(
            "InvalidQueryParameterValue",
            f"'{call.option('$orderBy')}' is not an order; use one of {', '.join(ORDERS)}, with asc or desc.",
        )
    return sorted(documents, key=key, reverse=words[1:] == ["desc"])


def _archived(document: Document) -> bool:
    return bool(document.body["properties"].get("isArchived"))


def _pairs(text: str | None) -> dict[str, str | None]:
    """``key1,key2=value2``: a name that must be there, or with that value."""
    found: dict[str, str | None] = {}
    for part in (text or "").split(","):
        name, separator, value = part.strip().partition("=")
        if name:
            found[name] = value if separator else None
    return found


def _has(labels: dict[str, str], wanted: dict[str, str | None]) -> bool:
    return all(name in labels and value in (None, labels[name]) for name, value in wanted.items())

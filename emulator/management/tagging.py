"""Tags as a resource of their own, of a group or of a resource: https://learn.microsoft.com/rest/api/resources/tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator import bodies
from emulator.errors import NotEmulated, not_found
from emulator.http import Call, Reply
from emulator.management import arm, locks
from emulator.management.kinds import VERBS, Kind, NameRule
from emulator.management.tags import check as check_tags
from emulator.store import Document, Transaction

TYPE = "Microsoft.Resources/tags"
NAME = NameRule("default", "The only tags of a scope are 'default', not '{name}'.")
OPERATIONS = ("Merge", "Replace", "Delete")

Tags = dict[str, str]


async def _get(call: Call) -> Reply:
    return _shown(call, _target(call))


async def _put(call: Call) -> Reply:
    sent = _sent(call)
    return await _change(call, lambda tags: sent)


async def _patch(call: Call) -> Reply:
    sent = _sent(call)
    bodies.need(call.json(), "operation", str)
    operation = bodies.choice(call.json(), "operation", OPERATIONS)

    def changed(tags: Tags) -> Tags:
        if operation == "Replace":
            return sent
        if operation == "Merge":
            return {**tags, **sent}
        return {name: value for name, value in tags.items() if sent.get(name) not in (value, "")}

    return await _change(call, changed)


async def _delete(call: Call) -> Reply:
    await _change(call, lambda tags: {})
    return Reply(200)


def _sent(call: Call) -> Tags:
    tags = bodies.need(call.json(), "properties.tags", dict)
    check_tags(tags)
    return dict(tags)


async def _change(call: Call, changed: Callable[[Tags], Tags]) -> Reply:
    id = _target(call).id
    locks.check(call.cloud.store, id, "write")

    def change(tx: Transaction) -> Document:
        old = tx.get(id)
        if old is None:
            raise not_found(id)
        tags = changed(old.body.get("tags") or {})
        check_tags(tags)
        return tx.put(old.id, old.type, {**old.body, "tags": tags}, parent=old.parent, by=arm.author(call))

    return _shown(call, await call.cloud.store.write(change))


def _target(call: Call) -> Document:
    """What the tags are of."""
    scope = call.params["id"].rpartition("/providers/")[0]
    document = call.cloud.store.get(scope)
    if document is not None:
        return document
    if "/resourcegroups/" not in scope.lower():
        raise NotEmulated(f"{call.method} {TYPE} of a subscription")
    raise not_found(scope)


def _shown(call: Call, document: Document) -> Reply:
    tags: dict[str, Any] = document.body.get("tags") or {}
    return Reply(body={"id": call.params["id"], "name": "default", "type": TYPE, "properties": {"tags": tags}})


KINDS = (
    Kind(TYPE, NAME, extension=True, get=_get, put=_put, patch=_patch, delete=_delete, verbs=VERBS - {"LIST", "HEAD"}),
)

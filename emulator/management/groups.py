"""Resource groups: https://learn.microsoft.com/rest/api/resources/resource-groups.

Deleting one deletes everything in it, as a long operation; one that a stop cut short goes on when it is asked for again.
"""

from __future__ import annotations

from typing import Any

from emulator.errors import bad_request, conflict, invalid_content
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, locks, namespaces, tags
from emulator.management.kinds import Kind, NameRule
from emulator.management.resources import filtered
from emulator.routes import Route
from emulator.store import Document, Transaction

NAME = NameRule(
    r"[\w.()-]{0,89}[\w()-]",
    "The provided resource group name '{name}' has these invalid characters. The name can only be a letter, digit, '-', '.', "
    "'(', ')' or '_', at most 90 of them, and must not end with a period.",
    "InvalidResourceGroupName",
)
GROUP = Kind(type=arm.GROUP_TYPE, name=NAME, tracked=True, verbs=frozenset())


def render(cloud: Any, document: Document) -> dict[str, Any]:
    body = document.body
    answer = {
        "id": document.id,
        "name": document.name,
        "type": arm.GROUP_TYPE,
        "location": body["location"],
        "tags": body.get("tags") or {},
        "properties": {"provisioningState": "Deleting" if body.get("deleting") else "Succeeded"},
    }
    if body.get("managedBy"):
        answer["managedBy"] = body["managedBy"]
    return answer


async def put(call: Call) -> Reply:
    id = _id(call)
    NAME.check(call.params["group"])
    sent = _content(call.json())
    location = sent.get("location")
    if not location:
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    place = namespaces.location(location)
    if place is None or place == "global":
        raise bad_request(
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{location}' is not available for resource group. "
            f"List of available regions is '{','.join(namespaces.LOCATIONS)}'.",
        )

    def change(tx: Transaction) -> tuple[Document, bool]:
        old = tx.get(id)
        if old is not None:
            _check_alive(old)
            if old.body["location"] != place:
                raise conflict(
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{place}'. The Resource group already exists in location "
                    f"'{old.body['location']}'.",
                )
        body = {"location": place, "tags": sent.get("tags") or {}, "managedBy": sent.get("managedBy")}
        return tx.put(id, arm.GROUP_TYPE, body, parent=_subscription(call), by=arm.author(call)), old is None

    document, new = await call.cloud.store.write(change)
    return Reply(201 if new else 200, render(call.cloud, document))


async def patch(call: Call) -> Reply:
    sent = _content(call.json())
    if sent.get("location"):
        raise bad_request("InvalidRequestContent", "The location of a resource group cannot be changed.")

    def change(tx: Transaction) -> Document:
        old = arm.group(tx, call.params["subscription"], call.params["group"])
        _check_alive(old)
        changed: dict[str, Any] = {name: sent[name] for name in ("tags", "managedBy") if name in sent}
        body: dict[str, Any] = {**old.body, **changed}
        return tx.put(old.id, arm.GROUP_TYPE, body, parent=_subscription(call), by=arm.author(call))

    return Reply(body=render(call.cloud, await call.cloud.store.write(change)))


async def get(call: Call) -> Reply:
    return Reply(body=render(call.cloud, _get(call)))


async def head(call: Call) -> Reply:
    _id(call)
    found = call.cloud.store.get(_id(call))
    return Reply(204 if found else 404)


async def list_groups(call: Call) -> Reply:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, "Microsoft.Resources", "resourceGroups")
    return envelope.page(call, filtered(call, call.cloud.store.children(_subscription(call), arm.GROUP_TYPE)), render)


async def delete(call: Call) -> Reply:
    document = _get(call)
    locks.check(call.cloud.store, document.id, "delete")

    def mark(tx: Transaction) -> None:
        now = arm.group(tx, call.params["subscription"], call.params["group"])
        tx.put(now.id, arm.GROUP_TYPE, {**now.body, "deleting": True}, parent=_subscription(call), by=arm.author(call))

    await call.cloud.store.write(mark)
    operation = await call.cloud.operations.begin(call, document.id, _remove(call, document))
    return Reply(
        202, headers={name: value for name, value in operation.headers.items() if name != "Azure-AsyncOperation"}
    )


async def _remove(call: Call, group: Document) -> None:
    """Newest first, so that each resource is gone before what it was made from."""
    for document in reversed(call.cloud.store.below(group.id)):
        kind = call.cloud.kinds.get(document.type)
        if kind is not None and kind.deleting is not None:
            await kind.deleting(call, document)

    def remove(tx: Transaction) -> None:
        for document in tx.below(group.id):
            kind = call.cloud.kinds.get(document.type)
            if kind is not None and kind.removed is not None:
                kind.removed(call, tx, document)
        tx.delete(group.id)

    await call.cloud.store.write(remove)


def _id(call: Call) -> str:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, "Microsoft.Resources", "resourceGroups")
    return f"{_subscription(call)}/resourceGroups/{call.params['group']}"


def _get(call: Call) -> Document:
    _id(call)
    return arm.group(call.cloud.store, call.params["subscription"], call.params["group"])


def _subscription(call: Call) -> str:
    return f"/subscriptions/{call.params['subscription'].lower()}"


def _content(body: dict[str, Any]) -> dict[str, Any]:
    for name in ("location", "managedBy"):
        if body.get(name) is not None and not isinstance(body[name], str):
            raise invalid_content(f"The property '{name}' must be a JSON string.", target=name)
    tags.check(body.get("tags"))
    return body


def _check_alive(document: Document) -> None:
    if document.body.get("deleting"):
        raise conflict(
            "ResourceGroupBeingDeleted",
            f"The resource group '{document.name}' is in deprovisioning state and cannot perform this operation.",
        )


_GROUPS = "/subscriptions/{subscription}/resourceGroups"
_ONE = _GROUPS + "/{group}"
_HOST = "management.azure.com"
KINDS = (GROUP,)
ROUTES = (
    Route(_HOST, "GET", _GROUPS, list_groups, ARM),
    Route(_HOST, "GET", _ONE, get, ARM),
    Route(_HOST, "HEAD", _ONE, head, ARM),
    Route(_HOST, "PUT", _ONE, put, ARM),
    Route(_HOST, "PATCH", _ONE, patch, ARM),
    Route(_HOST, "DELETE", _ONE, delete, ARM),
)

"""Azure Resource Manager: one way to create, read, change, list and delete any resource type.

Must live here: the order in which a request is checked, ids, ETags, tags, paging, long operations, the envelope of a resource.
Must not: anything about one resource type; that is its ``Kind``.

A request is checked in ARM's order: subscription, API version, namespace and type, verb, name, group, parent, preconditions,
body. What is stored is the body; what is sent is ``render(document)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from emulator.errors import AzureError, NotEmulated, bad_request, conflict, group_not_found, invalid_content, not_found
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import addresses, identities, locks, namespaces, preconditions
from emulator.management.envelope import page, render
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.management.operations import Operation
from emulator.management.tags import check as check_tags
from emulator.routes import Route
from emulator.store import Document, Reader, Transaction

# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
TERMINAL = "The resource write operation failed to complete successfully, because it reached terminal provisioning state 'Failed'."
GROUP_TYPE = "Microsoft.Resources/resourceGroups"
SCOPE = re.compile("(/subscriptions/[^/]+(?P<group>/resourceGroups/[^/]+)?)?")


class Changed(Exception):
    """The document is not the one that the change was computed from: compute it again."""


async def dispatch(call: Call) -> Reply:
    """Any request for a resource by its id, for a collection, or for an action."""
    id, rest = addresses.target(call)
    kind = namespaces.kind(call, id, f"{id.type}/{rest}" if rest and call.method == "GET" else id.type)
    _check_scope(call, kind, id)
    call = _with_id(call, id)
    if rest and call.method == "POST":
        return await _act(call, kind, id, rest)
    if rest and call.method == "GET":
        return await list_all(call, kind, id)
    if rest:
        raise _no_method(call)
    verbs = {"GET": get_one, "HEAD": get_one, "PUT": put, "PATCH": patch, "DELETE": delete}
    if call.method not in verbs or call.method not in kind.verbs:
        raise _no_method(call)
    own = {"GET": kind.get, "HEAD": kind.get, "PUT": kind.put, "PATCH": kind.patch, "DELETE": kind.delete}[call.method]
    if own is not None:
        return await own(call)
    return await verbs[call.method](call, kind, id)


# One verb each


async def get_one(call: Call, kind: Kind, id: ResourceId) -> Reply:
    document = get(call, id)
    if call.headers.get("if-none-match", "").strip('"') == document.etag:
        return Reply(304, headers={"ETag": f'"{document.etag}"'})
    if call.method == "HEAD":
        return Reply(204, headers={"ETag": f'"{document.etag}"'})
    return Reply(body=render(call.cloud, document), headers={"ETag": f'"{document.etag}"'})


async def put(call: Call, kind: Kind, id: ResourceId) -> Reply:
    kind.name.check(id.name)
    return await _write(call, kind, id, lambda old: call.json())


async def patch(call: Call, kind: Kind, id: ResourceId) -> Reply:
    """A merge of what is stored with what is sent, as https://www.rfc-editor.org/rfc/rfc7386; tags are replaced whole."""
    get(call, id)

    def merged(old: Document | None) -> dict[str, Any]:
        if old is None:
            raise not_found(str(id))
        change = call.json()
        body: dict[str, Any] = merge(old.body, change)
        if isinstance(change.get("tags"), dict):
            body["tags"] = change["tags"]
        return body

    return await _write(call, kind, id, merged)


async def delete(call: Call, kind: Kind, id: ResourceId) -> Reply:
    """204 for what is not there, as ARM does."""
    old = call.cloud.store.get(str(id))
    _check_container(call.cloud.store, id, "delete")
    if old is None:
        return Reply(204)
    preconditions.check(call, old)
    locks.check(call.cloud.store, str(id), "delete")
    if call.cloud.faults.strikes("stuck-delete", call.method, call.path):
        return await _stuck(call, old)
    if kind.deleting is not None:
        await kind.deleting(call, old)
    operation = Operation.new(call, str(id)) if kind.long else None

    def change(tx: Transaction) -> None:
        now = tx.get(str(id))
        preconditions.check(call, now)
        if kind.removed is not None and now is not None:
            kind.removed(call, tx, now)
        tx.delete(str(id))
        if operation is not None:
            operation.write(tx, "Succeeded")

    await call.cloud.store.write(change)
    return Reply(202, headers=operation.headers) if operation is not None else Reply(200)


async def _stuck(call: Call, document: Document) -> Reply:
    """A deletion that was accepted and goes on for ever."""
    operation, properties = Operation.new(call, document.id), document.body.get("properties") or {}
    body = {**document.body, "properties": {**properties, "provisioningState": "Deleting"}}

    def change(tx: Transaction) -> None:
        tx.put(document.id, document.type, body, by=author(call))
        operation.write(tx, "InProgress")

    await call.cloud.store.write(change)
    return Reply(202, headers=operation.headers)


async def list_all(call: Call, kind: Kind, id: ResourceId) -> Reply:
    """The collection ``kind`` below ``id`` (a parent resource), or below its scope for a type at the top."""
    if "LIST" not in kind.verbs:
        raise _no_method(call)
    parent = str(id) if id.names else id.scope
    if id.names:
        get(call, id)
    elif id.group:
        group(call.cloud.store, id.subscription, id.group)
    if kind.list is not None:
        return await kind.list(_with_params(call, {"parent": parent, "id": parent}))
    if id.names:
        return page(call, call.cloud.store.children(parent, kind.type))
    return page(call, call.cloud.store.below(parent, kind.type))


async def _act(call: Call, kind: Kind, id: ResourceId, action: str) -> Reply:
    handler = next((own for name, own in kind.actions.items() if name.lower() == action.lower()), None)
    if handler is None:
        raise NotEmulated(f"POST {id.type}/{action}")
    get(call, id)
    return await handler(call)


async def _write(
    call: Call, kind: Kind, id: ResourceId, body_from: Callable[[Document | None], dict[str, Any]]
) -> Reply:
    store, key = call.cloud.store, str(id)
    while True:
        old = store.get(key)
        check_writable(call, id, old)
        sent = body_from(old)
        body = await check(call, kind, id, sent, old)
        fails = call.cloud.faults.strikes("operation-fails", call.method, call.path)
        operation, error = Operation.new(call, key) if kind.long or fails else None, None
        if fails:
            error = {"code": "ResourceDeploymentFailure", "message": TERMINAL}
            body = {**body, "properties": {**(body.get("properties") or {}), "provisioningState": "Failed"}}

        def change(
            tx: Transaction,
            old: Document | None = old,
            body: dict[str, Any] = body,
            operation: Operation | None = operation,
            error: dict[str, str] | None = error,
        ) -> Document:
            now = tx.get(key)
            if (now.etag if now else None) != (old.etag if old else None):
                raise Changed
            _check_container(tx, id, "write")
            if operation is not None:
                operation.write(tx, "Failed" if error else "Succeeded", error)
            for path, type in kind.companions if old is None else ():
                tx.put(f"{key}/{path}", type, {"properties": {}}, parent=key, by=author(call))
            return tx.put(key, kind.type, body, parent=_parent(id), by=author(call))

        try:
            document = await store.write(change)
        except Changed:
            continue
        break
    if kind.created is not None and error is None:
        await kind.created(call, document, old)
    headers = {"ETag": f'"{document.etag}"', **(operation.headers if operation is not None else {})}
    return Reply(200 if old else kind.creates, render(call.cloud, document), headers)


def _location(call: Call, kind: Kind, id: ResourceId, body: Mapping[str, Any], old: Document | None) -> str:
    sent = body.get("location")
    if not sent:
        if old is not None:
            return str(old.body["location"])
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    location = namespaces.location(sent)
    if location is None:
        raise bad_request(
            "LocationNotAvailableForResourceType",
            f"The provided location '{sent}' is not available for resource type '{id.type}'. List of available regions for "
            f"the resource type is '{','.join(namespaces.LOCATIONS)}'.",
        )
    if old is not None and location != old.body.get("location"):
        raise conflict(
            "InvalidResourceLocation",
            f"The resource '{id.name}' already exists in location '{old.body.get('location')}' in resource group "
            f"'{id.group}'. A resource with the same name cannot be created in location '{location}'. "
            "Please select a new resource name.",
        )
    return location


# What rooms use


def get(call: Call, id: ResourceId | str) -> Document:
    """The document of ``id``, or Azure's 404: for its group, its parent, or itself."""
    store, key = call.cloud.store, str(id)
    document = store.get(key)
    if document is None:
        if isinstance(id, str):
            id = ResourceId.parse(id)
        if id.group:
            group(store, id.subscription, id.group)
        if id.parent is not None and store.get(str(id.parent)) is None:
            raise not_found(str(id.parent))
        raise not_found(key)
    return document


def group(store: Reader, subscription: str, name: str) -> Document:
    document = store.get(f"/subscriptions/{subscription}/resourceGroups/{name}")
    if document is None:
        raise group_not_found(name)
    return document


def check_writable(call: Call, id: ResourceId, old: Document | None) -> None:
    """What is asked before a body is looked at: group, parent, preconditions, locks."""
    _check_container(call.cloud.store, id, "write")
    preconditions.check(call, old)
    locks.check(call.cloud.store, str(id), "write")


async def check(call: Call, kind: Kind, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    """The body as it is stored: what ARM itself asks of any body, then what the type asks."""
    for name, wanted in (("properties", dict), ("tags", dict), ("sku", dict), ("identity", dict), ("location", str)):
        if body.get(name) is not None and not isinstance(body[name], wanted):
            raise invalid_content(f"The property '{name}' must be a JSON {'object' if wanted is dict else 'string'}.")
    body = {name: value for name, value in body.items() if name not in ("id", "name", "type", "etag", "systemData")}
    if body.get("properties"):
        body["properties"] = {name: one for name, one in body["properties"].items() if name != "provisioningState"}
    check_tags(body.get("tags"))
    if kind.tracked:
        body["location"] = _location(call, kind, id, body, old)
        body["tags"] = body.get("tags") or {}
    if body.get("identity"):
        body["identity"] = identities.assign(call, body["identity"], old)
    if kind.check is not None:
        body = await kind.check(call, id, body, old)
    return body


def merge(old: Any, new: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    merged = dict(old)
    for name, value in new.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value) if isinstance(merged.get(name), dict) else value
    return merged


def author(call: Call) -> str:
    return call.principal.client_id if call.principal else ""


# What a request must meet


def _parent(id: ResourceId) -> str:
    return str(id.parent) if id.parent is not None else id.scope


def _check_container(reader: Reader, id: ResourceId, verb: str) -> None:
    """The group is there and not on its way out; so is the parent, and what an extension resource extends."""
    if id.group:
        document = group(reader, id.subscription, id.group)
        if verb == "write" and document.body.get("deleting"):
            raise conflict(
                "ResourceGroupBeingDeleted",
                f"The resource group '{id.group}' is in deprovisioning state and cannot perform this operation.",
            )
    parent = id.parent
    if parent is not None and reader.get(str(parent)) is None:
        raise AzureError(
            404,
            "ParentResourceNotFound",
            f"Failed to perform '{verb}' on resource(s) of type '{'/'.join(id.types)}', because the parent resource "
            f"'{parent}' could not be found.",
        )
    if "/providers/" in id.scope.lower() and reader.get(id.scope) is None:
        raise not_found(id.scope)


def _check_scope(call: Call, kind: Kind, id: ResourceId) -> None:
    """A resource stands in a group, and all of them can be listed by subscription; an extension stands anywhere."""
    before = id.scope.partition("/providers/")[0] if kind.extension else id.scope
    if not (before.startswith("/subscriptions/") or (kind.extension and not before)):
        raise addresses.missing_subscription()
    found = SCOPE.fullmatch(before)
    if found is None or not (found["group"] or kind.extension or not id.names):
        raise _no_method(call)


def _with_id(call: Call, id: ResourceId) -> Call:
    return _with_params(call, {"id": str(id)}) if id.names else call


def _with_params(call: Call, params: Mapping[str, str]) -> Call:
    return replace(call, params={**call.params, **params})


def _no_method(call: Call) -> AzureError:
    return AzureError(
        405, "HttpMethodNotAllowed", f"The HTTP method '{call.method}' is not supported at scope '{call.path}'."
    )


METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST")
# Whatever no other room has a route for.
ROUTES = tuple(Route("management.azure.com", method, "/{path:path}", dispatch, ARM) for method in METHODS)

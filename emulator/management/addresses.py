"""Which resource, collection or action a path names, in the spelling that everything was first written in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.errors import AzureError, NotEmulated, bad_request
from emulator.http import Call
from emulator.management import namespaces
from emulator.management.ids import ResourceId

if TYPE_CHECKING:
    from emulator.cloud import Cloud


def target(call: Call) -> tuple[ResourceId, str]:
    """The resource that the path names and, for a collection or an action, the one segment that is left over.

    A collection directly below a namespace has an id with no type: its ``names`` are empty. ``az resource -g … -n …`` leaves a
    segment empty where a child's parent would stand, ``Microsoft.Network//routeTables/t``.
    """
    before, after = _provider_split(call.method, re.sub("(/providers/[^/]+)//", r"\1/", call.path))
    parts = after.split("/")
    namespace, segments = parts[0], parts[1:]
    if not segments or not all(parts):
        raise bad_request("InvalidResourceId", f"'{call.path}' is not the id of a resource.")
    scope = _scope(call, before)
    even = len(segments) // 2 * 2
    id = ResourceId(scope, namespace, tuple(segments[0:even:2]), tuple(segments[1:even:2]))
    return _canonical(call.cloud, id), segments[-1] if even < len(segments) else ""


def _provider_split(method: str, path: str) -> tuple[str, str]:
    at = path.lower().rfind("/providers/")
    if at < 0:
        if path.lower().startswith(("/subscriptions/", "/providers")):
            raise NotEmulated(f"{method} {path}")
        raise missing_subscription()
    return path[:at], path[at + len("/providers/") :].strip("/")


def _scope(call: Call, text: str) -> str:
    """The scope in ARM's own spelling, its subscription checked."""
    parts = text.strip("/").split("/") if text.strip("/") else []
    if len(parts) >= 2 and parts[0].lower() == "subscriptions":
        namespaces.check_subscription(call.cloud, parts[1])
        parts[:2] = ["subscriptions", parts[1].lower()]
        if len(parts) >= 4 and parts[2].lower() == "resourcegroups":
            found = call.cloud.store.get("/".join(("", *parts[:2], "resourceGroups", parts[3])))
            parts[2:4] = ["resourceGroups", found.name if found else parts[3]]
    return "".join(f"/{part}" for part in parts)


def _canonical(cloud: Cloud, id: ResourceId) -> ResourceId:
    """The id in the spelling that its type, and the resources it is below, were first written in."""
    kind = cloud.kinds.get(id.type)
    if kind is not None:
        types = kind.relative.split("/")
        id = ResourceId(id.scope, kind.namespace, tuple(types), id.names)
    parent = id.parent
    if parent is not None:
        stored = cloud.store.get(str(parent))
        if stored is not None:
            found = ResourceId.parse(stored.id)
            id = ResourceId(found.scope, id.namespace, id.types, (*found.names, id.name))
    return id


def missing_subscription() -> AzureError:
    """https://github.com/cloudquery/cloudquery/issues/6635"""
    return AzureError(
        404,
        "MissingSubscription",
        "The request did not have a subscription or a valid tenant level resource provider.",
    )

"""Connections: a workspace's records of other services, with their credentials, which only ``listsecrets`` tells.

https://learn.microsoft.com/rest/api/azureml/workspace-connections
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import checks, names
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{names.PROVIDER}/workspaces/connections"
ENDPOINTS = f"{names.PROVIDER}/workspaces/privateEndpointConnections"
AUTH_TYPES = (
    "AAD",
    "AccessKey",
    "AccountKey",
    "ApiKey",
    "CustomKeys",
    "ManagedIdentity",
    "None",
    "OAuth2",
    "PAT",
    "SAS",
    "ServicePrincipal",
    "UsernamePassword",
)


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    properties = checks.properties_of(body)
    auth = checks.one_of(properties, "authType", AUTH_TYPES)
    if auth is None:
        raise invalid_content("The property 'authType' is required.", target="authType")
    checks.text(properties, "category")
    checks.text(properties, "target")
    checks.labels(properties, "metadata")
    credentials = checks.mapping(properties, "credentials")
    if credentials is None and old is not None and old.body["properties"]["authType"] == auth:
        credentials = old.body["properties"].get("credentials")
    return {
        "properties": {
            "group": "AzureAI",
            "isSharedToAll": False,
            **properties,
            "authType": auth,
            "credentials": credentials,
        }
    }


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {"properties": {"credentials": None}}


async def list_secrets(call: Call) -> Reply:
    document = arm.get(call, call.params["id"])
    shown = envelope.render(call.cloud, document)
    return Reply(
        body={**shown, "properties": {**shown["properties"], "credentials": document.body["properties"]["credentials"]}}
    )


async def _no_endpoint(call: Call) -> Reply:
    raise NotEmulated("private endpoints of workspaces")


async def list_all(call: Call) -> Reply:
    """``category`` and ``target`` choose: https://learn.microsoft.com/rest/api/azureml/workspace-connections/list."""
    if checks.truth(call.query, "includeAll", False):
        raise NotEmulated("connections listed together with datastores (includeAll)")
    found = call.cloud.store.children(call.params["id"], TYPE)
    for name in ("category", "target"):
        wanted = call.option(name)
        if wanted:
            found = [one for one in found if str(one.body["properties"].get(name)).lower() == wanted.lower()]
    return envelope.page(call, found)


KINDS = (
    Kind(
        TYPE,
        name=names.CONNECTION,
        check=check,
        render=render,
        list=list_all,
        actions={"listsecrets": list_secrets},
        creates=200,
        state=False,
    ),
    Kind(ENDPOINTS, put=_no_endpoint, verbs=frozenset({"GET", "PUT", "DELETE", "LIST"})),
)

"""Connections: a workspace's records of other services, with their credentials, which only ``listsecrets`` tells.

https://learn.microsoft.com/rest/api/azureml/workspace-connections
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.errors import NotEmulated, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import checks, names
from emulator.management import arm
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
    shown = arm.render(call.cloud, document)
    return Reply(
        body={**shown, "properties": {**shown["properties"], "credentials": document.body["properties"]["credentials"]}}
    )


async def _no_endpoint(call: Call) -> Reply:
    raise NotEmulated("private endpoints of workspaces")


async def put(call: Call) -> Reply:
    """A connection is answered with 200 when it is made, too: the SDK takes nothing else."""
    made = await arm.put(call, KIND, ResourceId.parse(call.params["id"]))
    return Reply(200, made.body, made.headers)


KIND = Kind(
    TYPE, name=names.CONNECTION, check=check, render=render, actions={"listsecrets": list_secrets}, put=put, state=False
)
KINDS = (
    KIND,
    Kind(ENDPOINTS, put=_no_endpoint, verbs=frozenset({"GET", "PUT", "DELETE", "LIST"})),
)

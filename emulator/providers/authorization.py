"""Role assignments, role definitions and locks: https://learn.microsoft.com/rest/api/authorization.

Assignments are kept and listed; what a managed identity may do with data is decided by them (``permissions``). Locks hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import NotEmulated, bad_request, conflict
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, locks, namespaces
from emulator.management.ids import ResourceId
from emulator.management.kinds import GUID_NAME, Kind
from emulator.providers.permissions import ASSIGNMENT, DEFINITION
from emulator.providers.roles import ROLES
from emulator.routes import Route
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")


async def _check_assignment(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    role = bodies.need(body, "properties.roleDefinitionId", str, code="InvalidRequestContent")
    principal = bodies.need(body, "properties.principalId", str)
    GUID_NAME.check(principal)
    kind = bodies.choice(body, "properties.principalType", PRINCIPAL_TYPES, default="ServicePrincipal")
    if _definition(call.cloud, role) is None:
        raise _unknown_role(role)
    properties = {
        "roleDefinitionId": _role_id(call.cloud, id.scope, role),
        "principalId": principal.lower(),
        "principalType": kind,
        "scope": id.scope or "/",
        **{
            name: body["properties"][name]
            for name in ("description", "condition", "conditionVersion", "delegatedManagedIdentityResourceId")
            if body["properties"].get(name) is not None
        },
    }
    if old is not None:
        if any(old.body["properties"][name] != properties[name] for name in ("roleDefinitionId", "principalId")):
            raise bad_request(
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
    else:
        for other in call.cloud.store.of_type(ASSIGNMENT):
            same = other.body["properties"]
            if all(same[name] == properties[name] for name in ("roleDefinitionId", "principalId")) and (
                same["scope"].lower() == properties["scope"].lower()
            ):
                raise conflict(
                    "RoleAssignmentExists",
                    f"The role assignment already exists. The ID of the existing role assignment is {other.name}.",
                )
    return {"properties": properties}


def _render_assignment(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {
        "properties": {
            "createdOn": envelope.timestamp(document.created),
            "updatedOn": envelope.timestamp(document.changed),
            "createdBy": document.author,
            "updatedBy": document.editor,
        }
    }


async def _delete(call: Call) -> Reply:
    """What is deleted is told: https://learn.microsoft.com/rest/api/authorization/role-assignments/delete."""
    id = ResourceId.parse(call.params["id"])
    old, kind = call.cloud.store.get(str(id)), call.cloud.kinds.get(id.type)
    assert kind is not None, "The kind is what led here."
    reply = await arm.delete(call, kind, id)
    return reply if old is None else Reply(200, envelope.render(call.cloud, old))


async def _list_assignments(call: Call) -> Reply:
    """At, above and below the scope; with ``atScope()`` at and above it; of one principal with ``principalId eq`` or
    ``assignedTo``."""
    scope, text = call.params["parent"].lower().rstrip("/"), call.option("$filter") or ""
    principal = re.search(r"(?:principalId\s+eq\s+'|assignedTo\('\{?)([0-9a-fA-F-]{36})", text, re.IGNORECASE)
    at_scope = "atscope()" in text.lower()
    if text and not principal and not at_scope:
        raise bad_request(
            "UnsupportedQuery",
            f"The filter '{text}' is not supported. Supported filters are 'atScope()', \"principalId eq '{{value}}'\", or a "
            "combination of the two, and \"assignedTo('{value}')\".",
        )
    found = []
    for document in call.cloud.store.of_type(ASSIGNMENT):
        own = document.body["properties"]["scope"].lower().rstrip("/")
        above, below = f"{scope}/".startswith(f"{own}/"), f"{own}/".startswith(f"{scope}/")
        if not (above or (below and not at_scope)):
            continue
        if principal and document.body["properties"]["principalId"] != principal[1].lower():
            continue
        found.append(document)
    return envelope.page(call, found)


# Role definitions


async def _check_definition(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    if id.name.lower() in ROLES:
        raise bad_request(
            "RoleDefinitionIsBuiltIn", f"The role '{ROLES[id.name.lower()]}' is built in and cannot be changed."
        )
    bodies.need(body, "properties.roleName", str)
    bodies.need(body, "properties.permissions", list)
    scopes = bodies.get(body, "properties.assignableScopes", list) or [id.scope or "/"]
    return bodies.with_properties(body, type="CustomRole", assignableScopes=scopes)


async def _get_definition(call: Call) -> Reply:
    found = _definition(call.cloud, call.params["id"])
    if found is None:
        raise _unknown_role(call.params["id"])
    return Reply(body=found)


async def _list_definitions(call: Call) -> Reply:
    """All of them, by ``roleName eq`` and ``type eq``."""
    text = call.option("$filter") or ""
    wanted = {name.lower(): value for name, value in re.findall(r"(\w+)\s+eq\s+'([^']*)'", text)}
    unknown = set(wanted) - {"rolename", "type"}
    if unknown or (text and not wanted and "atscope" not in text.lower()):
        raise bad_request(
            "UnsupportedQuery", f"The filter '{text}' is not supported: roleName eq, type eq, atScopeAndBelow()."
        )
    found = [_built_in(call.cloud, guid) for guid in ROLES]
    found += [envelope.render(call.cloud, document) for document in call.cloud.store.of_type(DEFINITION)]
    return Reply(
        body={
            "value": [
                role
                for role in found
                if wanted.get("rolename", role["properties"]["roleName"]).lower()
                == role["properties"]["roleName"].lower()
                and wanted.get("type", role["properties"]["type"]).lower() == role["properties"]["type"].lower()
            ]
        }
    )


def _definition(cloud: Cloud, id: str) -> dict[str, Any] | None:
    guid = id.rstrip("/").rpartition("/")[2].lower()
    if guid in ROLES:
        return _built_in(cloud, guid)
    document = next((one for one in cloud.store.of_type(DEFINITION) if one.name.lower() == guid), None)
    return envelope.render(cloud, document) if document else None


def _built_in(cloud: Cloud, guid: str) -> dict[str, Any]:
    return {
        "id": _role_id(cloud, "", guid),
        "name": guid,
        "type": DEFINITION,
        "properties": {
            "roleName": ROLES[guid],
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
        },
    }


def _role_id(cloud: Cloud, scope: str, role: str) -> str:
    """Azure answers the id below the subscription, whatever scope it was sent with."""
    return f"/subscriptions/{cloud.identity.subscription}/providers/{DEFINITION}/{role.rstrip('/').rpartition('/')[2].lower()}"


def _unknown_role(id: str) -> NotEmulated:
    """Azure may well have it: the table here holds the built-in roles that stacks of this kind assign."""
    name = id.rstrip("/").rpartition("/")[2]
    return NotEmulated(
        f"the role definition '{name}': no custom role of this subscription, no built-in role known here"
    )


async def _list_permissions(call: Call) -> Reply:
    """What the caller may do at a scope: everything, because nothing is decided by assignments.

    https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
    """
    namespaces.check_version(call, "Microsoft.Authorization", "permissions")
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    if "group" not in call.params:
        pass
    elif "id" in call.params:
        arm.get(call, ResourceId.parse(f"{_GROUP.format(**call.params)}/providers/{call.params['id']}"))
    else:
        arm.group(call.cloud.store, call.params["subscription"], call.params["group"])
    everything = {"actions": ["*"], "notActions": [], "dataActions": ["*"], "notDataActions": []}
    return Reply(body={"value": [everything]})


_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
_PERMISSIONS = "providers/Microsoft.Authorization/permissions"

ROUTES = (
    Route("management.azure.com", "GET", f"/subscriptions/{{subscription}}/{_PERMISSIONS}", _list_permissions, ARM),
    Route("management.azure.com", "GET", f"{_GROUP}/{_PERMISSIONS}", _list_permissions, ARM),
    Route("management.azure.com", "GET", f"{_GROUP}/providers/{{id:path}}/{_PERMISSIONS}", _list_permissions, ARM),
)

KINDS = (
    Kind(
        ASSIGNMENT,
        GUID_NAME,
        extension=True,
        check=_check_assignment,
        render=_render_assignment,
        delete=_delete,
        list=_list_assignments,
        state=False,
        verbs=frozenset({"GET", "PUT", "DELETE", "LIST"}),
    ),
    Kind(
        DEFINITION,
        GUID_NAME,
        extension=True,
        check=_check_definition,
        get=_get_definition,
        delete=_delete,
        list=_list_definitions,
        state=False,
        verbs=frozenset({"GET", "PUT", "DELETE", "LIST"}),
    ),
    Kind(
        locks.TYPE,
        extension=True,
        check=locks.check_body,
        state=False,
        verbs=frozenset({"GET", "PUT", "DELETE", "LIST"}),
    ),
)

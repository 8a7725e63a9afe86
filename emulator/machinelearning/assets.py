"""Assets: containers (a name) and versions (what is registered under it).

Must live here: versions and labels, archiving, listing, immutability, and ``resolve``, by which everybody else turns a reference
into a document. What differs between data, models, environments, components and code is a ``Rules`` value in ``assetrules``.
https://learn.microsoft.com/azure/machine-learning/concept-component, …/how-to-manage-models, …/rest/api/azureml/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, bad_request, not_found
from emulator.http import Call, Handler, Reply
from emulator.machinelearning import checks, listing, names, registries, uris
from emulator.machinelearning.assetrules import DATA_TYPES, RULES, Rules
from emulator.management import arm, namespaces
from emulator.management.ids import ResourceId
from emulator.management.kinds import Check, Kind
from emulator.management.tags import check as check_tags
from emulator.store import Document, Reader, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.identity.tenant import Principal

WORKSPACES = f"{names.PROVIDER}/workspaces"
# What the components of SDK and CLI ask for when they name no version: the default one, which is the latest.
DEFAULT_VERSION = "azureml_default"
API_VERSION = "2024-10-01"  # of requests that the emulator makes itself
CONTAINER_VERBS = frozenset({"GET", "PUT", "DELETE", "LIST"})


def container_type(plural: str) -> str:
    return f"{WORKSPACES}/{plural}"


def version_type(plural: str) -> str:
    return f"{WORKSPACES}/{plural}/versions"


# Versions


def latest(reader: Reader, container: str, plural: str) -> Document | None:
    """The version created last that is not archived; of archived ones, when there are no others."""
    versions = reader.children(container, version_type(plural))
    active = [version for version in versions if not version.body["properties"].get("isArchived")]
    found = active or versions
    return found[-1] if found else None


def next_version(reader: Reader, container: str, plural: str) -> str:
    """One more than the greatest version that is a number."""
    numbers = [int(one.name) for one in reader.children(container, version_type(plural)) if one.name.isdecimal()]
    return str(max(numbers, default=0) + 1)


def _check_version(rules: Rules) -> Check:
    async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
        checks.nothing_beside_properties(body)
        sent = checks.properties_of(body)
        common = {
            "description": checks.text(sent, "description"),
            "tags": checks.labels(sent, "tags"),
            "properties": checks.labels(sent, "properties"),
            "isAnonymous": checks.truth(sent, "isAnonymous", False),
            "isArchived": checks.truth(sent, "isArchived", False),
        }
        check_tags(common["tags"])
        stored = {**common, **rules.check(call, id, sent)}
        if old is None:
            _check_shared(rules, id, stored, call.cloud.store.get(str(id.ancestor(2))))
        else:
            before = old.body["properties"]
            if any(_content(stored.get(name)) != _content(before.get(name)) for name in rules.fixed):
                raise rules.changed(id)
            stored = {**stored, **{name: before[name] for name in rules.kept if name in before and name not in sent}}
        return {"properties": stored}

    return check


def _content(value: Any) -> Any:
    """Without azure-ai-ml's note of where a component was written: one that stands in a file and in a job is the same."""
    return {key: _content(one) for key, one in value.items() if key != "_source"} if isinstance(value, dict) else value


def _check_shared(rules: Rules, id: ResourceId, stored: Mapping[str, Any], container: Document | None) -> None:
    """A name has one type of data for life: ``dataType`` of a container cannot be changed in Azure's specification either."""
    for name in rules.shared:
        before = container.body["properties"].get(name) if container is not None else None
        if before is not None and stored[name] != before:
            raise checks.user_error(
                f"The {rules.noun} '{id.names[1]}' has the {name} '{before}', which all its versions have: it cannot be "
                f"'{stored[name]}'. Use another name.",
                target=name,
            )


def _put_version(kind: Kind, rules: Rules) -> Handler:
    """The container comes with its first version; it is made once the version is known to be good."""

    async def put(call: Call) -> Reply:
        id = rules.placed(call, ResourceId.parse(call.params["id"]))
        names.ASSET.check(id.names[1])
        names.VERSION.check(id.name)
        if id.name == DEFAULT_VERSION:
            raise checks.user_error(f"The version '{DEFAULT_VERSION}' is reserved.")
        rules.name(id.names[1])
        arm.get(call, id.ancestor(1))
        container = id.ancestor(2)
        if call.cloud.store.get(str(container)) is None:
            assert kind.check is not None, "Versions are checked."
            first = (await kind.check(call, id, call.json(), None))["properties"]
            made: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
            made.update({name: first[name] for name in rules.shared})

            def write(tx: Transaction) -> None:
                if tx.get(str(container)) is None:
                    tx.put(
                        str(container),
                        container_type(rules.plural),
                        {"properties": made},
                        parent=str(id.ancestor(1)),
                        by=arm.author(call),
                    )

            await call.cloud.store.write(write)
        return await arm.put(call, replace(kind, put=None), id)

    return put


def _get_version(kind: Kind, rules: Rules) -> Handler:
    async def get(call: Call) -> Reply:
        id = ResourceId.parse(call.params["id"])
        curated = None
        if id.name == DEFAULT_VERSION:
            found = latest(call.cloud.store, str(id.ancestor(2)), rules.plural)
            if found is not None:
                id = ResourceId.parse(found.id)
        elif rules.plural == "environments" and call.cloud.store.get(str(id)) is None:
            arm.get(call, id.ancestor(1))
            curated = registries.environment(id.names[1], id.name)
        if curated is not None:
            return Reply(body=registries.as_workspace_environment(id, curated))
        _there(call, id, rules)
        return await arm.get_one(call, kind, id)

    return get


def _there(call: Call, id: ResourceId, rules: Rules) -> None:
    """Azure ML's own 404, which names the asset rather than its parent."""
    arm.get(call, id.ancestor(1))
    if call.cloud.store.get(str(id)) is None:
        raise not_there(id, rules.plural)


def not_there(id: ResourceId, plural: str) -> AzureError:
    return AzureError(
        404,
        "UserError",
        f"Not found: {RULES[plural].noun} '{id.names[1]}' with version '{id.name}' in the workspace '{id.names[0]}'.",
    )


def _render_version(cloud: Cloud, document: Document) -> dict[str, Any]:
    """A version of an archived asset is archived too."""
    container = cloud.store.get(document.parent)
    archived = bool(container is not None and container.body["properties"].get("isArchived"))
    return {"properties": {"isArchived": bool(document.body["properties"].get("isArchived")) or archived}}


async def list_versions(call: Call) -> Reply:
    """A name that has no versions has an empty list: the SDK looks for a code asset that way before it makes one."""
    plural = call.path.rstrip("/").rsplit("/", 3)[-3].lower()
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, names.PROVIDER, "workspaces")
    workspace = arm.get(call, call.path.rstrip("/").rsplit("/", 3)[0])
    key = f"{workspace.id}/{plural}/{call.params['name']}"
    container = call.cloud.store.get(key)
    curated = (
        registries.environment(call.params["name"], "") if plural == "environments" and container is None else None
    )
    if curated is not None:
        return Reply(body={"value": registries.as_workspace_list(call, ResourceId.parse(key), curated)})
    if plural == "codes" and call.option(
        "hash"
    ):  # the SDK makes up a name and asks by content: any code of the workspace will do
        return listing.page(call, call.cloud.store.below(f"{workspace.id}/codes", version_type(plural)))
    archived = bool(container is not None and container.body["properties"].get("isArchived"))
    return listing.page(call, call.cloud.store.children(key, version_type(plural)), archived=archived)


# Containers


def _check_container(rules: Rules) -> Check:
    async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
        checks.nothing_beside_properties(body)
        sent = checks.properties_of(body)
        rules.name(id.name)
        stored = {
            "description": checks.text(sent, "description"),
            "tags": checks.labels(sent, "tags"),
            "properties": checks.labels(sent, "properties"),
            "isArchived": checks.truth(sent, "isArchived", False),
        }
        if rules.plural == "data":
            before = old.body["properties"].get("dataType") if old else None
            stored["dataType"] = checks.one_of(sent, "dataType", DATA_TYPES, before)
            _check_shared(rules, id, stored, old)
        return {"properties": stored}

    return check


def _render_container(rules: Rules) -> Callable[[Cloud, Document], dict[str, Any]]:
    def render(cloud: Cloud, document: Document) -> dict[str, Any]:
        newest = latest(cloud.store, document.id, rules.plural)
        return {
            "properties": {
                "latestVersion": newest.name if newest else None,
                "nextVersion": next_version(cloud.store, document.id, rules.plural),
            }
        }

    return render


async def _list_containers(call: Call) -> Reply:
    plural = call.path.rstrip("/").rsplit("/", 1)[-1].lower()
    return listing.page(call, call.cloud.store.children(call.params["id"], container_type(plural)))


def _get_container(kind: Kind, rules: Rules) -> Handler:
    async def get(call: Call) -> Reply:
        id = ResourceId.parse(call.params["id"])
        if rules.plural == "environments" and call.cloud.store.get(str(id)) is None:
            arm.get(call, id.ancestor(1))
            curated = registries.environment(id.name, "")
            if curated is not None:
                return Reply(body=registries.as_workspace_container(id, curated))
        return await arm.get_one(call, kind, id)

    return get


def _kinds(rules: Rules) -> tuple[Kind, Kind]:
    container = Kind(
        container_type(rules.plural),
        name=names.ASSET,
        check=_check_container(rules),
        render=_render_container(rules),
        list=_list_containers,
        verbs=CONTAINER_VERBS,
    )
    version = Kind(
        version_type(rules.plural),
        name=names.VERSION,
        check=_check_version(rules),
        render=_render_version,
        verbs=CONTAINER_VERBS,
    )
    return (
        replace(container, get=_get_container(container, rules)),
        replace(version, put=_put_version(version, rules), get=_get_version(version, rules)),
    )


KINDS = tuple(kind for rules in RULES.values() for kind in _kinds(rules))


# References


def resolve(cloud: Cloud, workspace: ResourceId, reference: str, kind: str) -> Document:
    """The version that ``reference`` means, ``kind`` being ``data``, ``models``, ``environments``, ``components`` or ``codes``.

    Takes ``azureml:name:version``, ``name@label``, ARM ids, ``azureml://locations/…`` and ``azureml://registries/…`` ids. Raises
    Azure's 404 for what is not there, ``InvalidAssetReference`` (400) for what is no reference to such an asset.
    """
    if kind not in RULES:
        raise ValueError(f"'{kind}' is not a type of asset.")
    target = uris.asset(reference)
    if target is None or target.type not in ("", kind):
        raise bad_request("InvalidAssetReference", f"'{reference}' does not name a version of a {RULES[kind].noun}.")
    if target.registry:
        return registries.resolve(cloud, target, kind)
    workspace = _workspace(cloud, workspace, target)
    container = workspace.child(kind, target.name)
    if target.labelled:
        found = latest(cloud.store, str(container), kind) if target.version.lower() in ("latest", "default") else None
    elif target.version == DEFAULT_VERSION:
        found = latest(cloud.store, str(container), kind)
    else:
        found = cloud.store.get(str(container.child("versions", target.version)))
    if found is None and kind == "environments":
        curated = registries.environment(target.name, target.version)
        if curated is not None:
            return registries.document(container.child("versions", curated.version), curated)
    if found is None:
        raise not_there(container.child("versions", target.version), kind)
    return found


def _workspace(cloud: Cloud, workspace: ResourceId, target: uris.Asset) -> ResourceId:
    if target.workspace:
        return ResourceId.parse(target.workspace)
    if target.guid:
        for document in cloud.store.of_type(WORKSPACES):
            if document.body["properties"]["workspaceId"] == target.guid.lower():
                return ResourceId.parse(document.id)
        raise not_found(f"{names.PROVIDER}/workspaces/{target.guid}")
    return workspace


def content(cloud: Cloud, workspace: ResourceId, reference: str) -> str:
    """The URI of what a data, model or code asset holds."""
    target = uris.asset(reference)
    kinds = (target.type,) if target is not None and target.type else ("data", "models")
    failure: AzureError | None = None
    for kind in kinds:
        name = {"data": "dataUri", "models": "modelUri", "codes": "codeUri"}.get(kind)
        if name is None:
            break
        try:
            return str(resolve(cloud, workspace, reference, kind).body["properties"][name])
        except AzureError as error:
            failure = failure or error
    raise failure or uris.invalid(reference)


async def register(
    cloud: Cloud,
    workspace: ResourceId,
    kind: str,
    name: str,
    properties: Mapping[str, Any],
    *,
    version: str = "",
    principal: Principal | None = None,
) -> Document:
    """Make a version of the asset ``name`` as a client would, checked as a client's; without ``version`` the next number."""
    container = workspace.child(kind, name)
    while True:
        id = container.child("versions", version or next_version(cloud.store, str(container), kind))
        call = Call(
            cloud,
            "PUT",
            "management.azure.com",
            str(id),
            query={"api-version": API_VERSION},
            headers={} if version else {"if-none-match": "*"},
            body=json.dumps({"properties": properties}).encode(),
            principal=principal or cloud.identity.local,
        )
        try:
            await arm.dispatch(call)
        except AzureError as error:
            if error.status == 412 and not version:
                continue  # somebody else took the number meanwhile
            raise
        return arm.get(call, id)

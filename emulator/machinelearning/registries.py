"""Registries: of the public ones ``azureml`` with the curated environments; none of one's own.

The SDK finds a registry by its discovery address and then asks the registry's management front end, at paths like ARM's
(azure/ai/ml/_utils/_registry_utils.py). Assets that are not here are Azure's 404; making assets in a registry is not emulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, NotEmulated
from emulator.http import Call, Reply
from emulator.machinelearning import curated, names, uris
from emulator.machinelearning.curated import Curated
from emulator.management import envelope
from emulator.management.ids import ResourceId
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

PUBLIC = "azureml"
REGION = "eastus"
GROUP = "registry-rg"
FRONT = "/mferp/managementfrontend"
AT = f"{FRONT}/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{names.PROVIDER}/registries/{{registry}}"
PUBLISHED = 1704067200.0  # seconds: when the curated environments are said to have been made
PUBLISHER = "Microsoft"


def environment(name: str, version: str) -> Curated | None:
    """A curated environment by any of its names; an empty version, or the label, means the newest."""
    return curated.find(name, "latest" if version.lower() in ("", "latest", "default") else version)


def id_of(found: Curated, registry: str = PUBLIC) -> str:
    return f"azureml://registries/{registry}/environments/{found.name}/versions/{found.version}"


def resolve(cloud: Cloud, target: uris.Asset, kind: str) -> Document:
    """The asset of a registry that a reference names, as a document that no store has."""
    if target.registry.lower() != PUBLIC:
        raise unknown(target.registry)
    found = environment(target.name, target.version) if kind == "environments" else None
    if found is None:
        raise missing(target.registry, kind, target.name, target.version)
    scope = f"/subscriptions/{cloud.identity.subscription}/resourceGroups/{GROUP}"
    return _as_document(
        f"{scope}/providers/{names.PROVIDER}/registries/{PUBLIC}/environments/{found.name}/versions/{found.version}",
        found,
    )


def document(id: ResourceId, found: Curated) -> Document:
    """A curated environment as the workspace of ``id`` knows it."""
    return _as_document(str(id), found)


def _as_document(id: str, found: Curated) -> Document:
    return Document(
        id=id,
        type=f"{names.PROVIDER}/workspaces/environments/versions".lower(),
        parent=id.rsplit("/versions/", 1)[0].lower(),
        body={"properties": found.properties()},
        etag=f"curated-{found.name}-{found.version}",
        created=PUBLISHED,
        changed=PUBLISHED,
        author=PUBLISHER,
        editor=PUBLISHER,
        sequence=0,
    )


def missing(registry: str, kind: str, name: str, version: str) -> AzureError:
    return AzureError(
        404, "UserError", f"Not found: '{name}' with version '{version}' among the {kind} of the registry '{registry}'."
    )


def unknown(registry: str) -> AzureError:
    return AzureError(
        404, "RegistryNotFound", f"The registry '{registry}' was not found; the emulator has '{PUBLIC}' alone."
    )


# What a workspace answers for a curated name


def as_workspace_environment(id: ResourceId, found: Curated) -> dict[str, Any]:
    return _version(_as_document(str(id.ancestor(2).child("versions", found.version)), found))


def as_workspace_container(id: ResourceId, found: Curated) -> dict[str, Any]:
    return _container(str(id), f"{names.PROVIDER}/workspaces/environments", found)


def as_workspace_list(call: Call, id: ResourceId, newest: Curated) -> list[dict[str, Any]]:
    found = [curated.find(newest.name, number) for number in _numbers(call, newest)]
    return [as_workspace_environment(id.child("versions", one.version), one) for one in found if one is not None]


def _numbers(call: Call, newest: Curated) -> list[str]:
    """The versions there are, newest first, as far as the caller asks for them."""
    top = envelope.number(call, "$top", newest.latest) or newest.latest
    return [str(number) for number in range(newest.latest, max(newest.latest - top, 0), -1)]


def _version(one: Document, type: str = f"{names.PROVIDER}/workspaces/environments/versions") -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": type,
        "properties": {**one.body["properties"], "provisioningState": "Succeeded"},
        "systemData": _system_data(),
    }


def _container(id: str, type: str, found: Curated) -> dict[str, Any]:
    return {
        "id": id,
        "name": id.rsplit("/", 1)[-1],
        "type": type,
        "properties": {
            "description": found.description,
            "tags": {},
            "properties": {},
            "isArchived": False,
            "latestVersion": str(found.latest),
            "nextVersion": str(found.latest + 1),
            "provisioningState": "Succeeded",
        },
        "systemData": _system_data(),
    }


def _system_data() -> dict[str, Any]:
    at = envelope.timestamp(PUBLISHED)
    return {
        "createdAt": at,
        "createdBy": PUBLISHER,
        "createdByType": "Application",
        "lastModifiedAt": at,
        "lastModifiedBy": PUBLISHER,
        "lastModifiedByType": "Application",
    }


# The registry's own addresses


async def discovery(call: Call) -> Reply:
    name = call.params["registry"]
    if name.lower() != PUBLIC:
        raise unknown(name)
    identity = call.cloud.identity
    return Reply(
        body={
            "registryName": PUBLIC,
            "tenantId": identity.tenant,
            "primaryRegion": REGION,
            "regions": [REGION],
            "subscriptionId": identity.subscription,
            "resourceGroup": GROUP,
            "workspaceName": PUBLIC,
            "primaryRegionResourceProviderUri": f"https://{REGION}.api.azureml.ms/",
            "registryFqdns": {
                REGION: {
                    "registryFqdn": f"https://{REGION}.api.azureml.ms/",
                    "uri": f"https://{REGION}.api.azureml.ms/",
                }
            },
        }
    )


def _type(call: Call) -> str:
    if call.params["registry"].lower() != PUBLIC:
        raise unknown(call.params["registry"])
    plural = call.params["plural"].lower()
    if plural not in uris.ASSET_TYPES:
        raise NotEmulated(f"{plural} of registries")
    return plural


def _front_id(call: Call, found: Curated) -> str:
    scope = f"/subscriptions/{call.params['subscription']}/resourceGroups/{call.params['group']}"
    return f"{scope}/providers/{names.PROVIDER}/registries/{PUBLIC}/environments/{found.name}"


async def list_containers(call: Call) -> Reply:
    if _type(call) != "environments":
        return Reply(body={"value": []})
    found = [curated.find(name) for name in curated.names()]
    type = f"{names.PROVIDER}/registries/environments"
    return Reply(body={"value": [_container(_front_id(call, one), type, one) for one in found if one is not None]})


async def get_container(call: Call) -> Reply:
    plural, name = _type(call), call.params["name"]
    found = environment(name, "") if plural == "environments" else None
    if found is None:
        raise missing(PUBLIC, plural, name, "")
    return Reply(body=_container(_front_id(call, found), f"{names.PROVIDER}/registries/environments", found))


async def list_versions(call: Call) -> Reply:
    plural, name = _type(call), call.params["name"]
    newest = environment(name, "") if plural == "environments" else None
    if newest is None:
        return Reply(body={"value": []})
    return Reply(
        body={"value": [_front_version(call, curated.find(name, number)) for number in _numbers(call, newest)]}
    )


async def get_version(call: Call) -> Reply:
    plural, name, version = _type(call), call.params["name"], call.params["version"]
    found = environment(name, version) if plural == "environments" else None
    if found is None:
        raise missing(PUBLIC, plural, name, version)
    return Reply(body=_front_version(call, found))


def _front_version(call: Call, found: Curated | None) -> dict[str, Any]:
    assert found is not None, "The version is one of those that there are."
    one = _as_document(f"{_front_id(call, found)}/versions/{found.version}", found)
    return {**_version(one, f"{names.PROVIDER}/registries/environments/versions"), "id": id_of(found)}


async def not_emulated(call: Call) -> Reply:
    raise NotEmulated(f"{call.method} in registries (sharing and creating assets of registries)")

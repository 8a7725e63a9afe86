"""Datastores: names for places in storage accounts, with the credential by which they are reached.

Must live here: the kinds of datastore and of credential, which datastore is the default, secrets (stored, and told by
``listSecrets`` alone), and where a URI lies in blob storage. Must not: assets and jobs, which ask ``locate``.
https://learn.microsoft.com/rest/api/azureml/datastores/create-or-update
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, NotEmulated, conflict, invalid_content, not_found
from emulator.http import Call, Reply
from emulator.machinelearning import checks, names, uris
from emulator.machinelearning.uris import BlobPath
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind
from emulator.store import Document, Reader

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{names.PROVIDER}/workspaces/datastores"
DOMAIN = "core.windows.net"
# What a kind of datastore needs, and which of it names the place in the account.
KINDS = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "AzureFile": ("accountName", "fileShareName"),
    "OneLake": ("oneLakeWorkspaceName",),
}
# Per kind of credential: what must be told beside the secret, and the secret's own name.
CREDENTIALS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "AccountKey": ((), "key"),
    "Sas": ((), "sasToken"),
    "ServicePrincipal": (("clientId", "tenantId"), "clientSecret"),
    "Certificate": (("clientId", "tenantId", "thumbprint"), "certificate"),
    "None": ((), ""),
}
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
CONTAINER = re.compile(r"(?!.*--)[a-z0-9$][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web")
SYSTEM = {
    "workspaceblobstore": "AzureBlob",
    "workspaceartifactstore": "AzureBlob",
    "workspacefilestore": "AzureFile",
    "workspaceworkingdirectory": "AzureFile",
}
EXPIRING = 1  # hours that the SAS in place of a key is good for


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    properties = checks.properties_of(body)
    kind = checks.required(properties, "datastoreType")
    if kind in ("AzureDataLakeGen1", "Hdfs"):
        raise NotEmulated(f"{kind} datastores")
    if kind not in KINDS:
        raise invalid_content(
            f"'{kind}' is not a kind of datastore; the kinds are {', '.join(KINDS)}.", target="datastoreType"
        )
    if old is not None and old.body["properties"]["datastoreType"] != kind:
        raise conflict("DatastoreTypeChangeNotAllowed", f"The datastore '{id.name}' exists with another type.")
    places: dict[str, Any] = {name: checks.required(properties, name) for name in KINDS[kind]}
    if kind == "OneLake":
        artifact = checks.mapping(properties, "artifact") or {}
        checks.required(artifact, "artifactName")
        places["artifact"] = artifact
    else:
        _check_place(places)
    stored = {
        "datastoreType": kind,
        **places,
        "endpoint": checks.text(properties, "endpoint") or (None if kind == "OneLake" else DOMAIN),
        **(
            {} if kind == "OneLake" else {"protocol": checks.one_of(properties, "protocol", ("https", "http"), "https")}
        ),
        "credentials": _credentials(properties, old),
        "description": checks.text(properties, "description"),
        "tags": checks.labels(properties, "tags"),
        "properties": checks.labels(properties, "properties"),
        "serviceDataAccessAuthIdentity": checks.one_of(
            properties,
            "serviceDataAccessAuthIdentity",
            ("None", "WorkspaceSystemAssignedIdentity", "WorkspaceUserAssignedIdentity"),
            "None",
        ),
        "isDefault": bool(old.body["properties"].get("isDefault")) if old else False,
        **{name: properties[name] for name in ("subscriptionId", "resourceGroup") if checks.text(properties, name)},
    }
    if (call.option("skipValidation") or "false").lower() != "true":
        await _validate(call, id, stored)
    return {"properties": stored}


def _check_place(places: Mapping[str, str]) -> None:
    account, container = places.values()
    if not ACCOUNT.fullmatch(account):
        raise checks.user_error(
            f"'{account}' is not a storage account's name: 3 to 24 lower-case letters and digits.", target="accountName"
        )
    if not CONTAINER.fullmatch(container):
        raise checks.user_error(
            f"'{container}' is not a name of a container, file system or share: 3 to 63 lower-case letters, "
            "digits and single dashes."
        )


def _credentials(properties: Mapping[str, Any], old: Document | None) -> dict[str, Any]:
    """The credential with its secret. A PUT of what GET answered has no secret: the stored one stays."""
    sent = checks.mapping(properties, "credentials")
    if sent is None:
        raise invalid_content("The property 'credentials' is required.", target="credentials")
    kind = checks.one_of(sent, "credentialsType", tuple(CREDENTIALS))
    if kind is None:
        raise invalid_content("The property 'credentials.credentialsType' is required.", target="credentialsType")
    told, secret = CREDENTIALS[kind]
    credential: dict[str, Any] = {"credentialsType": kind, **{name: checks.required(sent, name) for name in told}}
    for name in ("authorityUrl", "resourceUrl"):
        if told and checks.text(sent, name):
            credential[name] = sent[name]
    if not secret:
        return credential
    before = old.body["properties"]["credentials"] if old else {}
    secrets = checks.mapping(sent, "secrets") or {}
    value = checks.text(secrets, secret)
    if value is None and before.get("credentialsType") == kind:
        value = before["secrets"].get(secret)
    if value is None:
        raise invalid_content(f"The property 'credentials.secrets.{secret}' is required.", target="secrets")
    credential["secrets"] = {"secretsType": kind, secret: value.removeprefix("?") if kind == "Sas" else value}
    return credential


async def _validate(call: Call, id: ResourceId, stored: Mapping[str, Any]) -> None:
    """The container is there, when the caller asked for that to be looked at (``skipValidation`` is not true)."""
    if stored["datastoreType"] not in ("AzureBlob", "AzureDataLakeGen2"):
        return
    account, container = (stored[name] for name in KINDS[stored["datastoreType"]])
    if not await _exists(call.cloud, account, container):
        raise checks.user_error(
            f"The container '{container}' in the storage account '{account}' of the datastore '{id.name}' does not exist or cannot "
            "be reached. Create it, or set skipValidation=true."
        )


async def _exists(cloud: Cloud, account: str, container: str) -> bool:
    if account not in cloud.blobs.accounts():
        return False
    return bool(await asyncio.to_thread(cloud.blobs.container(account, container).exists))


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    """Without the secret."""
    credential = document.body["properties"]["credentials"]
    shown = {name: value for name, value in credential.items() if name != "secrets"}
    return {"properties": {"credentials": shown}}


async def list_all(call: Call) -> Reply:
    """``isDefault``, ``names`` and ``searchText`` choose: https://learn.microsoft.com/rest/api/azureml/datastores/list."""
    found = call.cloud.store.children(call.params["id"], TYPE)
    default = call.option("isDefault")
    if default:
        found = [one for one in found if one.body["properties"]["isDefault"] is (default.lower() == "true")]
    wanted = call.option("names")
    if wanted:
        found = [one for one in found if one.name.lower() in [name.strip().lower() for name in wanted.split(",")]]
    text = call.option("searchText")
    if text:
        found = [one for one in found if text.lower() in one.name.lower()]
    return envelope.page(call, found)


async def delete(call: Call) -> Reply:
    id = ResourceId.parse(call.params["id"])
    document = call.cloud.store.get(str(id))
    if document is not None and document.body["properties"]["isDefault"]:
        raise checks.user_error(f"The datastore '{document.name}' is the workspace's default and cannot be deleted.")
    return await arm.delete(call, KIND, id)


async def list_secrets(call: Call) -> Reply:
    """The secret; with ``expirableSecret`` a SAS that ends soon in place of an account's key."""
    document = arm.get(call, call.params["id"])
    properties = document.body["properties"]
    credential = properties["credentials"]
    if credential["credentialsType"] == "None":
        raise checks.user_error(
            f"No secrets for credentials of type None: the datastore '{document.name}' is reached by identity."
        )
    asked = call.json() if call.body.strip() else {}
    secret = secrets(call.cloud, document)
    if credential["credentialsType"] != "AccountKey":
        return Reply(body=secret)
    if checks.truth(asked, "expirableSecret", False) and properties["datastoreType"] == "AzureBlob":
        link = await asyncio.to_thread(_expiring, properties["accountName"], secret["key"])
        return Reply(body={"secretsType": "Sas", "sasToken": link})
    return Reply(body=secret)


def _expiring(account: str, key: str) -> str:
    """A SAS for the account, as Azure ML gives it: with it the SDK fetches code from containers that are no datastore's. It is
    signed with the datastore's own key, whether or not that is the account's."""
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    now = datetime.now(timezone.utc)
    try:
        return generate_account_sas(
            account,
            key,
            ResourceTypes(container=True, object=True),
            AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
            now + timedelta(hours=EXPIRING),
            start=now - timedelta(minutes=5),
        )
    except ValueError as error:
        raise checks.user_error(
            f"The account key of the datastore's account '{account}' is not base64: {error}."
        ) from None


def secrets(cloud: Cloud, document: Document) -> dict[str, str]:
    """What the datastore's credential keeps to itself; empty where it has none. The system's datastores follow their account's key
    when it is rotated; others have the key that they were given."""
    properties = document.body["properties"]
    known: dict[str, str] = properties["credentials"].get("secrets", {})
    if properties["credentials"]["credentialsType"] == "AccountKey":
        return {"secretsType": "AccountKey", "key": known.get("key") or cloud.blobs.key(properties["accountName"])}
    return known


KIND = Kind(
    TYPE,
    name=names.DATASTORE,
    check=check,
    render=render,
    delete=delete,
    list=list_all,
    actions={"listSecrets": list_secrets},
    verbs=frozenset({"GET", "PUT", "DELETE", "LIST"}),
    state=False,
)


def system(name: str, account: str, container: str, mode: str) -> dict[str, Any]:
    """The body of one of the datastores that every workspace has; ``mode`` is its ``systemDatastoresAuthMode``."""
    kind = SYSTEM[name]
    keyed = mode.lower() == "accesskey" or kind == "AzureFile"
    return {
        "properties": {
            "datastoreType": kind,
            "accountName": account,
            KINDS[kind][1]: container,
            "endpoint": DOMAIN,
            "protocol": "https",
            "credentials": {"credentialsType": "AccountKey", "secrets": {}} if keyed else {"credentialsType": "None"},
            "description": None,
            "tags": {},
            "properties": {},
            "serviceDataAccessAuthIdentity": "None",
            "isDefault": name == "workspaceblobstore",
        }
    }


# Where things are


def find(reader: Reader, workspace: ResourceId, name: str) -> Document:
    document = reader.get(str(workspace.child("datastores", name)))
    if document is None:
        raise not_found(str(workspace.child("datastores", name)))
    return document


def place(document: Document, path: str = "") -> BlobPath:
    """A path in a datastore as one in blob storage."""
    account, container = place_of(document)
    keyed = document.body["properties"]["credentials"]["credentialsType"] != "None"
    return BlobPath(account, container, path.lstrip("/"), keyed=keyed)


def place_of(document: Document) -> tuple[str, str]:
    """Its account and its container; 501 by name for a kind whose data is not emulated."""
    properties = document.body["properties"]
    kind = properties["datastoreType"]
    if kind not in ("AzureBlob", "AzureDataLakeGen2"):
        raise NotEmulated(f"data in {kind} datastores ('{document.name}')")
    account, container = (properties[name] for name in KINDS[kind])
    return account, container


def default_store(cloud: Cloud, workspace: ResourceId, kind: str = "blob") -> BlobPath:
    """``artifact`` is where jobs' logs and artifacts lie, ``blob`` the default datastore."""
    name = "workspaceartifactstore" if kind == "artifact" else "workspaceblobstore"
    return place(find(cloud.store, workspace, name))


def long_form(workspace: ResourceId, store: str, path: str) -> str:
    """``azureml://subscriptions/…/datastores/…/paths/…``, in which Azure ML answers."""
    return (
        f"azureml://subscriptions/{workspace.subscription}/resourcegroups/{workspace.group}/workspaces/{workspace.names[0]}"
        f"/datastores/{store}/paths/{path}"
    )


def locate(cloud: Cloud, workspace: ResourceId, uri: str) -> BlobPath:
    """Where ``uri`` lies in blob storage.

    Takes every form of ``uris``: datastore paths, assets (their ``dataUri``, ``modelUri`` or ``codeUri``), outputs of jobs, and
    the storage services' URLs. Raises Azure's 404 for a datastore, asset or job that is not there, ``InvalidUri`` (400) for what
    is no URI.
    """
    target = uris.parse(uri)
    if isinstance(target, BlobPath):
        return target
    if isinstance(target, uris.StorePath):
        return place(find(cloud.store, owner(workspace, target.workspace), target.store), target.path)
    if isinstance(target, uris.OutputPath):
        return locate(cloud, workspace, output(cloud.store, workspace, target))
    from emulator.machinelearning.assets import content

    return locate(cloud, workspace, content(cloud, workspace, uri))


def owner(workspace: ResourceId, other: str) -> ResourceId:
    """The workspace that a URI is of: ``other`` (an ARM id) where it names one."""
    return ResourceId.parse(other) if other else workspace


def output(reader: Reader, workspace: ResourceId, target: uris.OutputPath) -> str:
    """The long datastore URI of an output of a job, whether or not the job has written it yet.

    ``artifacts`` is what the job logged; a named output lies where the job's own document says, else where Azure ML puts it.
    """
    job = reader.get(str(workspace.child("jobs", target.job)))
    if job is None:
        raise not_found(str(workspace.child("jobs", target.job)))
    if target.output == "artifacts":
        folder, store = f"ExperimentRun/dcid.{job.name}", "workspaceartifactstore"
        return long_form(workspace, store, "/".join(part for part in (folder, target.path) if part))
    outputs = job.body.get("properties", {}).get("outputs") or {}
    if target.output not in outputs:
        raise AzureError(
            404,
            "UserError",
            f"The job '{job.name}' has no output '{target.output}'; it has {', '.join(outputs) or 'none'}.",
        )
    uri = (outputs[target.output] or {}).get("uri")
    if not uri:
        uri = long_form(workspace, "workspaceblobstore", f"azureml/{job.name}/{target.output}/")
    return f"{uri.rstrip('/')}/{target.path}" if target.path else str(uri)

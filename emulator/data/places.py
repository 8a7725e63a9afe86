"""Where data lies: any URI of Azure ML's, of storage or of the web, as a place that can be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union
from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import ContainerClient

from emulator.data.transfer import DENIED, INVALID, NOT_FOUND, WRITE_DENIED, DataFailed
from emulator.errors import AzureError
from emulator.gateway import hosts
from emulator.identity.tenant import Principal
from emulator.machinelearning import assets, datastores, uris
from emulator.machinelearning.uris import BlobPath
from emulator.management.ids import ResourceId
from emulator.providers import permissions

if TYPE_CHECKING:
    from emulator.cloud import Cloud


@dataclass(frozen=True)
class Place(BlobPath):
    """``signature`` is the query of a URL that carries its own rights (a SAS); what it does not grant is refused."""

    signature: str = ""


Source = Union[Place, str]  # a place in blob storage, or the URL of a file on the web


def resolve(cloud: Cloud, workspace: ResourceId, uri: str) -> str:
    """The URI of what ``uri`` names: an asset's own, or ``uri`` itself."""
    try:
        return assets.content(cloud, workspace, uri) if uris.asset(uri) is not None else uri
    except AzureError as error:
        raise DataFailed(NOT_FOUND if error.status == 404 else INVALID, error.message) from None


def told(cloud: Cloud, workspace: ResourceId, uri: str) -> str:
    """``uri`` as a job is given it where nothing is mounted: in a datastore its long form, from which ``azureml-fsspec``
    and ``mltable`` know the workspace."""
    uri = resolve(cloud, workspace, uri)
    try:
        target = uris.parse(uri)
        if isinstance(target, uris.OutputPath):
            return datastores.output(cloud.store, workspace, target)
        if isinstance(target, uris.StorePath):
            return datastores.long_form(datastores.owner(workspace, target.workspace), target.store, target.path)
    except AzureError as error:
        if error.status == 404:
            raise DataFailed(NOT_FOUND, error.message) from None
    return uri  # of the web, or of storage


def find(cloud: Cloud, workspace: ResourceId, uri: str) -> Source:
    """What lies behind any way to name data, models or code."""
    uri = resolve(cloud, workspace, uri)
    try:
        parts = urlsplit(uri)
        if parts.scheme.lower() in ("http", "https"):
            where = hosts.upstream_for(parts.hostname or "")
            if isinstance(where, hosts.PassThrough):
                return uri
            if isinstance(where, hosts.Refused):
                raise DataFailed(NOT_FOUND, f"'{uri.partition('?')[0]}' cannot be read: {where.reason}")
        found = datastores.locate(cloud, workspace, uri)
        if {".", ".."} & set(found.path.split("/")):
            raise DataFailed(INVALID, f"'{uri}' is not a path in a container: it has the part '.' or '..'.")
        signature = parts.query if "sig" in parse_qs(parts.query) else ""
        return Place(found.account, found.container, found.path, signature, keyed=found.keyed)
    except AzureError as error:
        raise DataFailed(NOT_FOUND if error.status == 404 else INVALID, error.message) from None


def locate(cloud: Cloud, workspace: ResourceId, uri: str) -> Place:
    """Where a ``uri`` that must be in blob storage lies."""
    return blob(find(cloud, workspace, uri), uri)


def blob(source: Source, name: str) -> Place:
    """``source``, which must be in blob storage; ``name`` is whose it is, for the error."""
    if isinstance(source, str):
        raise DataFailed(
            INVALID, f"'{name}' is on the web ({source.partition('?')[0]}), which can only be read, and file by file."
        )
    return source


def check_role(cloud: Cloud, place: Place, principal: Principal, what: str, *, write: bool) -> None:
    """Raises ``DataFailed`` where data that is reached by identity is not for ``principal``, with Azure's code for the case
    (https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication)."""
    account = cloud.blobs.policy(place.account).account_id
    if place.keyed or place.signature or not account:
        return
    scope = f"{account}/blobServices/default/containers/{place.container}"
    action = f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{'write' if write else 'read'}"
    if not permissions.allowed(cloud, principal.object_id, scope, action):
        role = "Storage Blob Data Contributor" if write else "Storage Blob Data Reader"
        verb = "written to" if write else "read from"
        raise DataFailed(
            WRITE_DENIED if write else DENIED,
            f"{what} cannot be {verb} '{place.account}/{place.container}': PermissionDenied(\"This request is not authorized to "
            'perform this operation using this permission."). Authentication failed when trying to access the stream. Make sure '
            f"you have correct credentials: the identity '{principal.name}' ({principal.object_id}) has no role there, such as "
            f"'{role}'.",
        )


@contextmanager
def opened(cloud: Cloud, place: Place) -> Iterator[ContainerClient]:
    """The emulator's own client; for a place with a signature one that has nothing else, and comes in as any client does."""
    if not place.signature:
        try:
            shared = cloud.blobs.container(place.account, place.container)
        except AzureError as error:
            raise DataFailed(
                NOT_FOUND,
                f"'{place.container}/{place.path}' of '{place.account}' cannot be reached: {error.message} Nothing of the real "
                "Azure is: upload a copy to a datastore of the workspace, and name that.",
            ) from None
        yield shared
        return
    with ContainerClient(
        cloud.blobs.url(place.account, place.container).rpartition("/")[0],
        place.container,
        credential=place.signature,
        proxies={"https": cloud.endpoint},
        connection_verify=str(cloud.home.bundle),
        retry_total=0,
    ) as client:
        yield client

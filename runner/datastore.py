"""A datastore's data: what lies there, whether a path exists, and putting a file there. Through azure-storage-blob."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import names
from runner.errors import CloudError, Mistake
from runner.paths import datastore_uri, in_datastore

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from runner.workspace import Workspace

SEARCHED = 5000  # blobs looked at for near names of one that is missing


@dataclass(frozen=True)
class Entry:
    """A blob, or a folder (``size`` is ``None``): its path below the root, bytes, and when it was last changed."""

    path: str
    size: int | None = None
    changed: datetime | None = None


class Datastore:
    """``Datastore.open(workspace, name)`` raises ``Mistake`` with the names there are when it does not exist. ``patient``: a role
    that was just given is waited for (``runner.roles``)."""

    def __init__(self, workspace: Workspace, name: str, resource: Any, patient: bool = True) -> None:
        self.name = name
        self._workspace = workspace
        self._resource = resource
        self._patient = patient

    @staticmethod
    def open(workspace: Workspace, name: str, *, patient: bool = True) -> Datastore:
        from azure.core.exceptions import ResourceNotFoundError

        stores = workspace.client.datastores
        try:
            return Datastore(workspace, name, stores.get(name), patient)
        except ResourceNotFoundError:
            workspace.check()
            existing = sorted(str(store.name) for store in stores.list())
            raise Mistake(
                f"There is no datastore '{name}' in workspace '{workspace.client.workspace_name}'. "
                f"{names.near(name, existing)}",
                next="correct AZURE_ML_DATASTORE_NAME, or --datastore NAME",
            ) from None

    @property
    def _flags(self) -> str:
        return self._workspace.settings.flags

    def uri(self, path: str) -> str:
        return datastore_uri(self.name, in_datastore(path))

    @cached_property
    def container(self) -> ContainerClient:
        """The container behind; a datastore on a file share or of another kind has none."""
        from azure.storage.blob import ContainerClient

        from runner.roles import Patient

        container = getattr(self._resource, "container_name", None) or getattr(self._resource, "filesystem", None)
        if container is None:
            raise Mistake(
                f"Datastore '{self.name}' is of type {getattr(self._resource, 'type', '?')}: it holds no blobs.",
                next="name another: --datastore NAME",
            )
        account, suffix = self._resource.account_name, self._resource.endpoint
        return ContainerClient(
            f"https://{account}.blob.{suffix}",
            container,
            credential=self._credential(),
            retry_policy=Patient(self._workspace, account) if self._patient else None,
        )

    def _credential(self) -> Any:
        """The key or SAS that the datastore holds; without one the sign-in itself."""
        if type(self._resource.credentials).__name__ not in ("AccountKeyConfiguration", "SasTokenConfiguration"):
            return self._workspace.credential
        # Asked for its secret, a datastore with a key answers with a SAS made from it.
        held: Any = self._workspace.client.datastores.get(self.name, include_secrets=True).credentials
        return getattr(held, "sas_token", None) or held.account_key

    def entries(self, path: str = "", *, deep: bool = False) -> Iterator[Entry]:
        """What lies directly in the folder ``path`` (with ``deep``, anywhere below it); the blob itself when it is one."""
        from azure.storage.blob import BlobPrefix

        clean = in_datastore(path)
        if clean and not clean.endswith("/"):
            found = self._blob(clean)
            if found is not None:
                yield found
                return
            clean = f"{clean}/"
        listed: Any = (
            self.container.list_blobs(name_starts_with=clean)
            if deep
            else self.container.walk_blobs(name_starts_with=clean, delimiter="/")
        )
        for item in self._there(listed):
            if isinstance(item, BlobPrefix):
                yield Entry(item.name)
            elif (item.metadata or {}).get("hdi_isfolder") != "true":  # a folder's marker where the account has folders
                yield Entry(item.name, item.size, item.last_modified)

    def kind(self, path: str) -> str | None:
        """``"file"``, ``"folder"``, or ``None`` when nothing is there."""
        clean = in_datastore(path)
        if clean == "":
            return "folder"
        if not clean.endswith("/") and self._blob(clean) is not None:
            return "file"
        folder = f"{clean.rstrip('/')}/"
        return "folder" if next(iter(self.entries(folder, deep=True)), None) is not None else None

    def require(self, path: str, kind: str, what: str, option: str) -> None:
        """Make sure that at ``path`` lies what an input of type ``kind`` takes; raises ``Mistake``, which names ``what``."""
        there = self.kind(path)
        if there is None:
            raise self.missing(path, option)
        wanted = {"uri_file": "file", "uri_folder": "folder"}.get(kind, there)
        if there != wanted:
            raise Mistake(
                f"'/{in_datastore(path)}' in datastore '{self.name}' is a {there}; {what} is a {kind}.",
                next=f"name a {wanted}: aml data list /{in_datastore(path) if there == 'folder' else ''}{self._flags}",
            )

    def missing(self, path: str, option: str = "aml data list ") -> Mistake:
        """The error for a path where nothing is: only the case differs, else the near names, else what is there."""
        clean = in_datastore(path)
        there: list[str] = []
        for entry in self.entries("", deep=True):
            there.append(entry.path)
            if len(there) >= SEARCHED:
                break
        folders = {name[: end + 1] for name in there for end, character in enumerate(name) if character == "/"}
        alike = next(
            (name for name in [*there, *folders] if name.rstrip("/").lower() == clean.rstrip("/").lower()), None
        )
        said = (
            f"There is nothing at '/{clean}' in datastore '{self.name}' (container '{self.container.container_name}')."
        )
        if alike is not None:
            return Mistake(
                f"{said} There is '/{alike}': only the case differs, and names of blobs are case-sensitive.",
                next=f"{option}/{alike}",
            )
        hint = names.near(f"/{clean}", [f"/{name}" for name in there]) if there else "It is empty."
        return Mistake(
            f"{said} {hint}", next=f"aml data list{self._flags}, or aml data upload FILE /{clean}{self._flags}"
        )

    def upload(self, file: Path, path: str, *, overwrite: bool = False) -> tuple[str, bool]:
        """Put ``file`` at ``path`` (into it, when it ends with a slash); gives the path, and ``False`` when the same is there.

        Other content is replaced only with ``overwrite``; raises ``Mistake`` otherwise.
        """
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContentSettings

        clean = in_datastore(path)
        target = f"{clean}{file.name}" if clean == "" or clean.endswith("/") else clean
        digest = _md5(file)
        blob = self.container.get_blob_client(target)
        if self._same(blob, file.stat().st_size, digest):
            return target, False
        try:
            with file.open("rb") as content:
                blob.upload_blob(
                    content, overwrite=overwrite, content_settings=ContentSettings(content_md5=bytearray(digest))
                )
        except ResourceExistsError:
            raise Mistake(
                f"At '/{target}' in datastore '{self.name}' lies something else already.",
                next="add --overwrite, or another path",
            ) from None
        return target, True

    def download(self, path: str, to: Path, *, overwrite: bool = False) -> Path:
        """Fetch the file at ``path`` into the folder or as the file ``to``; gives where it is. A file of another content that is
        there is replaced only with ``overwrite``; raises ``Mistake`` otherwise, and for a path where no file is."""
        clean = in_datastore(path)
        found = self.kind(clean)
        if found is None:
            raise self.missing(clean)
        if found == "folder":
            raise Mistake(
                f"'/{clean}' in datastore '{self.name}' is a folder.",
                next=f"name a file: aml data list /{clean}{self._flags}",
            )
        file = to / clean.rpartition("/")[2] if to.is_dir() else to
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with draft.open("wb") as content:
                self.container.download_blob(clean).readinto(content)
            if file.exists() and not overwrite and _md5(file) != _md5(draft):
                raise Mistake(f"'{file}' holds something else.", next="add --overwrite, or name another file")
            os.replace(draft, file)
        finally:
            draft.unlink(missing_ok=True)
        return file

    def _same(self, blob: Any, size: int, digest: bytes) -> bool:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            there = blob.get_blob_properties()
        except ResourceNotFoundError as error:
            self._container_there(error)
            return False
        if there.size != size:
            return False
        if there.content_settings.content_md5:
            return bytes(there.content_settings.content_md5) == digest
        content = hashlib.md5(usedforsecurity=False)
        for chunk in blob.download_blob().chunks():
            content.update(chunk)
        return content.digest() == digest

    def _blob(self, path: str) -> Entry | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self.container.get_blob_client(path).get_blob_properties()
        except ResourceNotFoundError as error:
            self._container_there(error)
            return None
        if (found.metadata or {}).get("hdi_isfolder") == "true":
            return None
        return Entry(path, found.size, found.last_modified)

    def _there(self, listed: Iterator[Any]) -> Iterator[Any]:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            yield from listed
        except ResourceNotFoundError as error:
            self._container_there(error)
            raise

    def _container_there(self, error: Any) -> None:
        code = getattr(error, "error_code", None)
        if str(getattr(code, "value", code)) == "ContainerNotFound":
            raise CloudError(
                f"Datastore '{self.name}' refers to container '{self.container.container_name}' of account "
                f"'{self.container.account_name}', and there is none.",
                next=f"az storage container create --auth-mode login --account-name {self.container.account_name} "
                f"--name {self.container.container_name}",
            ) from None


def _md5(file: Path) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)  # what storage services call Content-MD5
    with file.open("rb") as content:
        while chunk := content.read(1024 * 1024):
            digest.update(chunk)
    return digest.digest()

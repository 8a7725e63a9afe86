"""A release: the manifest of what was published, from which anybody can say later what served, and promote exactly that.

``releases/<endpoint>/<version>.json`` in the datastore, registered as a version of the data asset ``<endpoint>-release``. It is
written once and never changed; which release serves is the endpoint's own word. It names versions only: a label is no release.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from runner import smoke
from runner.datastore import Datastore
from runner.errors import Mistake

if TYPE_CHECKING:
    from runner.workspace import Workspace

FOLDER = "releases"
PREFIX = "v-"  # a deployment's name begins with a letter


def _version(text: str) -> str:
    if _is_label(text):
        raise ValueError("it is a label")
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")]
Version = Annotated[Name, AfterValidator(_version)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^azureml:[\w.-]+:[\w.-]+$"), AfterValidator(_version)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComponentPart(_Part):
    """``file`` is where it lies below the job's folder; ``pins`` are its labels, and the versions that they stand for."""

    name: Name
    version: Hash
    file: str
    pins: Mapping[str, Reference] = Field(default_factory=dict)


class EnvironmentPart(_Part):
    name: Name
    version: Version
    digest: Hash


class ModelPart(_Part):
    """A model that is bound inside a step. Its tags have its metrics, and the hash of the data that it was made of."""

    name: Name
    version: Version
    tags: Mapping[str, str] = Field(default_factory=dict)


class SmokePart(_Part):
    """``metrics`` are those that the gate told, or the steps logged."""

    job: str
    rows: int
    inputs: Mapping[str, str | bool | int | float]
    metrics: Mapping[str, float] = Field(default_factory=dict)


class Release(_Part):
    """``workspace`` is the id of the one that it was published in first: a model is copied from there."""

    endpoint: Name
    version: Hash
    component: ComponentPart
    environment: EnvironmentPart
    models: tuple[ModelPart, ...] = ()
    smoke: SmokePart
    commit: str | None = None
    dirty: bool = False
    who: str | None = None
    when: datetime
    workspace: str

    @property
    def deployment(self) -> str:
        return f"{PREFIX}{self.version}"

    def text(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def read(file: Path) -> Release:
    """The manifest in ``file``; raises ``Mistake`` for what is none, and for one that names a label."""
    if not file.is_file():
        raise Mistake(f"There is no manifest '{file}'.", next="aml releases VERSION > release.json")
    return _parsed(file.read_bytes(), f"'{file}'")


def of(store: Datastore, endpoint: str, version: str) -> Release | None:
    """The manifest of a release, ``None`` when there is none."""
    from azure.core.exceptions import ResourceNotFoundError

    path = _path(endpoint, version)
    try:
        content = store.container.download_blob(path).readall()
    except ResourceNotFoundError:
        return None
    return _parsed(content, f"'/{path}' in datastore '{store.name}'")


def all_of(store: Datastore, endpoint: str) -> list[Release]:
    """Every release of the endpoint, the latest first."""
    paths = [entry.path for entry in store.entries(f"{FOLDER}/{endpoint}/") if entry.path.endswith(".json")]
    found = [of(store, endpoint, Path(path).stem) for path in paths]
    return sorted((one for one in found if one is not None), key=lambda one: one.when, reverse=True)


def put(workspace: Workspace, store: Datastore, release: Release) -> Release:
    """Store the manifest, and register it as data; what is there already stays, and is what is given back."""
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    path = _path(release.endpoint, release.version)
    try:
        store.container.upload_blob(path, release.text().encode(), overwrite=False)
    except ResourceExistsError:
        release = of(store, release.endpoint, release.version) or release
    name = f"{release.endpoint}-release"
    try:
        workspace.client.data.get(name, version=release.version)
    except ResourceNotFoundError:
        tags = {
            "component": f"{release.component.name}:{release.component.version}",
            "commit": release.commit or "none",
        }
        workspace.client.data.create_or_update(
            Data(name=name, version=release.version, type=AssetTypes.URI_FILE, path=store.uri(path), tags=tags)
        )
    return release


def commit(folder: Path) -> tuple[str | None, bool]:
    """The git commit that is checked out, and whether files of ``folder`` differ from it; ``None`` outside of a repository."""

    def git(*words: str) -> str | None:
        try:
            ended = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ended.stdout.strip() if ended.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    return head, bool(head and git("status", "--porcelain", "--", "."))


def commit_of(head: str | None, dirty: bool) -> str | None:
    """How a commit is written down for a model or a job."""
    return f"{head}-dirty" if head and dirty else head


def _path(endpoint: str, version: str) -> str:
    return f"{FOLDER}/{endpoint}/{version}.json"


def _parsed(content: bytes, where: str) -> Release:
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        labels = [one for one in error.errors() if _is_label(one["input"])]
        if labels:
            places = [f"{'.'.join(map(str, one['loc']))}: {one['input']}" for one in labels]
            raise Mistake(
                f"{where} names a label, and what a label means may change: a release is made of versions.",
                details=places,
                next="take the manifest as aml publish printed it: aml releases VERSION",
            ) from None
        raise Mistake(f"{where} is not a release's manifest:", details=smoke.wrong(error)) from None


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and ("@" in value or value.rpartition(":")[2].lower() == "latest")

"""The forms in which Azure ML names a thing: ``azureml:…``, ``azureml://…``, ARM ids, and the storage services' URLs.

Only text is read here: no store, no cloud. What a form points at is said by a value, one type per kind of target:

    Asset           a version (or a label) of a data, model, environment, component or code asset
    StorePath       a path in a datastore of this or another workspace
    OutputPath      a path in an output of a job
    BlobPath        a path in a container of a storage account

https://learn.microsoft.com/azure/machine-learning/how-to-access-data-interactive, …/concept-data#uri
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Union
from urllib.parse import unquote, urlsplit

from emulator.errors import AzureError, NotEmulated, bad_request

ASSET_TYPES = ("codes", "components", "data", "environments", "models")
PROVIDER = "Microsoft.MachineLearningServices"

WORKSPACE = (
    r"subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)"
    rf"/(?:providers/{re.escape(PROVIDER)}/)?workspaces/(?P<workspace>[^/]+)"
)
STORE = r"datastores/(?P<store>[^/]+)(?:/paths(?:/(?P<path>.*))?)?"
VERSIONED = r"(?P<type>[A-Za-z]+)/(?P<name>[^/]+)/(?P<by>versions|(?:versions/)?labels)/(?P<version>[^/]+)"
FORMS = {
    form: re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL)
    for form, pattern in {
        "short store": rf"azureml://{STORE}",
        "long store": rf"(?:azureml:)?/{{0,2}}{WORKSPACE}/{STORE}",
        "output": r"azureml://(?:subscriptions/.+?/workspaces/[^/]+/)?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)"
        r"(?:/paths(?:/(?P<path>.*))?)?",
        "run": r"runs:/(?P<job>[^/]+)/(?P<path>.*)",
        "registry": rf"azureml://registries/(?P<registry>[^/]+)/{VERSIONED}",
        "location": rf"azureml://locations/(?P<location>[^/]+)/workspaces/(?P<guid>[^/]+)/{VERSIONED}",
        "arm": rf"(?:azureml:)?(?://)?/?{WORKSPACE}/{VERSIONED}",
        "arm registry": r"(?:azureml:)?(?://)?/?subscriptions/[^/]+/resourceGroups/[^/]+"
        rf"/providers/{re.escape(PROVIDER)}/registries/(?P<registry>[^/]+)/{VERSIONED}",
        "label": r"(?:azureml:/?)?(?P<name>[^/:@]+)@(?P<version>[^/:@]+)",
        "version": r"(?:azureml:)?(?P<name>[^/:@]+):(?P<version>[^/:@]+)",
    }.items()
}
ACCOUNT = re.compile(r"(?P<account>[a-z0-9]{3,24})\.(?P<service>blob|dfs|file)\.[a-z0-9.\-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Asset:
    """``version`` is a label when ``labelled``. At most one of ``registry``, ``guid`` (of a workspace) and ``workspace`` (its ARM
    scope, ``/subscriptions/…/workspaces/w``) says where; when none does, it is the workspace that was asked. ``type`` is empty in
    the short form."""

    type: str
    name: str
    version: str
    labelled: bool = False
    registry: str = ""
    guid: str = ""
    workspace: str = ""


@dataclass(frozen=True)
class StorePath:
    """``workspace`` is the ARM id of the workspace that has the datastore, empty for the one that was asked."""

    store: str
    path: str
    workspace: str = ""


@dataclass(frozen=True)
class OutputPath:
    """``output`` is ``artifacts`` for what a job logged (also ``runs:/…``)."""

    job: str
    output: str
    path: str


@dataclass(frozen=True)
class BlobPath:
    """``path`` has no slash in front; it may name a blob or what several blobs' names begin with. ``keyed``: a datastore has a
    credential for it; otherwise it is reached by the identity of who asks."""

    account: str
    container: str
    path: str
    keyed: bool = field(default=False, compare=False, kw_only=True)


Target = Union[Asset, StorePath, OutputPath, BlobPath]


def parse(uri: str) -> Target:
    """What ``uri`` points at; ``InvalidUri`` (400) for a form that Azure ML has not, 501 for a storage service not emulated."""
    scheme, separator, _ = uri.partition("://")
    if separator and scheme.lower() in ("http", "https", "wasb", "wasbs", "abfs", "abfss", "adl"):
        return _storage(uri, scheme.lower())
    for form, pattern in FORMS.items():
        match = pattern.fullmatch(uri)
        if match is not None:
            return _target(form, match.groupdict())
    raise invalid(uri)


def asset(reference: str) -> Asset | None:
    """``reference`` as an asset, ``None`` when it is something else."""
    try:
        target = parse(reference)
    except AzureError:
        return None
    return target if isinstance(target, Asset) else None


def invalid(uri: str) -> AzureError:
    return bad_request(
        "InvalidUri",
        f"'{uri}' is not a URI that Azure ML reads. Use azureml://datastores/<name>/paths/<path>, azureml:<asset>:<version>, "
        "the asset's id, or the https, wasbs or abfss URL of a blob.",
    )


def _target(form: str, found: dict[str, str | None]) -> Target:
    part = {key: value or "" for key, value in found.items()}
    workspace = ""
    if part.get("subscription"):
        workspace = (
            f"/subscriptions/{part['subscription']}/resourceGroups/{part['group']}"
            f"/providers/{PROVIDER}/workspaces/{part['workspace']}"
        )
    if "store" in part:
        return StorePath(part["store"], part.get("path", "").lstrip("/"), workspace)
    if form == "output":
        return OutputPath(part["job"], part["output"], part["path"].lstrip("/"))
    if form == "run":
        return OutputPath(part["job"], "artifacts", part["path"])
    labelled = form == "label" or part.get("by", "").lower().endswith("labels")
    return Asset(
        part.get("type", "").lower(),
        part["name"],
        part["version"],
        labelled,
        registry=part.get("registry", ""),
        guid=part.get("guid", ""),
        workspace=workspace,
    )


def _storage(uri: str, scheme: str) -> BlobPath:
    """``https://a.blob…/c/p``, ``wasbs://c@a.blob…/p``, ``abfss://c@a.dfs…/p``; a query (a SAS) is dropped."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:  # brackets that hold no address
        raise invalid(uri) from None
    if scheme == "adl":
        raise NotEmulated("Azure Data Lake Storage Gen1 (adl://)")
    match = ACCOUNT.fullmatch(host)
    if match is None:
        raise invalid(uri)
    if match["service"].lower() == "file":
        raise NotEmulated("Azure Files")
    path = unquote(parts.path).lstrip("/")
    if scheme in ("http", "https"):
        container, _, path = path.partition("/")
    else:
        container = unquote(parts.username or "")
    if not container:
        raise invalid(uri)
    return BlobPath(match["account"].lower(), container, path)

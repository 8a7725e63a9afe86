"""Invoking: data through the endpoint, and the scores that come of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner import component, inputs, names, scores, settings
from runner.datastore import Datastore
from runner.endpoint import Endpoint
from runner.errors import JobFailed, Mistake
from runner.graph import Graph
from runner.inputs import Value
from runner.paths import in_datastore
from runner.rest import ML_SCOPE
from runner.scores import Scores

if TYPE_CHECKING:
    from runner.workspace import Workspace


BEGINNING = 64 * 1024  # bytes of the scores that are fetched to show their first rows


@dataclass(frozen=True)
class Invocation:
    """What will be sent: to which deployment, with which inputs, and where its outputs go; ``graph`` is what it will run, and
    ``tables`` are the outputs that may be scores."""

    deployment: str
    values: dict[str, Value]
    outputs: dict[str, tuple[str, str]]
    graph: Graph
    tables: tuple[str, ...]


def check(workspace: Workspace, given: Sequence[str], output: str | None, deployment: str | None) -> Invocation:
    """Everything that can be wrong, before anything runs; raises ``Mistake``."""
    endpoint = Endpoint(workspace)
    endpoint.require()
    named = deployment or endpoint.serving()
    if named is None:
        raise Mistake(
            f"Endpoint '{endpoint.name}' has no default deployment: nothing serves.",
            next=f"aml publish{workspace.settings.flags}; or --deployment NAME",
        )
    found = endpoint.deployment(named)
    if found.component is None:
        raise Mistake(
            f"Deployment '{named}' is of a model, not of a pipeline component.",
            next=f"az ml batch-endpoint invoke --name {endpoint.name} --deployment-name {named}",
        )
    spec = component.spec(workspace, found.component)
    declared = spec.get("inputs") or {}
    values = inputs.place(workspace, inputs.read(inputs.named(given, declared), declared))
    types = {name: str(one.get("type", "")) for name, one in (spec.get("outputs") or {}).items()}
    tables = sorted(
        (name for name in types if types[name].startswith("uri_")), key=lambda name: (name != "scores", name)
    )
    places = _outputs(workspace, output, types)
    return Invocation(named, values, places, Graph.of(spec.get("jobs") or {}), tuple(tables))


def head(workspace: Workspace, job: str, tables: Sequence[str]) -> tuple[str, Scores] | None:
    """The first rows of the job's scores and the name of their output; ``None`` when no output has a CSV. Only their beginning is
    fetched: scores may be larger than this machine's disk."""
    from azure.core.exceptions import HttpResponseError

    told = (
        workspace.rest.get(f"{workspace.service('history')}/runs/{quote(job, safe='')}", ML_SCOPE).get("outputs") or {}
    )
    for name in tables:
        asset = re.search(r"/data/([^/]+)/versions/([^/]+)$", str((told.get(name) or {}).get("assetId")))
        place = (
            inputs.IN_DATASTORE.fullmatch(str(workspace.client.data.get(asset[1], asset[2]).path)) if asset else None
        )
        if place is None:
            continue
        store = Datastore.open(workspace, place[1])
        for entry in store.entries(place[2], deep=True):
            if entry.path.endswith(".csv") or not entry.path.rpartition("/")[2].count("."):
                try:
                    return name, scores.beginning(
                        store.container.download_blob(entry.path, offset=0, length=BEGINNING).readall()
                    )
                except (JobFailed, HttpResponseError):  # something else than a table
                    continue
    return None


def _outputs(workspace: Workspace, given: str | None, declared: dict[str, str]) -> dict[str, tuple[str, str]]:
    """``[NAME=]FOLDER``: where an output goes; without a name it is that of ``scores``, or the only one."""
    if given is None:
        return {}
    name, sign, path = given.partition("=")
    if not sign:
        chosen = ["scores"] if "scores" in declared else list(declared)
        if len(chosen) != 1:
            raise Mistake(f"Which output goes to '{given}'? {names.near('', declared)}", next=f"--output NAME={given}")
        name, path = chosen[0], given
    if name not in declared:
        raise Mistake(f"There is no output '{name}'. {names.near(name, declared)}")
    store = Datastore.open(workspace, workspace.settings[settings.DATASTORE])
    clean = in_datastore(path).rstrip("/")
    folder = declared[name] != "uri_file"
    if folder and clean and store.kind(clean) == "file":
        raise Mistake(
            f"'/{clean}' in datastore '{store.name}' is a file, and output '{name}' goes into a folder.",
            next="name a folder: --output /scores",
        )
    return {name: (declared[name], store.uri(f"{clean}/" if folder and clean else clean))}

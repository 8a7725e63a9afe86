"""Invoking: data through the endpoint, and the scores that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import component, inputs, names, outputs, pipeline, release, scores, settings
from runner.datastore import Datastore
from runner.endpoint import Endpoint
from runner.errors import JobFailed, Mistake
from runner.graph import Graph
from runner.inputs import Value
from runner.paths import in_datastore
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
    asked = _with_commit(workspace, endpoint, found.release, inputs.named(given, declared), declared)
    values = inputs.place(workspace, inputs.read(asked, declared))
    types = {name: str(one.get("type", "")) for name, one in (spec.get("outputs") or {}).items()}
    tables = sorted(
        (name for name in types if types[name].startswith("uri_")), key=lambda name: (name != "scores", name)
    )
    places = _outputs(workspace, output, types)
    return Invocation(named, values, places, Graph.of(spec.get("jobs") or {}), tuple(tables))


def _with_commit(
    workspace: Workspace, endpoint: Endpoint, version: str | None, given: dict[str, Any], declared: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs with the Git commit that was released, for a component that has the input and is not given it."""
    if version is None or pipeline.COMMIT not in declared or pipeline.COMMIT in given:
        return given
    made = release.of(Datastore.open(workspace, workspace.settings[settings.DATASTORE]), endpoint.name, version)
    commit = release.commit_of(made.commit, made.dirty) if made is not None else None
    return {**given, pipeline.COMMIT: commit} if commit else given


def head(workspace: Workspace, job: str, tables: Sequence[str]) -> tuple[str, Scores] | None:
    """The first rows of the job's scores and the name of their output; ``None`` when no output has a CSV. Only their beginning is
    fetched: scores may be larger than this machine's disk."""
    from azure.core.exceptions import HttpResponseError

    for name in tables:
        output = outputs.find(workspace, job, name)
        for file, path in output.files.items() if output else ():
            if output and (file.endswith(".csv") or "." not in file.rpartition("/")[2]):
                blob = output.store.container.download_blob(path, offset=0, length=BEGINNING)
                try:
                    return name, scores.beginning(blob.readall())
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

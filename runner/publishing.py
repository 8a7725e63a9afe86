"""Publishing: a component behind an endpoint, tried before anybody is sent to it.

Every stage finds what is there: interrupted anywhere, the same command goes on. What serves is changed by one request, after the
new deployment was invoked by its name and its scores were checked; until then, and when anything fails, the old one serves.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import (
    component,
    inputs,
    models,
    names,
    outputs,
    pipeline,
    release,
    resources,
    scores,
    settings,
    smoke,
    steps,
    talk,
    yaml_file,
)
from runner.component import Component
from runner.config import Read
from runner.datastore import Datastore
from runner.endpoint import Endpoint
from runner.errors import JobFailed, Mistake, RunnerError
from runner.graph import Graph
from runner.history import History
from runner.lease import Lease
from runner.paths import JobFolder
from runner.release import ComponentPart, EnvironmentPart, ModelPart, Release, SmokePart
from runner.report import Report

if TYPE_CHECKING:
    from runner.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """What is published. ``written`` is ``None`` where it is registered already; ``promoted`` is the manifest that asks for it."""

    part: ComponentPart
    digest: str
    models: tuple[ModelPart, ...]
    rules: smoke.Rules
    samples: Path
    written: Component | None
    config: Read
    promoted: Release | None = None
    commit: str | None = None
    dirty: bool = False


def read(workspace: Workspace, folder: JobFolder, config: Read, file: str) -> Plan:
    """What this checkout would publish; everything is checked, nothing is changed."""
    if not (folder.root / file).is_file():
        there = [
            path.name for path in sorted(folder.root.glob("*.yml")) if (folder.root / "smoke" / path.name).is_file()
        ]
        raise Mistake(f"There is no component '{file}' in '{folder.root}'. {names.near(file, there)}")
    rules = smoke.read(folder.root / "smoke" / file)
    found = pipeline.read_component(workspace, folder.root / file, config)
    commit, dirty = release.commit(folder.root)
    return Plan(
        ComponentPart(name=found.name, version=found.version, file=file, pins=found.pins),
        pipeline.digest(config),
        tuple(models.look(workspace, *model) for model in found.models()),
        rules,
        folder.root / "smoke",
        found,
        config,
        commit=commit,
        dirty=dirty,
    )


def promote(workspace: Workspace, folder: JobFolder, config: Read, manifest: Release) -> Plan:
    """Exactly what a manifest names: registered in this workspace already, or made of a checkout that has the same content."""
    part = manifest.component
    _of_this_endpoint(workspace, folder, manifest)
    written = None
    if component.find(workspace.check(), part.name, part.version) is None:
        pins = part.pins

        def pinned(kind: str, name: str, label: str) -> str:
            reference = pins.get(f"azureml:{name}@{label}")
            if reference is None:
                raise _other(f"'{name}@{label}' is not in the manifest.", manifest)
            return reference.rpartition(":")[2]

        written = component.read(folder.root / part.file, pipeline.digest(config), pinned)
        if (written.name, written.version) != (part.name, part.version):
            raise _other(f"This checkout makes {written.name}:{written.version}.", manifest)
    rules = smoke.read(folder.root / "smoke" / part.file)
    digest = manifest.environment.digest
    return Plan(
        part, digest, manifest.models, rules, folder.root / "smoke", written, config, manifest,
        manifest.commit, manifest.dirty,
    )  # fmt: skip


def publish(workspace: Workspace, plan: Plan, *, keep: int, keep_failed: bool) -> Release:
    """Make the plan's component serve, and give the manifest; raises the first thing that speaks against it."""
    endpoint = Endpoint(workspace)
    store = Datastore.open(workspace, workspace.settings[settings.DATASTORE])
    deployment = f"{release.PREFIX}{plan.part.version}"
    with lease(store, endpoint, f"publishing {plan.part.version} to {endpoint.name}") as held:
        id = _registered(workspace, plan)
        endpoint.make()
        history = endpoint.history()
        made = release.of(store, endpoint.name, plan.part.version)
        if history.serving == deployment and made is not None:
            talk.say(f"release {made.version} serves already: its content is unchanged")
        else:
            with _undone(endpoint, deployment, history, keep_failed):
                endpoint.deploy(deployment, id, plan.part.version)
                tried = _try(workspace, endpoint, store, plan, deployment, component.spec(workspace, id))
                models.require(workspace, plan.models)
            made = release.put(workspace, store, _release(workspace, endpoint, plan, tried))
            held.check()
            endpoint.switch(history.then(deployment))
            talk.say(f"release {made.version} serves")
        _tidy(endpoint, keep)
    return made


def rollback(workspace: Workspace, version: str | None) -> str:
    """Make the release that served before the serving one serve again, or ``version``; its version."""
    endpoint = Endpoint(workspace)
    endpoint.require()
    store = Datastore.open(workspace, workspace.settings[settings.DATASTORE])
    with lease(store, endpoint, f"rolling {endpoint.name} back") as held:
        history, there = endpoint.history(), endpoint.deployments()
        if version is None:
            to = _before(workspace, history, there)
        else:
            to = version if version in there else f"{release.PREFIX}{version}"
            known = [one.release for one in there.values() if one.release]
            if to not in there:
                raise Mistake(
                    f"Release '{version}' has no deployment any more. There are those of: {', '.join(known) or 'none'}.",
                    next=_again(workspace, version.removeprefix(release.PREFIX)),
                )
            if to not in history.served and release.of(store, endpoint.name, to.removeprefix(release.PREFIX)) is None:
                raise Mistake(
                    f"Deployment '{to}' did not pass its smoke test, and has never served.",
                    next=f"aml releases{workspace.settings.flags} has what can serve",
                )
        if history.serving != to:
            held.check()
            endpoint.switch(history.back(to))
    return to.removeprefix(release.PREFIX)


def _before(workspace: Workspace, history: History, there: Container[str]) -> str:
    """What served before what serves now, and is still there."""
    found = next((name for name in history.before if name in there), None)
    if found is None:
        later = next((name for name in history.earlier if name in there), None)
        raise Mistake(
            f"There is no release to go back to: '{history.serving or 'nothing'}' serves, and none that served before it was "
            "kept.",
            next=(
                f"aml rollback --to {later.removeprefix(release.PREFIX)}{workspace.settings.flags} makes a later one serve"
                if later
                else _again(workspace)
            ),
        )
    return found


def lease(store: Datastore, endpoint: Endpoint, what: str) -> Lease:
    """Only one may change what an endpoint serves at a time (docs/adr/0011)."""
    holder = os.environ.get("BUILD_REQUESTEDFOR") or getpass.getuser()
    return Lease(store, f"{release.FOLDER}/{endpoint.name}/lease", what, holder.encode("ascii", "replace").decode())


@contextmanager
def _undone(endpoint: Endpoint, deployment: str, history: History, keep: bool) -> Iterator[None]:
    """A deployment that fails its try goes, unless it is to be kept, or has served before; and who serves is said."""
    from azure.core.exceptions import HttpResponseError

    from runner import azure_errors

    try:
        yield
    except (JobFailed, HttpResponseError) as error:
        told: RunnerError = error if isinstance(error, JobFailed) else azure_errors.explain(error)
        if not keep and deployment not in history.served and deployment in endpoint.deployments():
            endpoint.remove(deployment)
        serving = f"{history.serving} still serves." if history.serving else "No release serves yet."
        raise type(told)(f"Not published. {serving} {told.message}", details=told.details, next=told.next) from None


def _of_this_endpoint(workspace: Workspace, folder: JobFolder, manifest: Release) -> None:
    """Raises ``Mistake`` for a manifest of what is not published from here to the endpoint of the settings. That endpoint has
    another name in each workspace, so it is known by its component, and by a namesake of the manifest's being here, too.
    """
    endpoint, part = workspace.settings[settings.ENDPOINT], manifest.component
    own = yaml_file.read(folder.root / part.file).get("name")
    if own != part.name:
        why = f"its component is '{part.name}', and '{part.file}' here is '{own}'"
    elif manifest.endpoint != endpoint and Endpoint(workspace, manifest.endpoint).find() is not None:
        why = "this workspace has both"
    else:
        return
    raise Mistake(
        f"The manifest is of endpoint '{manifest.endpoint}', not of '{endpoint}': {why}.",
        next=f"take a manifest of '{endpoint}' (aml releases), or name the other: --endpoint {manifest.endpoint}",
    )


def _registered(workspace: Workspace, plan: Plan) -> str:
    """The component's id, with all that it needs in the workspace: environment, compute, models."""
    if plan.promoted is not None:
        for model in plan.models:
            models.bring(workspace, model, plan.promoted.workspace)
    if plan.written is None:
        return str(component.find(workspace, plan.part.name, plan.part.version).id)  # type: ignore[union-attr]
    resources.make(workspace, plan.config, resources.look(workspace, plan.config))
    return component.register(workspace, plan.written, pipeline.environment(workspace))


def _try(
    workspace: Workspace, endpoint: Endpoint, store: Datastore, plan: Plan, deployment: str, spec: Mapping[str, Any]
) -> SmokePart:
    """Invoke the deployment by its name, wait, and check what it says; raises ``JobFailed``."""
    given, sizes = dict(plan.rules.inputs), []
    for name, value in plan.rules.inputs.items():
        sample = plan.samples / str(value)
        if isinstance(value, str) and sample.is_file():
            where = f"{release.FOLDER}/{endpoint.name}/{plan.part.version}/{sample.name}"
            given[name], _ = store.upload(sample, where, overwrite=True)
            sizes.append(scores.count(sample))
    values = inputs.place(workspace, inputs.read(given, spec.get("inputs") or {}))
    job = endpoint.invoke(deployment, values, {})
    talk.say(f"smoke test: job {job}")
    with talk.going_on(job, workspace.settings):
        outcome, runs = steps.follow(workspace, job, Graph.of(spec.get("jobs") or {}))
    measured = steps.metrics(workspace, runs)
    Report.of(workspace, job, outcome, measured).raise_for_status(workspace.settings.flags)
    with tempfile.TemporaryDirectory() as folder:
        fetch = _fetcher(workspace, job, Path(folder))
        if plan.rules.gate is not None:
            gate = smoke.Gate.read(fetch(plan.rules.gate, "*", "gate"), plan.rules.gate)
            measured = dict(gate.metrics) or measured
            if not gate.passed:
                raise JobFailed(
                    f"The model did not pass its gate: {gate.reason or 'no reason is given'}.",
                    next=f"aml jobs download {job} --output {plan.rules.gate}{workspace.settings.flags} has all that was measured",
                )
        wanted = plan.rules.scores
        table = scores.read(fetch(wanted.output, wanted.file, "scores.file"))
    broken = wanted.broken(table, sizes[0] if len(sizes) == 1 else None)
    if broken:
        raise JobFailed(
            f"The scores are not what 'smoke/{plan.part.file}' asks for:",
            details=broken,
            next=f"aml jobs download {job} --output {wanted.output}{workspace.settings.flags}",
        )
    talk.say(f"smoke test: {len(table.rows)} rows, as they must be")
    return SmokePart(
        job=job,
        rows=len(table.rows),
        inputs={name: value.given for name, value in values.items()},
        metrics=measured,
    )


def _fetcher(workspace: Workspace, job: str, folder: Path) -> Callable[[str, str, str], Path]:
    def fetch(name: str, pattern: str, key: str) -> Path:
        """The only file of an output that fits; the others stay where they are."""
        output = outputs.find(workspace, job, name)
        if output is None:
            raise JobFailed(f"Job {job} has no output '{name}', which the rule file names.", next=f"correct its {key}")
        return output.fetch(scores.only(output.files, pattern, name, key=key), folder / name)

    return fetch


def _release(workspace: Workspace, endpoint: Endpoint, plan: Plan, tried: SmokePart) -> Release:
    job = workspace.client.jobs.get(tried.job)
    return Release(
        endpoint=endpoint.name,
        version=plan.part.version,
        component=plan.part,
        environment=EnvironmentPart(
            name=workspace.settings[settings.ENVIRONMENT],
            version=workspace.settings[settings.ENVIRONMENT_VERSION],
            digest=plan.digest,
        ),
        models=plan.models,
        smoke=tried,
        commit=plan.commit,
        dirty=plan.dirty,
        who=getattr(job.creation_context, "created_by", None),
        when=datetime.now(timezone.utc),
        workspace=plan.promoted.workspace if plan.promoted else workspace.settings.workspace_id,
    )


def _tidy(endpoint: Endpoint, keep: int) -> None:
    """Remove what was published and is neither serving nor one of the ``keep`` that served last before."""
    stay = endpoint.history().served[: keep + 1]
    for found in endpoint.deployments().values():
        if found.release is not None and found.name not in stay:
            talk.say(f"deployment {found.name}: removing it; the serving one and {keep} before it are kept")
            endpoint.remove(found.name)


def _other(said: str, manifest: Release) -> Mistake:
    part = manifest.component
    return Mistake(
        f"The manifest is of {part.name}:{part.version}, which is not registered here. {said}",
        next=f"git checkout {manifest.commit}" if manifest.commit else "publish from the checkout that it was made of",
    )


def _again(workspace: Workspace, version: str = "VERSION") -> str:
    flags = workspace.settings.flags
    return f"aml releases {version}{flags} > release.json && aml publish --manifest release.json{flags}"

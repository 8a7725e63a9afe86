"""The training pipeline as a plain pipeline job: a folder with ``job.yml``, and everything checked before anything is made.

Its steps are registered under the hash of their content, as ``aml publish`` does it: what runs here is what would be published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import component, conda, inputs, release, settings, talk, yaml_file
from runner.component import Component
from runner.config import Read
from runner.errors import Mistake
from runner.inputs import Value
from runner.paths import JobFolder

if TYPE_CHECKING:
    from runner.workspace import Workspace

COMMIT = "git_commit"


@dataclass(frozen=True)
class Pipeline:
    """A job that can be sent: ``values`` are the inputs that it is given."""

    folder: JobFolder
    component: Component
    values: dict[str, Value]


def read(workspace: Workspace, folder: JobFolder, config: Read, given: Sequence[str]) -> Pipeline:
    """What ``job.yml`` says, with the inputs of the command line in the place of its own; raises ``Mistake``."""
    written = yaml_file.read(folder.job)
    named = written.get("component")
    if not isinstance(named, str) or named.startswith("azureml:"):
        raise Mistake(
            f"'{folder.job}' names no component that lies here.", next="write it as component: pipeline.yml, beside it"
        )
    found = read_component(workspace, (folder.root / named.removeprefix("file:")).resolve(), config)
    declared = found.content.get("inputs") or {}
    asked = {**(written.get("inputs") or {}), **inputs.named(given, declared)}
    values = inputs.read(with_commit(asked, declared, folder.root), declared)
    return Pipeline(folder, found, inputs.place(workspace.check(), values))


def with_commit(given: Mapping[str, Any], declared: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The inputs with the Git commit of ``folder``, for a pipeline that has the input ``git_commit`` and is not given it."""
    if COMMIT not in declared or COMMIT in given:
        return dict(given)
    commit = release.commit_of(*release.commit(folder))
    return {**given, COMMIT: commit} if commit else dict(given)


def read_component(workspace: Workspace, file: Path, config: Read) -> Component:
    """The component in ``file`` with the configuration's environment, its labels resolved in the workspace."""
    return component.read(file, digest(config), lambda *reference: resolve(workspace, *reference))


def digest(config: Read) -> str:
    return component.environment_digest(config.config.environment.image, conda.read(config.conda_file))


def environment(workspace: Workspace) -> str:
    """The reference of the environment that the settings name."""
    return f"azureml:{workspace.settings[settings.ENVIRONMENT]}:{workspace.settings[settings.ENVIRONMENT_VERSION]}"


def resolve(workspace: Workspace, kind: str, name: str, label: str) -> str:
    """The version that a label means now; raises ``Mistake`` when there is none."""
    from azure.ai.ml.exceptions import ValidationException
    from azure.core.exceptions import ResourceNotFoundError

    try:
        found = str(getattr(workspace.client, kind).get(name, label=label).version)
    except (ResourceNotFoundError, ValidationException):  # azure-ai-ml's own word for a label that nothing has
        workspace.check()
        hint = "aml pipeline trains and registers one" if kind == "models" else f"az ml {kind.rstrip('s')} list"
        raise Mistake(f"There is no '{name}@{label}' among the {kind} of the workspace.", next=hint) from None
    talk.say(f"{name}@{label} is version {found}")
    return found


def submit(workspace: Workspace, asked: Pipeline, *, force_rerun: bool = False) -> Any:
    """The job as Azure ML answers it: ``name``, ``status``, ``studio_url``."""
    where = environment(workspace)
    for step in asked.component.steps.values():
        component.register(workspace, step, where)
    job = _load(workspace, asked)
    job.component = component.prepared(asked.component, where)
    if force_rerun:
        job.settings.force_rerun = True
    with talk.plain():
        return workspace.client.jobs.create_or_update(job)


def _load(workspace: Workspace, asked: Pipeline) -> Any:
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import ValidationException
    from marshmallow.exceptions import ValidationError

    given = workspace.settings
    content = yaml_file.read(asked.folder.job)
    written = content.get("inputs") or {}
    changes: list[dict[str, Any]] = [
        {"experiment_name": given[settings.EXPERIMENT]},
        {"settings.default_compute": f"azureml:{given[settings.COMPUTE]}"},
    ]
    for name, value in asked.values.items():
        own = written[name] if isinstance(written.get(name), dict) else {}
        data = {**own, "type": value.type, "path": value.given}
        changes.append({f"inputs.{name}": data if value.is_data else value.given})
    for name, declared in (asked.component.content.get("outputs") or {}).items():
        if name not in (content.get("outputs") or {}):  # or nobody could fetch it by its name
            changes.append({f"outputs.{name}": {key: declared[key] for key in ("type", "mode") if key in declared}})
    try:
        return load_job(asked.folder.job, params_override=changes)
    except (ValidationError, ValidationException) as error:
        raise Mistake(
            f"'{asked.folder.job}' is not a job that Azure ML takes:", details=yaml_file.reasons(str(error))
        ) from None

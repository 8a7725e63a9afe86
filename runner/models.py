"""The models that a release binds: what they are, and copies of them in the workspace that it is promoted to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import settings, talk
from runner.errors import JobFailed, Mistake
from runner.release import ModelPart

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from runner.workspace import Workspace


def look(workspace: Workspace, name: str, version: str) -> ModelPart:
    """The model as a manifest names it; raises ``Mistake`` when it is not registered."""
    found = _find(workspace.client, name, version)
    if found is None:
        raise Mistake(
            f"There is no model '{name}:{version}' in workspace '{workspace.settings[settings.WORKSPACE]}'.",
            next="aml pipeline trains and registers one; or name another version in the component",
        )
    return ModelPart(name=name, version=version, tags={key: str(value) for key, value in (found.tags or {}).items()})


def require(workspace: Workspace, models: Iterable[ModelPart]) -> None:
    """Raise ``JobFailed`` for one that is no longer there: a training registers first, and takes its version back when another was
    faster and better. Nothing in MLflow's registry is conditional; so what was ``@latest`` a moment ago is looked at again.
    """
    for model in models:
        if _find(workspace.client, model.name, model.version) is None:
            raise JobFailed(
                f"Model '{model.name}:{model.version}' was withdrawn while the release was tried.",
                next="the same command again: it takes the version that is the latest now",
            )


def bring(workspace: Workspace, model: ModelPart, source: str) -> None:
    """Make sure that the workspace has this very model: as it is, or as a copy from the workspace with the id ``source``."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

    found = _find(workspace.client, model.name, model.version)
    if found is not None:
        here = {key: str(value) for key, value in (found.tags or {}).items()}
        differing = sorted(key for key in model.tags if here.get(key) != model.tags[key])
        if differing:
            raise Mistake(
                f"Model '{model.name}:{model.version}' of this workspace is another one than the release's.",
                details=[f"{key}: {here.get(key)} here, {model.tags[key]} in the release" for key in differing],
                next="register the release's model under this version, or publish a release of this workspace",
            )
        return
    _, _, subscription, _, group, *_, name = source.split("/")
    talk.say(f"model {model.name}:{model.version}: copying it from workspace {name}")
    there = MLClient(workspace.credential, subscription, group, name, enable_telemetry=False, show_progress=False)
    original = _find(there, model.name, model.version)
    if original is None:
        raise Mistake(
            f"Model '{model.name}:{model.version}' is neither here nor in workspace '{name}', where it was published."
        )
    with tempfile.TemporaryDirectory() as folder, talk.plain():
        there.models.download(model.name, model.version, download_path=folder)
        (path,) = (Path(folder) / model.name).iterdir()
        copy = Model(
            name=model.name,
            version=model.version,
            type=original.type,
            path=path,
            description=original.description,
            tags=dict(original.tags or {}),
        )
        workspace.client.models.create_or_update(copy)


def _find(client: MLClient, name: str, version: str) -> Any | None:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return client.models.get(name, version)
    except ResourceNotFoundError:
        return None

"""A job's outputs, file by file: where each lies, without fetching it whole.

azure-ai-ml fetches an output whole, and one of a model's type not at all: 1.35.2 asks for its place by
``BatchGetResolvedUrisDto(values=…)``, of which the parameter is ``values_property``, and raises ``TypeError`` before it sends
anything (azure/ai/ml/operations/_model_dataplane_operations.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner import inputs
from runner.datastore import Datastore
from runner.rest import ML_SCOPE

if TYPE_CHECKING:
    from runner.workspace import Workspace

ASSET = re.compile(r".*/(data|models)/([^/]+)/versions/([^/]+)")


@dataclass(frozen=True)
class Output:
    """``path`` is the folder or the file below the datastore's root."""

    store: Datastore
    path: str
    kind: str

    @cached_property
    def files(self) -> dict[str, str]:
        """The files by their names relative to the folder, with their paths below the datastore's root."""
        base = self.path.strip("/")
        paths = [entry.path for entry in self.store.entries(self.path, deep=True)]
        return {path.rpartition("/")[2] if path == base else path[len(base) :].lstrip("/"): path for path in paths}

    def fetch(self, name: str, folder: Path) -> Path:
        """One of ``files``, put below ``folder``."""
        to = folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        return self.store.download(self.files[name], to, overwrite=True)


def find(workspace: Workspace, job: str, name: str) -> Output | None:
    """The output of a job that has ended; ``None`` where it has none of that name, or one that is in no datastore."""
    asset = ASSET.fullmatch(assets(workspace, job).get(name, ""))
    if asset is None:
        return None
    place = inputs.IN_DATASTORE.fullmatch(str(getattr(workspace.client, asset[1]).get(asset[2], asset[3]).path))
    return Output(Datastore.open(workspace, place[1]), place[2], asset[1]) if place else None


def assets(workspace: Workspace, job: str) -> dict[str, str]:
    """The ids of what a job made, by its outputs' names: also of those that the job itself does not tell."""
    run = workspace.rest.get(f"{workspace.service('history')}/runs/{quote(job, safe='')}", ML_SCOPE)
    return {name: str(told.get("assetId")) for name, told in (run.get("outputs") or {}).items() if name != "default"}

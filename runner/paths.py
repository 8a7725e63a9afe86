"""Paths: the one place that knows where a job's parts lie, in its folder here and in the workspace's storage there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner import project
from runner.errors import Mistake

BATCH_SINGLE_STEP = "jobs/batch_single_step"
PIPELINE_TWO_STEP = "jobs/pipeline_two_step"


@dataclass(frozen=True)
class JobFolder:
    """A job as it is written: ``job.yml`` beside its configuration and code."""

    root: Path

    @staticmethod
    def find(name: str | Path) -> JobFolder:
        """The folder ``name`` here, or below one of the folders above; raises ``Mistake`` when there is no ``job.yml`` in it."""
        folder = project.find(str(name)) or project.CHECKOUT / name
        if not (folder / "job.yml").is_file():
            raise Mistake(f"There is no job.yml in '{name}'.", next="name the job's folder: --job-folder FOLDER")
        return JobFolder(folder.absolute())

    @property
    def job(self) -> Path:
        return self.root / "job.yml"

    @property
    def config(self) -> Path:
        return self.root / "cfg" / "config.yaml"


@dataclass(frozen=True)
class JobPaths:
    """Where Azure ML keeps what belongs to the job called ``name``:
    https://learn.microsoft.com/azure/machine-learning/how-to-save-write-experiment-files"""

    name: str

    @property
    def artifacts(self) -> str:
        """Logs and the default output."""
        return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{self.name}/"

    @property
    def download(self) -> Path:
        """Where ``aml jobs download`` puts things, unless told otherwise."""
        return Path(self.name)

    @staticmethod
    def streamed(logs: list[str]) -> str | None:
        """The log that tells the job's story: of one process the only one, of several that of rank 0."""
        for pattern in (
            r"user_logs/std_log\.txt",
            r"user_logs/std_log\D*0+\.txt",
            r"user_logs/std_log.*\.txt",
            r"azureml-logs/\d{2}.+\.txt",
            r"logs/azureml/executionlogs\.txt",
        ):
            found = sorted(log for log in logs if re.fullmatch(pattern, log))
            if found:
                return found[0]
        return None


def in_datastore(path: str) -> str:
    """``path`` below a datastore's root in its one spelling: no slash at its beginning, ``""`` for the root itself.

    A name never escapes: ``..`` and its kin are refused, not resolved. A slash at the end, a folder's, stays.
    """
    if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise Mistake(f"The path {path!r} has a character that no path in a datastore has.", next="write it with '/'")
    if "://" in path or re.match(r"^[A-Za-z]:", path):
        raise Mistake(f"The path '{path}' is not one below the datastore's root.", next="write it as /folder/file.csv")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if any(part.strip(". ") == "" for part in parts):
        raise Mistake(f"The path '{path}' leaves the datastore.", next="write it as /folder/file.csv")
    if len(path.encode()) > 1024:
        raise Mistake(f"The path '{path[:60]}…' is longer than a blob's name may be, 1024 bytes.")
    clean = str(PurePosixPath(*parts)) if parts else ""
    return f"{clean}/" if clean and path.endswith("/") else clean


def datastore_uri(datastore: str, path: str) -> str:
    """``azureml://datastores/{datastore}/paths/{path}``, ``path`` as ``in_datastore`` gives it."""
    return f"azureml://datastores/{datastore}/paths/{path}"

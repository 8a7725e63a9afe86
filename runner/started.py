"""The jobs that a command here has started and whose end it has not seen: what ``aml jobs cancel --started`` cancels.

Each is a file in the state folder, named by the job, that says in which workspace: a command that is killed leaves it behind.
"""

from __future__ import annotations

from pathlib import Path

from runner import names, project
from runner.settings import Settings


def note(job: str, settings: Settings) -> None:
    assert names.ASSET.fits(job), f"Azure ML called a job {job!r}."
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / job).write_text(settings.workspace_id, "utf-8")


def ended(job: str) -> None:
    (_folder() / job).unlink(missing_ok=True)


def of(settings: Settings) -> list[str]:
    """Those in this workspace."""
    workspace = settings.workspace_id.lower()
    return sorted(file.name for file in _folder().glob("*") if file.read_text("utf-8").lower() == workspace)


def _folder() -> Path:
    return project.state_folder() / "started"

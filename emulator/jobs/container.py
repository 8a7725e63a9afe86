"""What a job has on a node, as in Azure it would be in its container: folders of its own, and its environment's Python.

Must not live here: which nodes a job gets (``nodes``), what is put into the folders (``emulator.data``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emulator.environments import builds
from emulator.history.artifacts import Artifacts, FolderFollower
from emulator.jobs import variables


@dataclass
class Container:
    """The folders on one node, below the job's, and those of them that are uploaded."""

    place: variables.Place
    followed: list[FolderFollower]


def make(folder: Path, index: int, built: builds.Built, artifacts: Artifacts) -> Container:
    """The one of the node ``index``, below the job's ``folder``."""
    root = folder / f"node{index}"
    work, logs, home, temporary = (root / name for name in ("wd", "user_logs", "home", "tmp"))
    for path in (work / "outputs", work / "logs", logs, home, temporary):
        path.mkdir(mode=0o700, parents=True)
    python = builds.layer(built, root / "environment")
    return Container(
        variables.Place(python, work, logs, home, temporary),
        [FolderFollower(artifacts, work / name, name) for name in ("logs", "outputs")],
    )

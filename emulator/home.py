"""The state folder: the one object that knows its paths and its version.

Rules: the folder is 0700 and its files 0600; no name that came from outside is ever part of a path (``folder_for`` hashes it);
a folder of a newer version is refused before anything in it is touched.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import StateError

VERSION = 1


@dataclass(frozen=True)
class Home:
    root: Path

    @staticmethod
    def find(path: str | os.PathLike[str] | None = None) -> Home:
        """``path``, else ``AML_LOCAL_HOME``, else ``.local`` in the working folder."""
        return Home(Path(path or os.environ.get("AML_LOCAL_HOME") or ".local").absolute())

    def prepare(self) -> Home:
        """Make the folder, or check the one that is there."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.version.read_text().strip() if self.version.exists() else None
        if found is None:
            if any(self.root.iterdir()):
                raise StateError(f"{self.root} is not empty and not a state folder. Name another: AML_LOCAL_HOME=…")
            write_private(self.version, f"{VERSION}\n".encode())
        elif not found.isdigit() or int(found) > VERSION:
            raise StateError(
                f"{self.root} was written by a newer version (folder version {found}, this one reads {VERSION}). "
                "Update this checkout, or name another folder: AML_LOCAL_HOME=…"
            )
        self.root.chmod(0o700)
        return self

    @property
    def version(self) -> Path:
        return self.root / "version"

    @property
    def running(self) -> Path:
        """While an emulator runs: its pid, port, start and version, as JSON."""
        return self.root / "running.json"

    @property
    def lock(self) -> Path:
        """Held by the running emulator for as long as it lives."""
        return self.root / "lock"

    @property
    def authority(self) -> Path:
        return self.root / "ca"

    @property
    def bundle(self) -> Path:
        """What clients trust: the machine's roots and the emulator's own CA, in one PEM file."""
        return self.authority / "bundle.pem"

    @property
    def identity(self) -> Path:
        return self.root / "identity"

    @property
    def database(self) -> Path:
        return self.root / "store.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def tracking(self) -> Path:
        return self.root / "mlflow"

    @property
    def environments(self) -> Path:
        return self.root / "environments"

    @property
    def downloads(self) -> Path:
        """Blobs that jobs read, under their ETags, for later jobs."""
        return self.root / "downloads"

    @property
    def snapshots(self) -> Path:
        """Code assets as they were laid out, one folder each, for later jobs."""
        return self.root / "snapshots"

    @property
    def runs(self) -> Path:
        """One folder a running job: snapshot, inputs, outputs. Removed when the job ended."""
        return self.root / "runs"

    @property
    def stacks(self) -> Path:
        """The outputs of the stacks applied in process, one JSON file each."""
        return self.root / "stacks"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def folder_for(self, parent: Path, name: str) -> Path:
        """A folder below ``parent`` for a thing whose ``name`` came from outside: a hash, so never a path."""
        folder = parent / hashlib.sha256(name.lower().encode()).hexdigest()[:24]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def write_private(path: Path, content: bytes) -> None:
    """Write a whole file, 0600, that is either the old one or the new one after a crash."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)

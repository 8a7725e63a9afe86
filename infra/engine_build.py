"""The Pulumi engine from its Go module: built once for this user and machine, kept in the user's cache.

Which version is said by ``requirements/engine/go.mod``, and what it is made of by the ``go.sum`` beside it. The vendor's own
distribution, found on ``PATH``, is always as good, and ``make engine`` builds nothing then. It has more: the Python language
host, which is no Go module to be had. Ours is for the tests, which bring a small one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.errors import EngineError, StackError

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "requirements" / "engine"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3"
INSTALL = "https://www.pulumi.com/docs/install/"
SDK = "github.com/pulumi/pulumi/sdk/v3"
# What starts a Python program for the engine; the vendor ships it beside the engine, as the cache does.
PYTHON_EXEC = "pulumi-language-python-exec"


def cached() -> Path:
    """Where the engine that ``build`` makes is, or would be: another content of the lock files is another folder."""
    lock = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    digest = hashlib.sha256(lock + platform.machine().encode()).hexdigest()[:12]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "azure-ml-as-code" / f"pulumi-{version()}-{digest}" / "pulumi"


def version() -> str:
    found = re.search(rf"{PACKAGE} v([\d.]+)", (MODULE / "go.mod").read_text("utf-8"))
    assert found is not None, f"go.mod names the version of {PACKAGE}."
    return found[1]


def build() -> Path:
    """The engine in the cache, built if it is not there: minutes, and a network or a warm module cache. Two at once wait for
    each other, and one that is killed leaves nothing that would be taken for an engine."""
    engine = cached()
    if engine.is_file():
        return engine
    go = shutil.which("go")
    if go is None:
        raise EngineError(
            "There is no Pulumi engine on this machine, and no 'go' on PATH to build one with.",
            f"install Pulumi ({INSTALL}), or Go (https://go.dev/dl/) and make engine",
        )
    folder = engine.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if engine.is_file():
            return engine
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            new = Path(made) / folder.name
            flags = f"-s -w -X {SDK}/go/common/version.Version=v{version()}"
            _go(go, "build", "-trimpath", "-ldflags", flags, "-o", str(new / "pulumi"), f"{PACKAGE}/cmd/pulumi")
            sdk = _go(go, "list", "-m", "-f", "{{.Dir}}", SDK)
            shutil.copy(Path(sdk) / "python" / "cmd" / PYTHON_EXEC, new)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    return engine


def _go(go: str, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    ended = subprocess.run([go, *arguments], cwd=MODULE, env=environment, capture_output=True, text=True)
    if ended.returncode != 0:
        raise EngineError(
            f"The Pulumi engine could not be built: go {arguments[0]} ended with {ended.returncode}.\n{ended.stderr.strip()}",
            f"is the Go module proxy reached from here? Else install Pulumi: {INSTALL}",
        )
    return ended.stdout.strip()


def main() -> int:
    """``make engine``: says where the engine is, after it was found or built."""
    from infra.engine import find

    try:
        if not cached().is_file():
            try:
                print(find().path)
                return 0
            except EngineError:
                print(f"engine: Pulumi {version()} from its Go module, once on this machine: minutes", file=sys.stderr)
        print(build())
        if not shutil.which("pulumi-language-python"):
            print(f"engine: enough for the tests; to apply stacks, install Pulumi: {INSTALL}", file=sys.stderr)
    except StackError as error:
        print(f"engine: {error}\nengine: next: {error.next}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

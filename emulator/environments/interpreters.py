"""The Pythons of this machine: found, never downloaded.

Looked for: the one that runs the emulator, ``PATH``, pyenv's versions, uv's own, Homebrew's and the frameworks' folders. Each is
asked for its version once in a process's life (again when its file changed), and the folders are read again after some seconds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from emulator.environments.conda import EnvironmentFailed

OLDEST = (3, 7)  # what uv can still make an environment of
PROBE = (
    "import json,sys,sysconfig;"
    "print(json.dumps([sys.implementation.name, list(sys.version_info[:3]), getattr(sys, '_base_executable', sys.executable),"
    " bool(sysconfig.get_config_var('Py_GIL_DISABLED'))]))"
)
FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/Library/Frameworks/Python.framework/Versions/*/bin")

KEPT = 5.0  # seconds that a list is good for

_probed: dict[tuple[str, int], Interpreter | None] = {}
_last: dict[str, tuple[float, list[Interpreter]]] = {}  # PATH: when, what
_lock = threading.Lock()


@dataclass(frozen=True)
class Interpreter:
    """``path`` is the executable itself, never a virtual environment's or a shim."""

    version: Version
    path: Path


def choose(wanted: str) -> tuple[Interpreter, str]:
    """The newest that matches ``wanted`` (a specifier set; empty: the emulator's own), and a line for the log.

    A patch release that is not here (``==3.9.7.*``) is stood in for by another of its minor version, and the line says so: laptops
    have one of each. Raises ``EnvironmentFailed`` with the versions found. Blocks while a Python is asked for the first time.
    """
    every = found()
    if not wanted:
        own = Version(".".join(map(str, sys.version_info[:3])))
        same = [python for python in every if python.version == own] or every
        if same:
            return same[0], f"No Python version is named: {same[0].version} is used, the emulator's own."
    for specifiers in (SpecifierSet(wanted), _minor(wanted)):
        for python in every:
            if specifiers is not None and specifiers.contains(python.version):
                if SpecifierSet(wanted).contains(python.version):
                    return python, f"Python {python.version} ({wanted or 'any'})."
                return python, f"Python {wanted} is not on this machine: {python.version} stands in for it."
    versions = ", ".join(dict.fromkeys(str(python.version) for python in every)) or "none"
    raise EnvironmentFailed(
        f"No Python on this machine is {wanted}; found: {versions}. Install it (pyenv, or your system's packages), "
        "or name one of these in the conda file."
    )


def found() -> list[Interpreter]:
    """All, newest first; of the same version the emulator's own, then the one earlier on ``PATH``."""
    path = os.environ.get("PATH", "")
    then, pythons = _last.get(path, (float("-inf"), []))
    if time.monotonic() - then > KEPT:
        pythons = _found()
        _last[path] = (time.monotonic(), pythons)
    return pythons


def _found() -> list[Interpreter]:
    keys: dict[str, tuple[str, int]] = {}
    for candidate in _candidates():
        try:
            real = os.path.realpath(candidate)
            keys.setdefault(real, (str(candidate), os.stat(real).st_mtime_ns))
        except OSError:
            continue
    with _lock:
        missing = [key for key in keys.values() if key not in _probed]
        if missing:
            with ThreadPoolExecutor(max_workers=4) as pool:
                _probed.update(zip(missing, pool.map(_probe, [path for path, _ in missing]), strict=True))
        pythons = [python for key in keys.values() if (python := _probed[key])]
    unique = {python.path.resolve(): python for python in reversed(pythons)}
    return sorted(reversed(unique.values()), key=lambda python: python.version, reverse=True)


def _candidates() -> Iterator[Path]:
    yield Path(getattr(sys, "_base_executable", sys.executable))
    name = re.compile(r"python(3(\.\d+)?)?")
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), *_expanded(FOLDERS)):
        if (
            folder and Path(folder).name != "shims"
        ):  # pyenv's shims answer for whichever version is active where they run
            yield from (Path(folder, entry) for entry in _listed(folder) if name.fullmatch(entry))
    roots = (
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python"),
    )
    for root in roots:
        yield from (root / entry / "bin" / "python3" for entry in _listed(root))


def _expanded(patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        root, star, rest = pattern.partition("*")
        yield from (f"{root}{entry}{rest}" for entry in _listed(root)) if star else (pattern,)


def _listed(folder: str | Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _probe(path: str) -> Interpreter | None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", PROBE], capture_output=True, text=True, timeout=20, check=True, env=environment
        )
        implementation, numbers, base, threaded = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # not a Python, or a broken one
    if implementation != "cpython" or threaded or tuple(numbers[:2]) < OLDEST:
        return None
    return Interpreter(Version(".".join(map(str, numbers))), Path(base))


def _minor(wanted: str) -> SpecifierSet | None:
    match = re.fullmatch(r"==(\d+\.\d+)(\.\d+)?(\.\*)?", wanted)
    return SpecifierSet(f"=={match[1]}.*") if match else None

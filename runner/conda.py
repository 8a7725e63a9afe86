"""Conda parity: do the conda file, the registered environment and the interpreter here have the same packages?

Compared are normalised names and specifiers, not text: ``scikit_learn == 1.5`` and ``scikit-learn==1.5.0`` are the same, and so
is conda's ``numpy=1.26`` and pip's ``numpy==1.26.*``. The comparison is pure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import Mistake

# https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html#package-match-specifications
SPEC = re.compile(r"^(?:[\w./-]+::)?([A-Za-z0-9_.-]+)\s*(.*)$")
# Conda's name -> the distribution's, where they differ, for the comparison with an interpreter.
DISTRIBUTIONS = {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "py-opencv": "opencv-python",
    "tensorflow-base": "tensorflow",
}
INSTALLERS = (
    "pip",
    "setuptools",
    "wheel",
)  # they install the packages; an interpreter made by another tool has none of them


@dataclass(frozen=True)
class Package:
    """``wanted`` is a specifier in pip's spelling, its parts sorted, or the whole line where it is none (a URL, a pip option)."""

    name: str
    wanted: str
    plain: bool = True

    def allows(self, version: str) -> bool:
        from packaging.specifiers import SpecifierSet

        return not self.plain or SpecifierSet(self.wanted).contains(version, prereleases=True)

    def same(self, other: Package) -> bool:
        from packaging.specifiers import SpecifierSet

        if self.plain and other.plain:
            return SpecifierSet(self.wanted) == SpecifierSet(other.wanted)
        return (self.plain, self.wanted) == (other.plain, other.wanted)


@dataclass(frozen=True)
class Difference:
    """What each place has for ``package``; ``None``: nothing, or the place was not looked at."""

    package: str
    file: str | None = None
    registered: str | None = None
    interpreter: str | None = None


def read(file: Path) -> dict[str, Any]:
    """The conda file's content; raises ``Mistake`` for one that is not there or not a conda file."""
    import yaml

    if not file.is_file():
        raise Mistake(f"There is no conda file '{file}'.", next="name it in cfg/config.yaml: environment.conda_file")
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise Mistake(f"'{file}' is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.") from None
    except yaml.YAMLError as error:
        raise Mistake(f"'{file}' is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise Mistake(f"'{file}' is not a conda file: it has no mapping at its top.")
    packages(content, f"'{file}'")
    return content


def packages(content: Mapping[str, Any], where: str) -> dict[str, Package]:
    """The packages of a conda file by normalised name; ``where`` is its name in an error."""
    lines = content.get("dependencies")
    if not isinstance(lines, list):
        raise Mistake(f"{where} has no list 'dependencies'.")
    found: dict[str, Package] = {}
    for line in lines:
        if isinstance(line, str):
            _add(found, _of_conda(line, where), where)
        elif isinstance(line, dict) and set(line) == {"pip"} and isinstance(line["pip"], list):
            for entry in line["pip"]:
                if not isinstance(entry, str):
                    raise Mistake(f"{where}: under pip stands {entry!r}; it is written as 'name==version'.")
                _add(found, _of_pip(entry, where), where)
        else:
            raise Mistake(f"{where}: a dependency is 'name=version' or a list under 'pip:'; here stands {line!r}.")
    return found


def _add(found: dict[str, Package], package: Package, where: str) -> None:
    before = found.setdefault(package.name, package)
    if not before.same(package):
        raise Mistake(f"{where} has '{package.name}' twice: {before.wanted or 'any'} and {package.wanted or 'any'}.")


def _of_conda(line: str, where: str) -> Package:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name

    match = SPEC.match(line.strip())
    if not match:
        raise Mistake(f"{where}: '{line}' is not a dependency; it is written as 'name=version'.")
    name, rest = canonicalize_name(match[1]), match[2].strip()
    try:
        return Package(name, _sorted(SpecifierSet(",".join(_as_pip(part) for part in rest.split(",") if part.strip()))))
    except InvalidSpecifier:  # conda's alternatives (1.2|1.4) and build strings alone have no spelling of pip's
        return Package(name, " ".join(rest.split()), plain=False)


def _as_pip(part: str) -> str:
    """One condition of conda's in pip's spelling: ``=1.2`` is ``==1.2.*``, ``1.2.*`` is ``==1.2.*``, ``1.2`` is ``==1.2``."""
    part = part.strip()
    exact = re.match(r"^=?([^=<>!~\s]+)[=\s]+[^=<>!~\s]+$", part)  # name=version=build, name version build
    if exact:
        return f"=={exact[1]}"
    if re.match(r"^=[^=]", part):
        version = part[1:].strip()
        return f"=={version}" if version.endswith("*") else f"=={version}.*"
    if re.match(r"^[<>!~=]", part):
        return part
    return "" if part == "*" else f"=={part}"


def _of_pip(line: str, where: str) -> Package:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    text = line.strip()
    if text.startswith("-") or "://" in text.split("@")[0] or text.startswith((".", "/")):
        return Package(text, text, plain=False)
    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        raise Mistake(f"{where}: under pip, '{line}': {' '.join(str(error).split())}") from None
    name = canonicalize_name(wanted.name)
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    if wanted.url or wanted.marker:
        return Package(f"{name}{extras}", text, plain=False)
    return Package(f"{name}{extras}", _sorted(wanted.specifier))


def _sorted(specifier: Any) -> str:
    return ",".join(sorted(str(part) for part in specifier))


def differences(
    file: Mapping[str, Package],
    *,
    registered: Mapping[str, Package] | None = None,
    installed: Mapping[str, str] | None = None,
) -> list[Difference]:
    """What is not the same, by name. A place that is ``None`` was not looked at (or does not exist) and never differs."""
    found = []
    for name in sorted({*file, *(registered or {})}):
        here, there = file.get(name), (registered or {}).get(name)
        version = _version(name, installed) if installed is not None else None
        apart = registered is not None and (here is None or there is None or not here.same(there))
        foreign = installed is not None and here is not None and not _satisfied(here, version)
        if apart or foreign:
            found.append(Difference(name, _shown(here), _shown(there), version))
    return found


def _satisfied(package: Package, version: str | None) -> bool:
    if package.name in INSTALLERS or not package.plain:
        return True
    return version is not None and package.allows(version)


def _version(name: str, installed: Mapping[str, str]) -> str | None:
    bare = name.split("[")[0]
    return installed.get(bare) or installed.get(DISTRIBUTIONS.get(bare, bare))


def _shown(package: Package | None) -> str | None:
    return None if package is None else package.wanted or "any"


def installed(python: Path | None = None) -> dict[str, str]:
    """What an interpreter has, by normalised name, and its own version as ``python``; this one when none is named."""
    from packaging.utils import canonicalize_name

    code = (
        "import importlib.metadata as m, json, platform;"
        "print(json.dumps([['python', platform.python_version()],"
        " *([d.metadata['Name'], d.version] for d in m.distributions() if d.metadata['Name'])]))"
    )
    program = str(python or sys.executable)
    try:
        ended = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=60)
        pairs = json.loads(ended.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise Mistake(f"'{program}' is not a Python that tells its packages: {error}.", next="--python PATH") from None
    return {canonicalize_name(name): version for name, version in reversed(pairs)}


HEAD = ("package", "conda file", "registered", "this Python")


def rows(found: Sequence[Difference]) -> list[tuple[str, str, str, str]]:
    """The differences as the rows of a table under ``HEAD``."""
    return [(one.package, one.file or "-", one.registered or "-", one.interpreter or "-") for one in found]

"""A conda file, or pip's requirement lines, as what PyPI and ``uv`` understand. Pure: text in, a value out, nothing installed.

Must live here: conda's match specification, pip's option lines, what names mean (``conda_names.yaml``). Must not: files, processes.

Sources: the file (https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-environments.html), match specifications
(https://docs.conda.io/projects/conda/en/latest/user-guide/concepts/pkg-specs.html), pip's lines
(https://pip.pypa.io/en/stable/reference/requirements-file-format/).
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata, resources
from typing import Any, cast

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PAIR = re.compile(r"""(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^,\s]+))""")  # of a match specification's [key=value, …]
# What conda's python brings along whether the file names it or not (https://anaconda.org/conda-forge/pip).
IMPLIED = ("pip", "setuptools", "wheel")


class EnvironmentFailed(Exception):
    """The environment cannot be made here; the message names the entry, says why, and what to do."""


@dataclass(frozen=True)
class Recipe:
    """What determines an environment: ``requirements`` are PEP 508 lines (sorted), ``options`` arguments of ``uv pip install``.

    ``variables`` are the conda file's own, set for whatever runs in the environment; ``notes`` are for the build log alone.
    """

    python: str = ""
    requirements: tuple[str, ...] = IMPLIED
    options: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)


@lru_cache(maxsize=64)
def translate(text: str) -> Recipe:
    """The recipe of a conda file's text; raises ``EnvironmentFailed`` for what has no meaning on PyPI."""
    draft = _Draft()
    spec = _load(text)
    dependencies = spec.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise EnvironmentFailed(f"The conda file's 'dependencies' must be a list; it is {_shown(dependencies)}.")
    for entry in dependencies:
        if isinstance(entry, str):
            draft.conda(entry)
        elif isinstance(entry, dict) and set(entry) == {"pip"}:
            lines = entry["pip"] or []
            if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
                raise EnvironmentFailed(
                    f"The conda file's 'pip' section must be a list of lines; it is {_shown(lines)}."
                )
            for line in lines:
                draft.pip(line)
        else:
            raise EnvironmentFailed(
                f"The conda file's entry {_shown(entry)} is neither a package ('numpy=1.26') nor a 'pip:' section."
            )
    channels = spec.get("channels") or []
    if channels:
        shown = ", ".join(map(str, channels)) if isinstance(channels, list) else _shown(channels)
        draft.notes.append(f"Channels ({shown}) are not asked: packages come from PyPI.")
    variables = spec.get("variables") or {}
    if not isinstance(variables, dict):
        raise EnvironmentFailed(f"The conda file's 'variables' must be names and values; it is {_shown(variables)}.")
    for key in sorted(set(map(str, spec)) - {"name", "channels", "dependencies", "variables", "prefix"}):
        draft.notes.append(f"'{key}' is no key of a conda file and is not used, as conda does.")
    return draft.recipe(variables)


def requirements(lines: Iterable[str]) -> Recipe:
    """The recipe of lines as in a requirements file."""
    draft = _Draft()
    for line in lines:
        draft.pip(line)
    return draft.recipe({})


def near(name: str) -> list[str]:
    """Names like ``name`` that PyPI has: those of the table, and those that this emulator is itself made of."""
    own = {canonicalize_name(distribution.name) for distribution in metadata.distributions() if distribution.name}
    names = _names()
    renamed = {value.partition("[")[0] for value in names["renamed"].values()}
    wanted = canonicalize_name(name)
    close = difflib.get_close_matches(wanted, {*own, *renamed, *names["known"], *names["misnamed"]}, n=3, cutoff=0.7)
    return list(dict.fromkeys(names["misnamed"].get(name, name) for name in close))


def specifiers(version: str, entry: str) -> str:
    """Conda's version as PEP 440's: ``=1.26`` is any 1.26, ``1.26`` and ``==1.26`` are exactly that one."""
    if "|" in version:
        raise EnvironmentFailed(f"'{entry}': alternatives ('|') cannot be asked of PyPI. Name one range: '>=1.2,<2'.")
    found = []
    for part in filter(None, version.split(",")):
        match = re.fullmatch(r"(>=|<=|==|!=|~=|=|>|<|)([^=<>!~]+)", part)
        if not match:
            raise EnvironmentFailed(f"'{entry}': '{part}' is not a version. Write '=1.26', '==1.26.4' or '>=1.26,<2'.")
        operator, number = match.groups()
        if number == "*":
            continue
        found.append(_specifier(operator, number, entry))
    return ",".join(found)


def _specifier(operator: str, number: str, entry: str) -> str:
    bare = re.sub(r"\.?\*$", "", number)
    try:
        version = Version(bare)
        fuzzy = (operator == "=" or bare != number) and not version.is_prerelease and version.local is None
        if operator in ("", "=", "=="):
            text = f"=={bare}.*" if fuzzy else f"=={bare}"
        elif operator == "!=":
            text = f"!={bare}.*" if bare != number else f"!={bare}"
        else:
            text = f"{operator}{bare}"
        return str(SpecifierSet(text))
    except (InvalidVersion, InvalidSpecifier):
        raise EnvironmentFailed(f"'{entry}': '{number}' is not a version that PyPI could have.") from None


class _Draft:
    """A recipe while its entries are read. A package named in both sections is pip's to decide: it runs last."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._python = ""
        self._conda: dict[str, Requirement] = {}
        self._pip: list[tuple[str, Requirement | None, str]] = []  # name (empty for a URL), requirement, line
        self._options: list[str] = []

    def conda(self, entry: str) -> None:
        name, version, build = _match(entry)
        names = _names()
        if name == "python":
            self._python = ",".join(filter(None, (self._python, specifiers(version, entry))))
        elif name in names["libraries"]:
            self.notes.append(f"'{entry}' is left out: PyPI's wheels bring the native libraries that they need.")
        elif name in names["programs"]:
            self._program(entry, names["programs"][name])
        elif name in names["refused"]:
            raise EnvironmentFailed(f"'{entry}' cannot be had from PyPI: {names['refused'][name]}.")
        elif name.startswith("r-"):
            raise EnvironmentFailed(
                f"'{entry}' cannot be had from PyPI: it is a package of R. The emulator runs Python environments."
            )
        else:
            known = names["renamed"].get(name, name)
            if known != name:
                self.notes.append(f"'{entry}' is {known} on PyPI.")
            if build:
                self.notes.append(f"'{entry}': builds are conda's; PyPI's wheel for this machine is taken.")
            try:
                requirement = Requirement(f"{known}{specifiers(version, entry)}")
            except InvalidRequirement:
                raise EnvironmentFailed(f"'{entry}': '{known}' cannot be the name of a package on PyPI.") from None
            same = self._conda.get(requirement.name)
            if same:
                requirement.specifier &= same.specifier
                requirement.extras |= same.extras
            self._conda[requirement.name] = requirement

    def pip(self, line: str) -> None:
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not text:
            return
        if text.startswith("-"):
            self._option(text)
            return
        body, *extra = re.split(r"\s+(?=--)", text)
        unknown = [option for option in extra if not option.startswith("--hash")]
        if unknown:
            raise EnvironmentFailed(
                f"'{line}': '{unknown[0]}' is not honoured here. Only --hash can follow a requirement."
            )
        self._pip.append((*_requirement(body, line), " ".join((_canonical(body), *extra))))

    def recipe(self, variables: Mapping[str, Any]) -> Recipe:
        decided = {name: requirement for name, requirement, _ in self._pip if requirement is not None}
        lines = {text for _, _, text in self._pip}
        for name, requirement in self._conda.items():
            other = decided.get(name)
            if other is None or not (other.specifier or other.url):
                lines.add(_canonical(str(requirement)))
            elif requirement.specifier:
                self.notes.append(f"'{requirement}' gives way to '{other}' of the pip section, which conda runs last.")
        present = decided.keys() | self._conda.keys()
        lines.update(name for name in IMPLIED if name not in present)
        return Recipe(
            python=str(SpecifierSet(self._python)),
            requirements=tuple(sorted(lines)),
            options=tuple(self._options),
            variables=tuple(sorted((str(key), str(value)) for key, value in variables.items())),
            notes=tuple(self.notes),
        )

    def _program(self, entry: str, command: str) -> None:
        found = shutil.which(command)
        if found is None:
            raise EnvironmentFailed(
                f"'{entry}' is a program, which PyPI does not have, and this machine has no '{command}'. Install it here."
            )
        self.notes.append(f"'{entry}' is a program: this machine's own '{command}' is used, whatever its version.")

    def _option(self, text: str) -> None:
        match = re.fullmatch(r"(--[a-z-]+|-[A-Za-z])[\s=]*(.*)", text)
        option, value = match.groups() if match else (text, "")
        if option in VALUED:
            if not value:
                raise EnvironmentFailed(f"'{text}' of the pip section lacks its value.")
            if VALUED[option] in ("--default-index", "--extra-index-url") and "://" not in value:
                raise EnvironmentFailed(f"'{text}': '{value}' is not a URL.")
            if VALUED[option] == "--find-links" and "://" not in value:
                raise EnvironmentFailed(f"'{text}': a folder of your own is not part of the environment. Give a URL.")
            self._options += [VALUED[option], value]
        elif option in FLAGS:
            self._options += FLAGS[option]
        elif option in IGNORED:
            self.notes.append(f"'{text}': {IGNORED[option]}.")
        elif option in ("-e", "--editable"):
            self._editable(text, value)
        elif option in ("-r", "--requirement", "-c", "--constraint"):
            self._file(text, option, value)
        else:
            raise EnvironmentFailed(
                f"'{text}' of the pip section is not honoured here. Remove it, or write what it does as requirements."
            )

    def _editable(self, text: str, value: str) -> None:
        if "://" not in value:
            raise EnvironmentFailed(
                f"'{text}': Azure ML sends the conda file alone, so there is no folder '{value}' to install. "
                "Put the package into the job's code folder, or publish it."
            )
        self.notes.append(f"'{text}' is installed as a plain package: an environment is never edited.")
        url, _, fragment = value.partition("#")
        name = dict(pair.partition("=")[::2] for pair in fragment.split("&")).get("egg", "")
        self.pip(f"{name} @ {url}" if name else value)

    def _file(self, text: str, option: str, value: str) -> None:
        if not value.startswith(("https://", "http://")):
            raise EnvironmentFailed(
                f"'{text}': Azure ML sends the conda file alone, so there is no file '{value}' to read. "
                "Write its lines into the pip section."
            )
        self._options += ["--requirements" if option.startswith(("-r", "--r")) else "--constraints", value]


VALUED = {
    "-i": "--default-index",
    "--index-url": "--default-index",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--trusted-host": "--allow-insecure-host",
}
FLAGS = {"--pre": ["--prerelease", "allow"], "--no-index": ["--no-index"], "--require-hashes": ["--require-hashes"]}
IGNORED = {
    "--prefer-binary": "uv takes a wheel of the chosen version wherever there is one",
    "--no-cache-dir": "the cache is shared with hard links and never grows by an environment",
    "--disable-pip-version-check": "uv installs, not pip",
    "--use-feature": "uv installs, not pip",
    "--upgrade": "every environment is made from nothing",
    "-U": "every environment is made from nothing",
}


def _load(text: str) -> dict[str, Any]:
    try:
        spec = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # YAML's dates and depths raise Python's own
        raise EnvironmentFailed(f"The conda file is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(spec, dict):
        raise EnvironmentFailed(f"The conda file must have keys such as 'dependencies'; it is {_shown(spec)}.")
    return spec


def _match(entry: str) -> tuple[str, str, str]:
    """Name (canonical), version and build of a match specification; the channel is dropped."""
    text = re.sub(r"(^|\s)#.*$", "", entry).strip().rpartition("::")[2]
    match = re.fullmatch(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*([^\[]*?)\s*(?:\[(.*)\])?", text)
    if not match:
        raise EnvironmentFailed(f"'{entry}' is not a conda package. Write 'name', 'name=1.26' or 'name>=1.26,<2'.")
    name, rest, bracket = match.groups()
    rest = re.sub(r"\s*([,|])\s*", r"\1", re.sub(r"([<>=!~])\s+", r"\1", rest))
    version, build = _version(rest, entry)
    if bracket is not None:
        pairs = {key: a or b or c for key, a, b, c in PAIR.findall(bracket)}
        if not pairs:
            raise EnvironmentFailed(f"'{entry}': extras are pip's. Move '{name}[{bracket}]' to the pip section.")
        version = re.sub(r"\s", "", pairs.get("version", version))
        build = pairs.get("build", build)
    return canonicalize_name(re.sub(r"^_", "-", name)), version, build


def _version(rest: str, entry: str) -> tuple[str, str]:
    pinned = re.fullmatch(r"(==?)([^=<>!~,|\s]+)(?:=|\s+)(\S+)", rest)
    if pinned:
        return f"=={pinned[2]}", pinned[3]
    version, _, build = rest.partition(" ")
    if " " in build:
        raise EnvironmentFailed(f"'{entry}' has more than a name, a version and a build.")
    return version, build


def _requirement(body: str, line: str) -> tuple[str, Requirement | None]:
    if re.match(r"(git|hg|svn|bzr)?\+?(https?|ssh|git)(\+\w+)?://", body) or re.match(r"(git|hg|svn|bzr)\+", body):
        return "", None
    try:
        requirement = Requirement(body)
    except InvalidRequirement as error:
        if body.startswith((".", "/", "~")) or body.endswith((".whl", ".tar.gz", ".zip")):
            raise EnvironmentFailed(
                f"'{line}': Azure ML sends the conda file alone, so there is no '{body}' to install. Name a package, or a URL."
            ) from None
        raise EnvironmentFailed(
            f"'{line}' is not a requirement: {str(error).splitlines()[0]}. Write 'name==1.2'."
        ) from None
    if requirement.url and requirement.url.startswith("file:"):
        raise EnvironmentFailed(f"'{line}': a file of your own is not part of the environment. Give a URL.")
    return canonicalize_name(requirement.name), requirement


def _canonical(line: str) -> str:
    """One spelling for requirements that mean the same, so that they make one environment."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return line
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _shown(value: object) -> str:
    return f"'{value}'" if len(str(value)) < 80 else f"'{str(value)[:77]}…'"


@lru_cache(maxsize=1)
def _names() -> dict[str, Any]:
    return cast(
        "dict[str, Any]",
        yaml.safe_load(resources.files("emulator.environments").joinpath("conda_names.yaml").read_text("utf-8")),
    )

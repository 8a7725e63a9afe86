"""A component as it is written: checked, hashed, and registered under the hash of its content.

The version is made of what decides a run's result: the YAML without comments, the code's files, the environment's packages and
image, the steps' components, models and data by version. It is not made of what differs from stack to stack (compute, an
environment's name), so that what was tried in one workspace is known to be the same in another. A label (``@latest``) is resolved
before the hash is made: what it means may change while a deployment serves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import graph, talk, yaml_file
from runner.errors import Mistake

from runner.rest import ARM, ARM_SCOPE

if TYPE_CHECKING:
    from runner.workspace import Workspace

VERSION = "2024-10-01"
LENGTH = 12  # digits of a version: 48 bits of the hash
LABEL = re.compile(r"azureml:([\w.-]+)@([\w.-]+)")
SKIPPED = (
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ipynb_checkpoints",
)  # what a run here leaves in a folder of code

# What a reference by label stands for: its kind ("models", "data", "components"), name and label, to the version.
Pin = Callable[[str, str, str], str]


@dataclass(frozen=True)
class Component:
    """``steps`` are the components of a pipeline's steps whose files are here; ``changes`` is what is put in the place of what
    is written, by path; ``pins`` are the labels and what they were when it was read."""

    file: Path
    name: str
    version: str
    content: Mapping[str, Any]
    steps: Mapping[str, Component] = field(default_factory=dict)
    changes: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def graph(self) -> graph.Graph:
        return graph.Graph.of(self.content.get("jobs") or {})

    @property
    def reference(self) -> str:
        return f"azureml:{self.name}:{self.version}"

    def models(self) -> list[tuple[str, str]]:
        """The registered models that are bound inside its steps, name and version, each once."""
        own = [
            (found[1], found[2])
            for value in _inputs(self.content)
            if str(value.get("type", "")).endswith("_model")
            and (found := re.fullmatch(r"azureml:([\w.-]+):([\w.-]+)", self.pins.get(value["path"], value["path"])))
        ]
        return list(dict.fromkeys([*own, *(model for step in self.steps.values() for model in step.models())]))


def read(file: Path, digest: str, pin: Pin, *, above: tuple[Path, ...] = ()) -> Component:
    """The component in ``file`` with all that belongs to it; raises ``Mistake`` for what Azure ML would not take, steps that do
    not connect, a file that is missing. ``digest`` is that of the environment that its steps run in."""
    content = yaml_file.read(file)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise Mistake(f"'{file}' has no name: a registered component has one.", next="write it: name: my_pipeline")
    jobs = content.get("jobs") or {}
    if not isinstance(jobs, dict) or not all(isinstance(job, dict) for job in jobs.values()):
        raise Mistake(f"'{file}': under jobs stand the steps by name, each with its type, component and inputs.")
    if file in above:
        raise Mistake(f"'{file}' has itself as a step.")
    steps = {
        step: read(path, digest, pin, above=(*above, file))
        for step, job in jobs.items()
        if (path := _own_file(file, job)) is not None
    }
    wrong = graph.broken(content, {step: part.content for step, part in steps.items()}) if jobs else []
    if wrong:
        raise Mistake(f"The steps of '{file.name}' do not connect:", details=wrong)
    seen = _Seen(file, digest, pin, steps)
    normal = seen.normal({key: value for key, value in content.items() if key not in ("version", "$schema")}, ())
    entity = load(file)
    code = {part: _code_hash(owner) for part, owner in _coded(entity, steps)}
    text = json.dumps([normal, code], sort_keys=True, default=str)
    version = hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
    pins = {label: pinned for part in steps.values() for label, pinned in part.pins.items()} | seen.pins
    return Component(file, name, version, content, steps, seen.changes, tuple(seen.environments), pins)


def find(workspace: Workspace, name: str, version: str) -> Any | None:
    """The registered component, ``None`` when there is none of this version."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return workspace.client.components.get(name, version)
    except ResourceNotFoundError:
        return None


def spec(workspace: Workspace, id: str) -> Mapping[str, Any]:
    """What is registered under an id, in the words of its YAML: ``inputs``, ``outputs``, ``jobs``."""
    found = workspace.rest.get(f"{ARM}{id}", ARM_SCOPE, **{"api-version": VERSION})
    content = (found.get("properties") or {}).get("componentSpec")
    return content if isinstance(content, dict) else {}


def register(workspace: Workspace, component: Component, environment: str) -> str:
    """The id of the component in the workspace, its steps' first; what is registered already is not registered again.
    ``environment`` is the reference that its steps run in."""
    for step in component.steps.values():
        register(workspace, step, environment)
    found = find(workspace, component.name, component.version)
    if found is not None:
        return str(found.id)
    talk.say(f"component {component.name}:{component.version}: registering it")
    with talk.plain():
        return str(workspace.client.components.create_or_update(prepared(component, environment)).id)


def prepared(component: Component, environment: str) -> Any:
    """The component as azure-ai-ml sends it: under its version, its labels resolved, its steps by reference."""
    own = {path: environment for path in component.environments}
    changes = {"version": component.version, **component.changes, **own}
    return load(component.file, changes)


def load(file: Path, changes: Mapping[str, str] | None = None) -> Any:
    """The entity of azure-ai-ml; raises ``Mistake`` with its reasons for a file that it does not take."""
    from runner.workspace import quiet

    quiet()
    from azure.ai.ml import load_component
    from azure.ai.ml.exceptions import ValidationException
    from marshmallow.exceptions import ValidationError

    try:
        return load_component(file, params_override=[{path: value} for path, value in (changes or {}).items()])
    except (ValidationError, ValidationException) as error:
        raise Mistake(
            f"'{file}' is not a component that Azure ML takes:", details=yaml_file.reasons(str(error))
        ) from None


def environment_digest(image: str | None, conda: Any) -> str:
    """What an environment is made of, whatever it is called."""
    text = json.dumps([image or "", conda or {}], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


class _Seen:
    """Goes through a component's YAML once: gives it in the form that is hashed, and keeps what has to be changed."""

    def __init__(self, file: Path, digest: str, pin: Pin, steps: Mapping[str, Component]) -> None:
        self._file, self._digest, self._pin, self._steps = file, digest, pin, steps
        self.changes: dict[str, str] = {}
        self.environments: list[str] = []
        self.pins: dict[str, str] = {}

    def normal(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            kind = str(value.get("type", ""))
            return {
                key: self._child(one, (*path, str(key)), kind)
                for key, one in value.items()
                if not self._is_code_here(str(key), one)
            }
        return [self.normal(one, path) for one in value] if isinstance(value, list) else value

    def _is_code_here(self, key: str, value: Any) -> bool:
        """Whether it is a path, which the hash of the files stands for."""
        if key != "code" or not isinstance(value, str) or re.match(r"azureml:|git\+|https?:", value):
            return False
        if not (self._file.parent / value).exists():
            raise Mistake(f"'{self._file}' names the code '{value}', and '{self._file.parent / value}' does not exist.")
        return True

    def _child(self, value: Any, path: tuple[str, ...], kind: str) -> Any:
        key, where = path[-1], ".".join(path)
        if not isinstance(value, str):
            return self.normal(value, path)
        if key in ("component", "trial") and len(path) == 3 and path[1] in self._steps:
            self.changes[where] = self._steps[path[1]].reference
            return self.changes[where]
        if key == "environment" and value.startswith("azureml:") and not value.startswith("azureml://"):
            self.environments.append(where)
            return self._digest
        if key in ("environment", "conda_file") and (self._file.parent / value.removeprefix("file:")).is_file():
            return yaml_file.read(self._file.parent / value.removeprefix("file:"))
        found = LABEL.fullmatch(value)
        if found and key in ("path", "component"):
            sort = "components" if key == "component" else "models" if kind.endswith("_model") else "data"
            self.changes[where] = f"azureml:{found[1]}:{self._pin(sort, found[1], found[2])}"
            self.pins[value] = self.changes[where]
            return self.changes[where]
        if key in ("path", "component", "environment") and (found or re.search(r"/labels/[\w-]+$", value)):
            raise Mistake(
                f"'{self._file}': {where} is '{value}', and what a label means may change at any time.",
                next="name a version",
            )
        return value


def _own_file(file: Path, job: Any) -> Path | None:
    """The file of a step's component, where it has one here."""
    named = (job.get("component") or job.get("trial")) if isinstance(job, dict) else None
    if not isinstance(named, str) or re.match(r"azureml:|git\+|https?:", named):
        return None
    return (file.parent / named.removeprefix("file:")).resolve()


def _coded(entity: Any, steps: Mapping[str, Component]) -> Iterator[tuple[str, Any]]:
    """What has code of its own: the component itself, and the steps that are written in place."""
    if hasattr(entity, "_build_code"):
        yield "", entity
    for name, node in (getattr(entity, "jobs", None) or {}).items():
        part = getattr(node, "component", None)
        if name not in steps and hasattr(part, "_build_code"):
            yield name, part


def _code_hash(owner: Any) -> str | None:
    """Of the files that azure-ai-ml uploads: its ignore files honoured, additional includes with them (which its own hash leaves
    out: https://github.com/Azure/azure-sdk-for-python/issues/40165), without what Python writes beside them."""
    from azure.ai.ml._utils._asset_utils import get_upload_files_from_folder

    with owner._build_code() as code:
        if code is None:
            return None
        path = Path(code.path) if Path(code.path).is_absolute() else Path(code.base_path) / code.path
        files = [(str(path), path.name)]
        if path.is_dir():
            files = get_upload_files_from_folder(path, ignore_file=code._ignore_file)
        whole = hashlib.sha256()
        for here, there in sorted(files, key=lambda pair: str(pair[1])):
            if set(Path(there).parts) & set(SKIPPED) or there.endswith(".pyc"):
                continue
            content = Path(here).read_bytes()
            whole.update(f"{there}\0{len(content)}\0".encode() + content)
        return whole.hexdigest()


def _inputs(content: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping with a type and a path, at any depth."""
    if isinstance(content, dict):
        if isinstance(content.get("path"), str) and "type" in content:
            yield content
        for value in content.values():
            yield from _inputs(value)

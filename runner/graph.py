"""The graph of a pipeline: its steps, what each waits for, and whether what connects them fits. Pure.

azure-ai-ml looks at none of the connections before a pipeline is sent: an output that no step has is found out there, later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from runner import names

OUTPUT = re.compile(r"\$\{\{\s*parent\.jobs\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.([\w.-]+)\s*\}\}")
# A path of one of these is a folder, whatever is in it; a custom model may be either.
FOLDERS = ("uri_folder", "mltable", "mlflow_model")
LITERALS = ("string", "integer", "number", "boolean")


@dataclass(frozen=True)
class Step:
    """``after`` are the steps whose outputs it takes."""

    name: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """``steps`` stand in an order in which they can run."""

    steps: tuple[Step, ...]

    @staticmethod
    def of(jobs: Mapping[str, Any]) -> Graph:
        """Of a pipeline's ``jobs``, as YAML or an answer has them; raises ``CycleError`` for steps that wait for each other."""
        after = {
            name: tuple(dict.fromkeys(found[1] for found in OUTPUT.finditer(json.dumps(job, default=str))))
            for name, job in jobs.items()
        }
        order = TopologicalSorter({name: [one for one in waits if one in after] for name, waits in after.items()})
        return Graph(tuple(Step(name, after[name]) for name in order.static_order()))

    @property
    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    def levels(self) -> dict[str, int]:
        """How many steps come before each, on the longest way to it."""
        found: dict[str, int] = {}
        for step in self.steps:
            found[step.name] = max((found[before] + 1 for before in step.after if before in found), default=0)
        return found


def broken(pipeline: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What does not connect in a pipeline component's YAML, a sentence each. ``components`` has those steps' components whose
    files are here; what a registered one has is not known and is not judged."""
    jobs = pipeline.get("jobs") or {}
    said = [line for name, job in jobs.items() for line in _step(name, job, pipeline, components)]
    for output in pipeline.get("outputs") or {}:
        bound = re.compile(rf"\$\{{\{{\s*parent\.outputs\.{re.escape(output)}\s*\}}\}}")
        if not bound.search(json.dumps(jobs, default=str)):
            said.append(f"output '{output}' of the pipeline is bound to no step's output")
    try:
        Graph.of(jobs)
    except CycleError as error:
        said.append(f"steps wait for each other: {' -> '.join(reversed(error.args[1]))}")
    return said


def _step(
    name: str, job: Mapping[str, Any], pipeline: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    own = components.get(name)
    given = job.get("inputs") or {}
    for key, value in given.items():
        where = f"step '{name}', input '{key}'"
        wanted = None
        if own is not None:
            there = own.get("inputs") or {}
            if key not in there:
                yield f"{where}: component '{own.get('name', name)}' has no such input. {names.near(key, there)}"
            wanted = _type(there.get(key))
        kind, wrong = _source(value, pipeline, components)
        if wrong:
            yield f"{where}: {wrong}"
        elif not fits(kind, wanted):
            yield f"{where} takes a {wanted}, and is given a {kind}"
    if own is None:
        return
    for key, declared in (own.get("inputs") or {}).items():
        optional = isinstance(declared, dict) and (declared.get("optional") or "default" in declared)
        if key not in given and not optional:
            yield f"step '{name}' gives no input '{key}', which component '{own.get('name', name)}' needs"
    for key in job.get("outputs") or {}:
        there = own.get("outputs") or {}
        if key not in there:
            yield f"step '{name}', output '{key}': component '{own.get('name', name)}' has no such output. {names.near(key, there)}"


def _source(
    value: Any, pipeline: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]
) -> tuple[str | None, str | None]:
    """The type of what an input is given, where it is known; and what is wrong with the reference."""
    text = value.get("path") if isinstance(value, dict) else value
    if not isinstance(text, str):
        return None, None
    if found := OUTPUT.fullmatch(text.strip()):
        step, output = found[1], found[2]
        jobs = pipeline.get("jobs") or {}
        if step not in jobs:
            return None, f"there is no step '{step}'. {names.near(step, jobs)}"
        if step not in components:
            return None, None
        there = components[step].get("outputs") or {}
        if output not in there:
            return None, f"step '{step}' has no output '{output}'. {names.near(output, there)}"
        return _type(there[output]), None
    if found := INPUT.fullmatch(text.strip()):
        there, path = pipeline.get("inputs") or {}, found[1].split(".")
        while path and isinstance(there, dict) and path[0] in there:  # a group's inputs stand below it
            there = there[path.pop(0)]
            if path:
                there = there.get("values") if isinstance(there, dict) else None
        if path:
            return None, f"the pipeline has no input '{found[1]}'. {names.near(found[1], pipeline.get('inputs') or {})}"
        return _type(there), None
    return None, None


def _type(declared: Any) -> str | None:
    return declared.get("type") if isinstance(declared, dict) else None


def fits(kind: str | None, wanted: str | None) -> bool:
    """Whether something of type ``kind`` can be given where ``wanted`` is asked for; what is not known may fit."""
    if kind is None or wanted is None or kind == wanted:
        return True
    if kind in LITERALS or wanted in LITERALS:
        return (kind, wanted) == ("integer", "number")
    return not (kind == "uri_file" and wanted in FOLDERS or wanted == "uri_file" and kind in FOLDERS)

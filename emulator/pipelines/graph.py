"""How the steps of a pipeline connect: nodes and their bindings become an ordered list of steps, nested pipelines spread out.

    ${{parent.inputs.x}}            an input of the pipeline that the node stands in; also as a part of a text
    ${{parent.jobs.a.outputs.y}}    what another step of the same pipeline makes
    ${{parent.outputs.z}}           as an output: it becomes an output of the pipeline

(https://learn.microsoft.com/azure/machine-learning/how-to-create-component-pipelines-cli). What does not connect is refused with
the step and the binding in the message. Pure: components come from ``load``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Union

from emulator.errors import AzureError, user_error
from emulator.pipelines.component import LITERALS, Component, Port

BOUND = re.compile(r"\$\{\{\s*parent\.(inputs|jobs)\.([^{}]*?)\s*\}\}")
PROMOTED = re.compile(r"\$\{\{\s*parent\.outputs\.([^{}]*?)\s*\}\}")
LARGEST = 10_000  # steps of one pipeline, so that components that nest each other do not fill the memory
FOLDERS = ("uri_folder", "mltable", "mlflow_model", "triton_model")

Node = Mapping[str, Any]
Load = Callable[[str], Component]


@dataclass(frozen=True)
class Literal:
    text: str
    mode: str = ""


@dataclass(frozen=True)
class Asset:
    kind: str
    uri: str
    mode: str = ""


@dataclass(frozen=True)
class Product:
    """What the step at ``step`` makes as ``output``."""

    step: str
    output: str
    kind: str
    mode: str = ""


@dataclass(frozen=True)
class Declared:
    """An input of a pipeline component that has no value yet: it is registered, not run."""

    kind: str
    mode: str = ""


Value = Union[Literal, Asset, Product, Declared]


@dataclass(frozen=True)
class Step:
    """``path`` is its name among all steps (``nested/inner``), ``within`` that of the nested pipeline it stands in."""

    path: str
    node: Node
    component: Component
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Mapping[str, Any]]

    @property
    def within(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def needs(self) -> dict[str, str]:
        """The inputs that other steps make, and which steps do."""
        return {name: value.step for name, value in self.inputs.items() if isinstance(value, Product)}


@dataclass
class Graph:
    """``steps`` in an order in which each comes after those it needs; ``outputs`` are the pipeline's own, each by its maker, and
    ``nested`` those of nested pipelines, by their paths."""

    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, Product] = field(default_factory=dict)
    nested: dict[str, dict[str, Product]] = field(default_factory=dict)


def graph(
    load: Load,
    jobs: Mapping[str, Node],
    inputs: Mapping[str, Value | None],
    outputs: Mapping[str, Mapping[str, Any]],
    prefix: str = "",
    *,
    declared: bool = True,
) -> Graph:
    """The steps of a pipeline with these nodes; an input without a value is ``None``, or missing where not all are ``declared``.
    Raises ``UserError`` (400)."""
    made = Graph()
    products: dict[str, dict[str, Product]] = {}
    for name in _order(jobs, prefix):
        node, path = jobs[name], f"{prefix}{name}"
        try:
            component = load(node["componentId"])
        except AzureError as error:
            raise named(error, path) from None
        scope = _Scope(path, inputs, jobs, products, declared)
        if node.get("type") and node["type"].lower() != component.type:
            raise scope.error(
                "type", f"it is of type {node['type']}; its component '{component.name}' is of type {component.type}."
            )
        node = {**node, "later": {key: scope.filled(key, told) for key, told in node.get("later", {}).items()}}
        values = _inputs(scope, node, component)
        targets = _outputs(scope, node, component, outputs, made.outputs)
        made.steps.append(Step(path, node, component, values, targets))
        if component.type == "pipeline":
            inner = nested(load, component, values, targets, f"{path}/")
            made.steps += inner.steps
            made.nested |= {path: inner.outputs, **inner.nested}
            products[name] = inner.outputs
            made.outputs |= {outer: inner.outputs[own] for outer, own in scope.promoted.items()}
        else:
            products[name] = {one: Product(path, one, port.kind) for one, port in component.outputs.items()}
            made.outputs |= {outer: products[name][own] for outer, own in scope.promoted.items()}
        if len(made.steps) > LARGEST:
            raise user_error(f"The pipeline has more than {LARGEST} steps; the emulator runs no more of one.", "jobs")
    missing = next((name for name in outputs if name not in made.outputs), None)
    if missing is not None:
        raise user_error(
            f"No step of the pipeline{f' {prefix[:-1]!r}' if prefix else ''} is bound to its output '{missing}'. Bind one with "
            f"${{{{parent.outputs.{missing}}}}}.",
            f"outputs.{missing}",
        )
    return made


def nested(
    load: Load,
    component: Component,
    values: Mapping[str, Value],
    targets: Mapping[str, Mapping[str, Any]],
    prefix: str = "",
) -> Graph:
    """The steps of a pipeline component with these inputs and outputs."""
    inputs: dict[str, Value | None] = {name: values.get(name) for name in component.inputs}
    return graph(load, component.nodes, inputs, {name: targets.get(name, {}) for name in component.outputs}, prefix)


def declared(component: Component) -> dict[str, Value]:
    """The inputs of a pipeline component that is only looked at."""
    found: dict[str, Value] = {}
    for name, port in component.inputs.items():
        if not port.optional or port.default is not None:
            found[name] = Declared(port.kind, port.mode)
    return found


def given(component: Component, sent: Mapping[str, Value], what: str) -> dict[str, Value]:
    """The inputs of ``component`` from what was sent for it, with its defaults; what is optional may be missing."""
    unknown = next((name for name in sent if name not in component.inputs), None)
    if unknown is not None:
        raise user_error(
            f"{what} has no input '{unknown}': its component '{component.name}' has {_listed(component.inputs)}.",
            f"inputs.{unknown}",
        )
    values = {}
    for name, port in component.inputs.items():
        value = sent.get(name)
        if value is None and port.default is not None:
            value = Literal(port.default)
        if value is None and port.optional:
            continue
        if value is None:
            raise user_error(
                f"Required input '{name}' of {what[:1].lower()}{what[1:]} is not provided.", f"inputs.{name}"
            )
        values[name] = _fitting(value, port, f"The input '{name}' of {what[:1].lower()}{what[1:]}", f"inputs.{name}")
    return values


def named(error: AzureError, path: str) -> AzureError:
    """``error`` with the step that it is about in front."""
    return AzureError(
        error.status,
        error.code,
        f"The step '{path}': {error.message}",
        target=f"jobs.{path}.{error.target or ''}".rstrip("."),
    )


class _Scope:
    """Where a node stands: the pipeline's inputs, the steps before it, and the outputs that it gives to the pipeline."""

    def __init__(
        self,
        path: str,
        inputs: Mapping[str, Value | None],
        jobs: Mapping[str, Node],
        products: Mapping[str, Mapping[str, Product]],
        declared: bool,
    ) -> None:
        self.path, self.inputs, self.jobs, self.products, self.declared = path, inputs, jobs, products, declared
        self.promoted: dict[str, str] = {}

    def error(self, at: str, message: str) -> AzureError:
        return user_error(f"The step '{self.path}': {message}", f"jobs.{self.path}.{at}")

    def value(self, at: str, text: str, optional: bool = False) -> Value | None:
        """What a text of an input means; ``None`` for a pipeline's input that has no value. An optional one that is not given
        azure-ai-ml does not send, and what is bound to it all the same."""
        whole = BOUND.fullmatch(text)
        if whole is not None:
            missing = whole[1] == "inputs" and whole[2] not in self.inputs
            return None if missing and optional and not self.declared else self._bound(at, whole)

        def literal(part: re.Match[str]) -> str:
            found = self._bound(at, part)
            if not isinstance(found, (Literal, Declared)):
                raise self.error(at, f"{part[0]} in '{text}' is data, and no part of a text.")
            return found.text if isinstance(found, Literal) else ""

        return Literal(BOUND.sub(literal, text))

    def filled(self, at: str, told: Any) -> Any:
        """A setting, each of its texts with what it is bound to."""
        if isinstance(told, dict):
            return {key: self.filled(f"{at}.{key}", one) for key, one in told.items()}
        found = self.value(at, told) if isinstance(told, str) else None
        return found.text if isinstance(found, Literal) else told

    def _bound(self, at: str, expression: re.Match[str]) -> Value | None:
        kind, rest = expression.groups()
        if kind == "inputs":
            if rest not in self.inputs:
                raise self.error(
                    at, f"{expression[0]} names no input of its pipeline, which has {_listed(self.inputs)}."
                )
            return self.inputs[rest]
        name, _, output = rest.partition(".outputs.")
        if not output:
            raise self.error(at, f"{expression[0]} is not of the form ${{{{parent.jobs.<step>.outputs.<output>}}}}.")
        if output not in self.products[name]:
            raise self.error(
                at, f"{expression[0]} names no output of the step '{name}', which has {_listed(self.products[name])}."
            )
        return self.products[name][output]


def _inputs(scope: _Scope, node: Node, component: Component) -> dict[str, Value]:
    sent: dict[str, Value] = {}
    for name, told in node["inputs"].items():
        kind, mode = told["jobInputType"], told.get("mode", "")
        optional = name in component.inputs and component.inputs[name].optional
        value = (
            scope.value(f"inputs.{name}", told["value"], optional)
            if kind == "literal"
            else Asset(kind, told["uri"], mode)
        )
        if value is not None:
            sent[name] = replace(value, mode=mode or value.mode)
    try:
        return given(component, sent, f"The step '{scope.path}'")
    except AzureError as error:
        raise user_error(error.message, f"jobs.{scope.path}.{error.target}") from None


def _outputs(
    scope: _Scope,
    node: Node,
    component: Component,
    targets: Mapping[str, Mapping[str, Any]],
    taken: Mapping[str, Product],
) -> dict[str, Mapping[str, Any]]:
    """Where each output goes. What the pipeline says of an output of its own wins over what its step says."""
    unknown = next((name for name in node["outputs"] if name not in component.outputs), None)
    if unknown is not None:
        raise scope.error(
            f"outputs.{unknown}",
            f"it has no output '{unknown}': its component '{component.name}' has {_listed(component.outputs)}.",
        )
    found: dict[str, Mapping[str, Any]] = {}
    for name, port in component.outputs.items():
        told = node["outputs"].get(name, {})
        own = {key: told[key] for key in ("uri", "mode", "assetName", "assetVersion") if told.get(key)}
        merged = {"jobOutputType": port.kind, **({"mode": port.mode} if port.mode else {}), **own}
        binding = told.get("value")
        if binding is not None:
            promoted = PROMOTED.fullmatch(binding)
            if promoted is None or promoted[1] not in targets:
                raise scope.error(
                    f"outputs.{name}", f"{binding} names no output of its pipeline, which has {_listed(targets)}."
                )
            if promoted[1] in taken or promoted[1] in scope.promoted:
                raise scope.error(f"outputs.{name}", f"{binding} is bound to another output already.")
            scope.promoted[promoted[1]] = name
            merged |= {key: one for key, one in targets[promoted[1]].items() if one and key != "jobOutputType"}
        found[name] = merged
    return found


def _fitting(value: Value, port: Port, what: str, at: str) -> Value:
    if isinstance(value, Literal):
        why = port.refuses(value.text) if port.literal else "is a literal"
        if why:
            raise user_error(f"{what} is of type {port.kind}; '{value.text}' {why}.", at)
        return value
    if not port.literal and value.kind not in LITERALS:
        same = value.kind == port.kind or (value.kind in FOLDERS and port.kind in FOLDERS)
        if same or "custom_model" in (value.kind, port.kind):  # a custom model is a file or a folder
            return replace(value, kind=port.kind, mode=value.mode or port.mode)
    elif port.literal and isinstance(value, Declared) and value.kind in LITERALS:
        return value
    source = f"the output '{value.output}' of the step '{value.step}'" if isinstance(value, Product) else "its value"
    raise user_error(f"{what} is of type {port.kind}; {source} is of type {value.kind}.", at)


def _order(jobs: Mapping[str, Node], prefix: str) -> list[str]:
    """Names of nodes, each after those that it is bound to."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in jobs.items():
        sorter.add(name)
        for at, told in node["inputs"].items():
            for kind, rest in BOUND.findall(str(told.get("value") or "")):
                other = rest.partition(".outputs.")[0]
                if kind == "jobs" and other not in jobs:
                    raise user_error(
                        f"The step '{prefix}{name}': its input '{at}' is bound to the step '{other}', which is not in the "
                        f"pipeline. It has {_listed(jobs)}.",
                        f"jobs.{prefix}{name}.inputs.{at}",
                    )
                if kind == "jobs":
                    sorter.add(name, other)
    try:
        return list(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(f"{prefix}{name}" for name in error.args[1][::-1])
        raise user_error(f"The steps of the pipeline form a cycle: {cycle}.", "jobs") from None


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"

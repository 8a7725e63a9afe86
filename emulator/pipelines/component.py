"""A component, read from its specification: what it takes, what it makes, and of which type it is.

Specifications are stored whole, in the words of the YAML. Pure: nothing is looked up.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-component-command, …/reference-yaml-component-pipeline
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import NotEmulated, user_error
from emulator.jobs.schema import ASSETS

LITERALS = ("string", "number", "integer", "boolean")
MODES = {
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "mount": "ReadWriteMount",
    "download": "Download",
    "upload": "Upload",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
TYPES = ("command", "parallel", "pipeline")
# Types of steps that Azure ML has and the emulator has not.
NOT_RUN = (
    *("automl", "data_transfer", "fl_scatter_gather", "import", "promptflow_parallel", "spark", "sweep"),
    *("do_while", "if_else", "parallel_for"),
)
ANONYMOUS = "azureml_anonymous"
# What does not change what a component does, and so neither whether its step can be reused.
NAMES = ("name", "version", "display_name", "description", "tags", "id", "$schema", "_source", "sourceJobId")


@dataclass(frozen=True)
class Port:
    """``kind`` is one of ``LITERALS`` or of ``ASSETS``; ``default`` is text, as on the wire."""

    kind: str
    mode: str = ""
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def literal(self) -> bool:
        return self.kind in LITERALS

    def refuses(self, text: str) -> str:
        """Why ``text`` is no value of this input; empty where it is one."""
        number: float | None = None
        if self.kind == "boolean" and text.lower() not in ("true", "false"):
            return "is neither true nor false"
        if self.kind in ("integer", "number"):
            try:
                number = int(text) if self.kind == "integer" else float(text)
            except ValueError:
                return f"is no {self.kind}"
        if self.choices and text not in self.choices:
            return f"is not one of {', '.join(self.choices)}"
        if number is not None and self.low is not None and number < self.low:
            return f"is below {self.low:g}"
        if number is not None and self.high is not None and number > self.high:
            return f"is above {self.high:g}"
        return ""


@dataclass(frozen=True)
class Component:
    """``id`` is the version's ARM id; ``nodes`` are a pipeline's."""

    id: str
    type: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, Port] = field(default_factory=dict)
    outputs: Mapping[str, Port] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.spec.get("name") or ANONYMOUS)

    @property
    def version(self) -> str:
        return str(self.spec.get("version") or "")

    @property
    def deterministic(self) -> bool:
        """Components are, unless they say that they are not."""
        return str(self.spec.get("is_deterministic", True)).lower() != "false"


def component(id: str, spec: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]] | None = None) -> Component:
    """Raises ``UserError`` (400) for a specification that is none, ``NotImplemented`` (501) for a type that is not run here."""
    kind = str(spec.get("type") or "command").lower()
    if kind in NOT_RUN:
        raise NotEmulated(f"components of type {kind}")
    if kind not in TYPES:
        raise user_error(f"The component '{spec.get('name')}' has the unknown type '{kind}'.", "type")
    outputs = dict(_ports(spec, "outputs"))
    literal = next((name for name, port in outputs.items() if port.literal), None)
    if literal is not None:
        raise NotEmulated(f"outputs of type {outputs[literal].kind} (the output '{literal}' of a component)")
    return Component(id, kind, spec, dict(_ports(spec, "inputs")), outputs, nodes or {})


def spelt(name: str) -> str:
    """``environment_variables`` as the REST API spells it; ``_source`` stays."""
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found[1].upper(), name)


def camel(value: Any) -> Any:
    """``value`` with the names of its members so."""
    return {spelt(name): camel(one) for name, one in value.items()} if isinstance(value, dict) else value


def _ports(spec: Mapping[str, Any], which: str) -> Iterable[tuple[str, Port]]:
    told = spec.get(which) or {}
    if not isinstance(told, dict):
        raise user_error(f"The {which} of the component '{spec.get('name')}' must be an object.", which)
    return _flat(told, which, "")


def _flat(told: Mapping[str, Any], which: str, prefix: str) -> Iterable[tuple[str, Port]]:
    """Each port under its name; those of a group under ``group.name``."""
    for name, one in told.items():
        at = f"{which}.{prefix}{name}"
        if not isinstance(one, dict):
            raise user_error(f"{at} must be an object with a type.", at)
        if str(one.get("type")).lower() == "group":
            yield from _flat(one.get("values") or {}, which, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _port(one, at)


def _port(told: Mapping[str, Any], at: str) -> Port:
    kind = str(told.get("type") or "").lower()
    if kind not in (*LITERALS, *ASSETS):
        raise user_error(f"{at}.type must be one of {', '.join((*LITERALS, *ASSETS))}; it is '{told.get('type')}'.", at)
    default = told.get("default")
    low, high = (float(told[name]) if told.get(name) is not None else None for name in ("min", "max"))
    return Port(
        kind,
        MODES.get(str(told.get("mode") or "").lower(), str(told.get("mode") or "")),
        str(default) if default is not None else None,
        str(told.get("optional", False)).lower() == "true",
        tuple(str(one) for one in told.get("enum") or ()),
        low,
        high,
    )

"""Azure Pipelines' templates, expanded as Azure does before a run: a file, a branch and a reason give the document that is run.

https://learn.microsoft.com/azure/devops/pipelines/process/template-expressions. Beside the document: which parameters of which
file and which variables were used, so that a test can name those that are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.devops.expressions import Named, Unknown, Value, evaluate, text, truth

EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.S)
DIRECTIVE = re.compile(r"\$\{\{\s*(if|elseif|else|each|insert)\b(.*?)\}\}", re.S)
EACH = re.compile(r"\s*(\w+)\s+in\s+(.*)", re.S)
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": (str, int, float, bool),
    "number": (int, float),
    "boolean": bool,
    "object": (dict, list, str, int, float, bool),
    "stepList": list,
}
PARTS = ("stages", "jobs", "steps", "variables")  # what a template of these kinds is put in the place of an item of


@dataclass
class Used:
    """What an expansion read: parameters as (file, name), variables by name, the files themselves."""

    parameters: set[tuple[str, str]] = field(default_factory=set)
    declared: set[tuple[str, str]] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def expand(
    file: Path, predefined: Mapping[str, str], parameters: Mapping[str, Value] | None = None
) -> tuple[dict[str, Any], Used]:
    """The document of ``file`` without a template or a ``${{ }}`` in it; ``variables`` in it are a mapping."""
    return _Expansion(file.parent, predefined).pipeline(file, parameters or {})


class _Expansion:
    def __init__(self, root: Path, predefined: Mapping[str, str]) -> None:
        self.root, self.predefined, self.used = root, predefined, Used()

    def pipeline(self, file: Path, given: Mapping[str, Value]) -> tuple[dict[str, Any], Used]:
        document = self.load(file)
        if "extends" in document:
            raise Unknown(f"{self.named(file)}: 'extends' is not known to the expander")
        parameters = self.parameters(file, document.pop("parameters", []), given)
        names = {"parameters": parameters, "variables": Named("variable", self.predefined)}
        variables = self.variables(document.pop("variables", {}), file, names)
        names["variables"] = names["variables"].also(variables)
        expanded = self.value(document, file, names)
        self.note(file, parameters)
        self.used.variables |= names["variables"].read
        return {**expanded, "variables": variables}, self.used

    def template(self, item: Mapping[str, Any], part: str, file: Path, names: Mapping[str, Any]) -> Any:
        """What stands in the place of ``- template: …``."""
        item = {key: self.value(value, file, names) for key, value in item.items()}
        extra = set(item) - {"template", "parameters"}
        if extra:
            raise Unknown(f"{self.named(file)}: a template's reference has '{min(extra)}'")
        there = (file.parent / item["template"]).resolve()
        if not there.is_file():
            raise Unknown(f"{self.named(file)}: there is no template '{item['template']}'")
        document = self.load(there)
        parameters = self.parameters(there, document.pop("parameters", []), item.get("parameters", {}))
        if set(document) != {part}:
            raise Unknown(f"{self.named(there)} has {sorted(document)}, and is used where {part} stand")
        inner = {"parameters": parameters, "variables": names["variables"]}
        if part == "variables":
            found: Any = self.variables(document[part], there, inner)
        else:
            found = self.value(document, there, inner)[part]
        self.note(there, parameters)
        return found

    def parameters(self, file: Path, declared: list[Mapping[str, Any]], given: Mapping[str, Value]) -> Named:
        names = [one["name"] for one in declared]
        for name in given:
            if name not in names:
                raise Unknown(f"{self.named(file)}: unexpected parameter '{name}'")
        values = {}
        for one in declared:
            name, kind = one["name"], one["type"]
            if kind not in TYPES:
                raise Unknown(
                    f"{self.named(file)}: parameter '{name}' is of type '{kind}', which is not known to the expander"
                )
            if name not in given and "default" not in one:
                raise Unknown(f"{self.named(file)}: a value for the '{name}' parameter must be provided")
            value = given.get(name, one.get("default"))
            if kind == "boolean" and text(value).lower() in ("true", "false"):
                value = text(value).lower() == "true"
            if not isinstance(value, TYPES[kind]) or (kind == "number" and isinstance(value, bool)):
                raise Unknown(f"{self.named(file)}: parameter '{name}' is a {kind}, and '{value}' is none")
            if "values" in one and value not in one["values"]:
                raise Unknown(f"{self.named(file)}: parameter '{name}' is one of {one['values']}, and not '{value}'")
            values[name] = text(value) if kind == "string" else value
        self.used.declared |= {(self.named(file), name) for name in names}
        return Named(f"parameter of {self.named(file)} called", values)

    def variables(self, declared: Any, file: Path, names: Mapping[str, Any]) -> dict[str, str]:
        """By name; each sees those before it, as ``variables.NAME``."""
        found: dict[str, str] = {}
        for item in self.value([declared] if isinstance(declared, Mapping) else declared, file, names, "variables"):
            if set(item) == {"name", "value"}:
                item = {item["name"]: item["value"]}
            for name, value in item.items():
                if not isinstance(value, str | int | float | bool):
                    raise Unknown(f"{self.named(file)}: variable '{name}' is not a text")
                found[name] = text(value)
        return found

    def value(self, value: Any, file: Path, names: Mapping[str, Any], part: str = "") -> Any:
        """``part`` is the key that ``value`` stands under: a template's name in ``steps`` is a template of steps."""
        if isinstance(value, str):
            return self.scalar(value, file, names)
        if isinstance(value, list):
            return list(self.items(value, file, names, part))
        if isinstance(value, Mapping):
            return dict(self.entries(value, file, names))
        return value

    def scalar(self, value: str, file: Path, names: Mapping[str, Any]) -> Any:
        if DIRECTIVE.fullmatch(value.strip()):
            raise Unknown(f"{self.named(file)}: '{value}' stands where a value is")
        whole = EXPRESSION.fullmatch(value)
        if whole and value.count("${{") == 1:
            return self.evaluate(whole[1], file, names)
        return EXPRESSION.sub(lambda found: text(self.evaluate(found[1], file, names)), value)

    def items(self, items: list[Any], file: Path, names: Mapping[str, Any], part: str) -> Iterator[Any]:
        for item, scope in self.chosen(items, file, names):
            if scope is not None:
                if not isinstance(item, list):
                    raise Unknown(f"{self.named(file)}: what stands under a directive in a list is no list: {item}")
                yield from self.items(item, file, {**names, **scope}, part)
            elif isinstance(item, Mapping) and "template" in item and part in PARTS:
                found = self.template(item, part, file, names)
                yield from [found] if isinstance(found, Mapping) else found
            else:
                found = self.value(item, file, names)
                # an expression that is a list gives its items
                yield from found if isinstance(item, str) and isinstance(found, list) else [found]

    def entries(self, mapping: Mapping[str, Any], file: Path, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for item, scope in self.chosen(({key: value} for key, value in mapping.items()), file, names):
            if scope is not None:
                if not isinstance(item, Mapping):
                    raise Unknown(
                        f"{self.named(file)}: what stands under a directive in a mapping is no mapping: {item}"
                    )
                yield from self.entries(item, file, {**names, **scope})
                continue
            ((key, value),) = item.items()
            if key == "variables":
                variables = self.variables(value, file, names)
                yield "variables", variables
                names = {**names, "variables": names["variables"].also(variables)}
            else:
                yield text(self.scalar(str(key), file, names)), self.value(value, file, names, str(key))

    def chosen(
        self, items: Iterable[Any], file: Path, names: Mapping[str, Any]
    ) -> Iterator[tuple[Any, dict[str, Any] | None]]:
        """Each item that is there; what stood under a directive without it, and with what ``${{ each }}`` names in it."""
        taken: bool | None = None  # whether a branch of the chain before was; None: there is no chain
        for item in items:
            key = next(iter(item)) if isinstance(item, Mapping) and len(item) == 1 else ""
            found = DIRECTIVE.fullmatch(str(key).strip())
            if found is None:
                taken = None
                yield item, None
                continue
            word, rest, value = found[1], found[2], item[key]
            if word in ("elseif", "else") and taken is None:
                raise Unknown(f"{self.named(file)}: '{key}' follows no if")
            if word == "insert":
                taken, inserted = None, self.value(value, file, names)
                if not isinstance(inserted, Mapping):
                    raise Unknown(f"{self.named(file)}: '{key}' inserts what is no mapping")
                yield inserted, {}
            elif word == "each":
                taken, loop = None, EACH.fullmatch(rest)
                if loop is None:
                    raise Unknown(f"{self.named(file)}: '{key}' is no loop")
                every = self.evaluate(loop[2], file, names)
                if isinstance(every, Mapping):
                    every = [{"key": name, "value": one} for name, one in every.items()]
                for one in every:
                    yield value, {loop[1]: one}
            else:
                open_ = word == "if" or not taken
                holds = open_ and (word == "else" or truth(self.evaluate(rest, file, names)))
                taken = holds if word == "if" else bool(taken) or holds
                if holds:
                    yield value, {}

    def evaluate(self, expression: str, file: Path, names: Mapping[str, Any]) -> Value:
        try:
            return evaluate(expression, names)
        except Unknown as error:
            raise Unknown(f"{self.named(file)}: {error}") from None

    def load(self, file: Path) -> dict[str, Any]:
        self.used.files.add(self.named(file))
        document = yaml.load(file.read_text("utf-8"), Loader=_Loader)
        if not isinstance(document, dict):
            raise Unknown(f"{self.named(file)} is no mapping")
        return document

    def note(self, file: Path, parameters: Named) -> None:
        self.used.parameters |= {(self.named(file), name) for name in parameters.read}

    def named(self, file: Path) -> str:
        return file.resolve().relative_to(self.root.resolve()).as_posix()


class _Loader(yaml.CSafeLoader):
    """A key twice in a mapping is an error; ``on`` and ``yes`` are words, as in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise Unknown(f"'{min(twice)}' stands twice in a mapping: {node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

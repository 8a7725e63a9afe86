"""The language of ARM templates: ``[concat('sa', uniqueString(parameters('name')))]``.

Two pure steps: ``parse`` turns the text between the brackets into a tree, ``Evaluator`` gives a tree its value. Knows nothing of
HTTP, of the store, or of any resource type: what a function must ask the cloud for is handed in as a callable. A function that is
not here is refused by name (501), never guessed.
https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions and …/template-functions
"""

from __future__ import annotations

import datetime
import hashlib
import json
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from emulator.errors import AzureError, NotEmulated, bad_request

TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()\[\],.]))")
# The name space of guid(), version 5 of RFC 4122:
# https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string#guid
GUID_SPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
DEPTH = 60  # nested calls; the vendor's own templates stay below 10


@dataclass(frozen=True)
class Call:
    """``name(arguments…)``"""

    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Member:
    """``of.key`` or ``of[key]``"""

    of: Tree
    key: Tree


Tree = Union[str, int, Call, Member]


def is_expression(text: str) -> bool:
    """``[[…`` is an escaped bracket, ``[…]`` an expression, anything else plain text."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def parse(expression: str) -> Tree:
    """The tree of ``[…]``; raises ``InvalidTemplate`` (400) for what is not one."""
    reader = _Reader(expression)
    tree = reader.expression(0)
    if reader.token is not None:
        raise invalid(f"Unable to parse the template language expression '{expression}'.")
    return tree


def invalid(message: str) -> AzureError:
    return bad_request("InvalidTemplate", f"Deployment template validation failed: '{message}'")


class _Reader:
    """A recursive-descent reader with one token of look-ahead."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._text = f"{expression[1:-1]} "
        self._at = 0
        self.token: tuple[str, str] | None = None
        self._next()

    def _next(self) -> None:
        if not self._text[self._at :].strip():
            self.token = None
            return
        match = TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            raise invalid(f"Unable to parse the template language expression '{self._expression}'.")
        self._at = match.end()
        self.token = (match.lastgroup, match.group(match.lastgroup))

    def _take(self, mark: str) -> bool:
        if self.token == ("mark", mark):
            self._next()
            return True
        return False

    def _want(self, mark: str) -> None:
        if not self._take(mark):
            raise invalid(f"Unable to parse the template language expression '{self._expression}': expected '{mark}'.")

    def expression(self, depth: int) -> Tree:
        if depth > DEPTH:
            raise invalid("The template language expression is nested too deeply.")
        if self.token is None:
            raise invalid(f"Unable to parse the template language expression '{self._expression}'.")
        kind, text = self.token
        self._next()
        tree: Tree
        if kind == "string":
            tree = text[1:-1].replace("''", "'")
        elif kind == "number":
            tree = int(text)
        elif kind == "name" and self._take("("):
            tree = Call(text, self._arguments(depth))
        else:
            raise invalid(f"Unable to parse the template language expression '{self._expression}' at '{text}'.")
        while True:
            if self._take("."):
                if self.token is None or self.token[0] != "name":
                    raise invalid(f"Unable to parse the template language expression '{self._expression}' after '.'.")
                tree = Member(tree, self.token[1])
                self._next()
            elif self._take("["):
                tree = Member(tree, self.expression(depth + 1))
                self._want("]")
            else:
                return tree

    def _arguments(self, depth: int) -> tuple[Tree, ...]:
        arguments: list[Tree] = []
        if self._take(")"):
            return ()
        while True:
            arguments.append(self.expression(depth + 1))
            if self._take(")"):
                return tuple(arguments)
            self._want(",")


@dataclass
class Evaluator:
    """Gives expressions their values. ``parameters`` are final, ``variables`` are evaluated when first asked for;
    ``functions`` are those that need the cloud (``resourceGroup``, ``subscription``, ``reference``, …)."""

    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    _busy: set[str] = field(default_factory=set)

    def value(self, thing: Any, depth: int = 0) -> Any:
        """``thing`` with every expression in it, at any depth, replaced by its value."""
        if depth > DEPTH:
            raise invalid("The template is nested too deeply.")
        if isinstance(thing, str):
            if is_expression(thing):
                return self.tree(parse(thing))
            return thing[1:] if thing.startswith("[[") else thing
        if isinstance(thing, list):
            return [self.value(item, depth + 1) for item in thing]
        if isinstance(thing, dict):
            return {str(self.value(key)): self.value(item, depth + 1) for key, item in thing.items()}
        return thing

    def tree(self, tree: Tree) -> Any:
        if isinstance(tree, Member):
            return _member(self.tree(tree.of), self.tree(tree.key))
        if not isinstance(tree, Call):
            return tree
        name = tree.name.lower()
        if name == "if":  # the branch that is not taken is not evaluated
            if len(tree.arguments) != 3:
                raise invalid("The template function 'if' takes three arguments.")
            return self.tree(tree.arguments[1 if _truth(self.tree(tree.arguments[0])) else 2])
        arguments = [self.tree(argument) for argument in tree.arguments]
        if name in ("parameters", "variables"):
            return self._named(name, arguments)
        function = self.functions.get(name) or FUNCTIONS.get(name)
        if function is None:
            raise NotEmulated(f"the template function '{tree.name}'")
        try:
            return function(*arguments)
        except (TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
            raise invalid(f"Unable to evaluate template language function '{tree.name}': {error}") from None

    def _named(self, kind: str, arguments: list[Any]) -> Any:
        wanted = str(arguments[0]).lower() if len(arguments) == 1 else ""
        table = self.parameters if kind == "parameters" else self.variables
        found = next((key for key in table if key.lower() == wanted), None)
        if found is None:
            raise invalid(f"The template {kind[:-1]} '{wanted}' is not found.")
        if kind == "parameters":
            return table[found]
        if found in self._busy:
            raise invalid(f"Circular reference in the template variable '{found}'.")
        self._busy.add(found)
        try:
            return self.value(table[found])
        finally:
            self._busy.discard(found)


def _member(of: Any, key: Any) -> Any:
    if isinstance(of, dict):
        found = next((name for name in of if name.lower() == str(key).lower()), None)
        if found is not None:
            return of[found]
    elif isinstance(of, list) and isinstance(key, int) and 0 <= key < len(of):
        return of[key]
    raise invalid(f"The language expression property '{key}' doesn't exist.")


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError(f"'{value}' is not a boolean")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _same(left: Any, right: Any) -> bool:
    """Text is compared with case, as ``equals`` does."""
    return type(left) is type(right) and bool(left == right)


def _of_ints(function: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def checked(left: Any, right: Any) -> int:
        if not (isinstance(left, int) and isinstance(right, int)) or abs(left) >= 2**63 or abs(right) >= 2**63:
            raise ValueError(f"'{left}' and '{right}' are not two integers of 64 bits")
        return function(left, right)

    return checked


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return "".join(_text(value) for value in values)


def _unique(*values: Any) -> str:
    """13 letters and digits that depend on nothing but the values. Azure's own hash is not published, so they are not Azure's."""
    digest = int.from_bytes(hashlib.sha256("-".join(map(str, values)).encode()).digest()[:9], "big")
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[digest >> 5 * place & 31] for place in range(13))


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, dict):
        return str(item).lower() in (key.lower() for key in container)
    return item in container


def _union(*values: Any) -> Any:
    if all(isinstance(value, dict) for value in values):
        return {key: item for value in values for key, item in value.items()}
    return list({json.dumps(item, sort_keys=True): item for value in values for item in value}.values())


def _format(pattern: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: _text(values[int(match.group(1))]), pattern)


def _now(pattern: str = "yyyyMMddTHHmmssZ") -> str:
    codes = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    translated = re.sub("|".join(codes), lambda match: codes[match.group()], pattern)
    return datetime.datetime.now(datetime.timezone.utc).strftime(translated)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": _of_ints(operator.add),
    "and": lambda *values: all(_truth(value) for value in values),
    "array": lambda value: value if isinstance(value, list) else [value],
    "bool": _truth,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "div": _of_ints(lambda left, right: int(left / right)),
    "empty": lambda value: value is None or len(value) == 0,
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "equals": _same,
    "false": lambda: False,
    "first": lambda value: value[0] if value else ("" if isinstance(value, str) else None),
    "format": _format,
    "greater": lambda left, right: left > right,
    "greaterorequals": lambda left, right: left >= right,
    "guid": lambda *values: str(uuid.uuid5(GUID_SPACE, "-".join(map(str, values)))),
    "int": int,
    "join": lambda values, mark: mark.join(map(str, values)),
    "json": lambda text: json.loads(text),
    "last": lambda value: value[-1] if value else ("" if isinstance(value, str) else None),
    "length": len,
    "less": lambda left, right: left < right,
    "lessorequals": lambda left, right: left <= right,
    "max": lambda *values: max(values[0] if isinstance(values[0], list) else values),
    "min": lambda *values: min(values[0] if isinstance(values[0], list) else values),
    "mod": _of_ints(operator.mod),
    "mul": _of_ints(operator.mul),
    "newguid": lambda: str(uuid.uuid4()),
    "not": lambda value: not _truth(value),
    "null": lambda: None,
    "or": lambda *values: any(_truth(value) for value in values),
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda value, count: value[max(count, 0) :],
    "split": lambda text, mark: re.split("|".join(map(re.escape, [mark] if isinstance(mark, str) else mark)), text),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _text,
    "sub": _of_ints(operator.sub),
    "substring": lambda text, start, length=None: text[start:] if length is None else text[start : start + length],
    "take": lambda value, count: value[: max(count, 0)],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "union": _union,
    "uniquestring": _unique,
    "utcnow": _now,
}

"""What the parts of a template amount to: expressions, variables and loops, evaluated.

Knows nothing of HTTP, of the store, or of any resource type: what a function must ask the cloud for is handed in as a callable.
https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from emulator.errors import NotEmulated
from emulator.management.expressions import DEPTH, Call, Member, Tree, invalid, is_expression, parse
from emulator.management.functions import FUNCTIONS, member, truth

COPIES = 800  # of one loop: https://learn.microsoft.com/azure/azure-resource-manager/templates/copy-resources


@dataclass(frozen=True)
class Loop:
    """A ``copy`` that makes a list: ``{"name", "count", "input"}``."""

    sent: Any


@dataclass
class Evaluator:
    """Gives expressions their values. ``parameters`` are final, ``variables`` are evaluated when first asked for;
    ``functions`` are those that need the cloud (``resourceGroup``, ``subscription``, ``reference``, …; ``list`` has the name of the
    ``listKeys`` or ``listSecrets`` that is meant before its arguments)."""

    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    _busy: set[str] = field(default_factory=set)
    _loops: list[tuple[str, int]] = field(default_factory=list)

    def looped(self, loops: Sequence[tuple[str, int]], thing: Any) -> Any:
        """The value that ``thing`` has where ``copyIndex`` is that of each of ``loops``, the innermost last."""
        before, self._loops = self._loops, [*self._loops, *loops]
        try:
            return self.value(thing)
        finally:
            self._loops = before

    def count(self, sent: Any) -> range:
        """The indexes of a ``copy``."""
        count = self.value(sent.get("count")) if isinstance(sent, dict) else None
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= COPIES:
            raise invalid(f"The 'count' of a 'copy' must be a whole number from 0 to {COPIES}; it is '{count}'.")
        return range(count)

    def value(self, thing: Any, depth: int = 0) -> Any:
        """``thing`` with every expression in it, at any depth, replaced by its value."""
        if depth > DEPTH:
            raise invalid("The template is nested too deeply.")
        if isinstance(thing, Loop):
            name = str(thing.sent.get("name", "")) if isinstance(thing.sent, dict) else ""
            return [self.looped([(name, index)], thing.sent.get("input")) for index in self.count(thing.sent)]
        if isinstance(thing, str):
            if is_expression(thing):
                return self.tree(parse(thing))
            return thing[1:] if thing.startswith("[[") else thing
        if isinstance(thing, list):
            return [self.value(item, depth + 1) for item in thing]
        if isinstance(thing, dict):
            return {str(self.value(key)): self.value(item, depth + 1) for key, item in unrolled(thing).items()}
        return thing

    def tree(self, tree: Tree) -> Any:
        if isinstance(tree, Member):
            return member(self.tree(tree.of), self.tree(tree.key))
        if not isinstance(tree, Call):
            return tree
        name = tree.name.lower()
        if name == "if":  # the branch that is not taken is not evaluated
            if len(tree.arguments) != 3:
                raise invalid("The template function 'if' takes three arguments.")
            return self.tree(tree.arguments[1 if truth(self.tree(tree.arguments[0])) else 2])
        arguments = [self.tree(argument) for argument in tree.arguments]
        if name in ("parameters", "variables"):
            return self._named(name, arguments)
        if name == "copyindex":
            return self._index(arguments)
        function = self.functions.get(name) or FUNCTIONS.get(name)
        if function is None and name.startswith("list") and "list" in self.functions:
            function = partial(self.functions["list"], tree.name)
        if function is None:
            raise NotEmulated(f"the template function '{tree.name}'")
        try:
            return function(*arguments)
        except (TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
            raise invalid(f"Unable to evaluate template language function '{tree.name}': {error}") from None

    def _index(self, arguments: list[Any]) -> int:
        """``copyIndex([loop], [offset])``; the innermost loop where none is named."""
        name = arguments[0] if arguments and isinstance(arguments[0], str) else None
        offset = next((one for one in arguments if isinstance(one, int)), 0)
        for loop, index in reversed(self._loops):
            if name is None or loop.lower() == name.lower():
                return index + offset
        raise invalid("The template function 'copyIndex' is not expected at this location.")

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


def unrolled(thing: Mapping[str, Any]) -> dict[str, Any]:
    """An object with the lists that its ``copy`` makes in place of it
    (https://learn.microsoft.com/azure/azure-resource-manager/templates/copy-properties)."""
    loops = thing.get("copy")
    if not isinstance(loops, list) or not all(isinstance(one, dict) and "input" in one for one in loops):
        return dict(thing)
    rest = {key: item for key, item in thing.items() if key != "copy"}
    return {**rest, **{str(one.get("name")): Loop(one) for one in loops}}

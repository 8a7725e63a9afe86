"""The grammar of template expressions: ``[concat('sa', uniqueString(parameters('name')))]`` as a tree. Text in, a value out.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union

from emulator.errors import AzureError, bad_request

TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()\[\],.]))")
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

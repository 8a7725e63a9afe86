"""Azure Pipelines' expressions: ``eq(variables['Build.Reason'], 'PullRequest')``, read and evaluated.

https://learn.microsoft.com/azure/devops/pipelines/process/expressions. A name or function that is not known here is an error
by its name: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>[().,\[\]]))"
)

Value = Any
Function = Callable[..., Value]


class Unknown(Exception):
    """The expander does not know this, or Azure would refuse it: said by name."""


class Named(Mapping[str, Value]):
    """What an expression reads names from, without regard to case. ``kind`` is said where a name is missing, ``read`` keeps those
    that were asked for."""

    def __init__(self, kind: str, values: Mapping[str, Value]) -> None:
        self.kind, self.read = kind, set[str]()
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> Value:
        self.read.add(name)
        if name.lower() not in self._values:
            raise Unknown(f"there is no {self.kind} '{name}'")
        return self._values[name.lower()]

    def also(self, values: Mapping[str, Value]) -> Named:
        """These and ``values``, which count more; what is read of them is read of this."""
        made = Named(self.kind, {**self._values, **{name.lower(): value for name, value in values.items()}})
        made.read = self.read
        return made

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def text(value: Value) -> str:
    """As Azure writes a value into a text."""
    if value is None:
        return ""
    return str(value) if not isinstance(value, bool) else ("True" if value else "False")


def truth(value: Value) -> bool:
    return value not in ("", 0, None, False)


def equal(left: Value, right: Value) -> bool:
    """The right side is taken as the left side's type; texts are compared without regard to case."""
    if isinstance(left, bool):
        return left == (right.lower() == "true" if isinstance(right, str) else truth(right))
    if isinstance(left, int | float):
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", text(right))) and float(left) == float(text(right))
    return text(left).lower() == text(right).lower()


def _joined(between: str, values: Sequence[Value]) -> str:
    return between.join(text(value) for value in values)


FUNCTIONS: Mapping[str, Function] = {
    "and": lambda *values: all(map(truth, values)),
    "or": lambda *values: any(map(truth, values)),
    "not": lambda value: not truth(value),
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "in": lambda value, *others: any(equal(value, other) for other in others),
    "notin": lambda value, *others: not any(equal(value, other) for other in others),
    "contains": lambda whole, part: text(part).lower() in text(whole).lower(),
    "containsvalue": lambda whole, one: any(
        equal(one, value) for value in (whole.values() if isinstance(whole, Mapping) else whole)
    ),
    "startswith": lambda whole, part: text(whole).lower().startswith(text(part).lower()),
    "endswith": lambda whole, part: text(whole).lower().endswith(text(part).lower()),
    "coalesce": lambda *values: next((value for value in values if value not in (None, "")), ""),
    "format": lambda pattern, *values: pattern.format(*map(text, values)),
    "join": _joined,
    "length": len,
    "lower": lambda value: text(value).lower(),
    "upper": lambda value: text(value).upper(),
    "replace": lambda whole, old, new: text(whole).replace(text(old), text(new)),
    "split": lambda whole, between: text(whole).split(text(between)),
    "iif": lambda condition, yes, no: yes if truth(condition) else no,
}


def evaluate(expression: str, names: Mapping[str, Value], functions: Mapping[str, Function] = FUNCTIONS) -> Value:
    """``names``: what stands at the left of a dot (``parameters``, ``variables`` …); a loop's variable too."""
    return _Reader(expression, names, functions).whole()


class _Reader:
    def __init__(self, expression: str, names: Mapping[str, Value], functions: Mapping[str, Function]) -> None:
        self.expression, self.names, self.functions = expression, names, functions
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while expression[at:].strip():
            found = TOKEN.match(expression, at)
            if found is None:
                raise Unknown(f"'{expression}' cannot be read at '{expression[at:].strip()}'")
            self.tokens.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
            at = found.end()

    def whole(self) -> Value:
        value = self.value()
        if self.tokens:
            raise Unknown(f"'{self.expression}' has '{self.tokens[0][1]}' where it should end")
        return value

    def next(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.tokens[0][1] not in wanted):
            there = f"'{self.tokens[0][1]}'" if self.tokens else "its end"
            raise Unknown(f"'{self.expression}' has {there} where {' or '.join(wanted) or 'a value'} should stand")
        return self.tokens.pop(0)[1]

    def sees(self, sign: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == ("sign", sign)

    def value(self) -> Value:
        kind = self.tokens[0][0] if self.tokens else ""
        word = self.next()
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return float(word) if "." in word else int(word)
        if kind != "name":
            raise Unknown(f"'{self.expression}' has '{word}' where a value should stand")
        if self.sees("("):
            return self.called(word)
        if word.lower() in ("true", "false", "null"):
            return {"true": True, "false": False}.get(word.lower())
        if word not in self.names:
            raise Unknown(f"'{self.expression}' reads '{word}', which there is not; there are {', '.join(self.names)}")
        return self.within(self.names[word])

    def called(self, name: str) -> Value:
        if name.lower() not in self.functions:
            raise Unknown(f"'{self.expression}' calls '{name}', which is not a function known here")
        arguments = []
        self.next("(")
        while not self.sees(")"):
            arguments.append(self.value())
            if not self.sees(")"):
                self.next(",")
        self.next(")")
        return self.within(self.functions[name.lower()](*arguments))

    def within(self, value: Value) -> Value:
        while self.sees(".") or self.sees("["):
            if self.next() == ".":
                key: Value = self.next()
            else:
                key = self.value()
                self.next("]")
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                raise Unknown(f"'{self.expression}' reads '{key}', which there is not") from None
        return value

"""What a rule is, what it looks at, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Resource:
    """``type`` is Pulumi's token; ``properties`` are the SDK's arguments in camelCase; ``uses`` names, for each of them, the
    resources whose outputs it is made of; ``unknown`` are those that no preview can know, and that none may be asked for.
    """

    type: str
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        """``storage:StorageAccount`` of ``azure-native:storage/v20240101:StorageAccount``; empty for another provider's."""
        found = re.fullmatch(r"azure-native:(\w+)(?:/\w+)?:(\w+)", self.type)
        return f"{found[1]}:{found[2]}" if found else ""

    def at(self, path: str) -> Any:
        """The value at ``properties.scaleSettings.minNodeCount``; ``None`` where there is none."""
        value: Any = self.properties
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class Stack:
    """``resources`` are those that are judged together: all of a stack's, or one. ``account_keys``: the stack asks for them
    (``datastoreAuth: accountKey``)."""

    name: str
    resources: Sequence[Resource] = ()
    account_keys: bool = False

    @property
    def production(self) -> bool:
        return re.match(r"prod(uction)?([-_.]|$)", self.name.rpartition("/")[2], re.IGNORECASE) is not None

    @property
    def laptop(self) -> bool:
        return self.name.rpartition("/")[2] == "local"


@dataclass(frozen=True)
class Fault:
    """``property`` has ``value``; ``fix`` is what it should be, or what to add."""

    property: str
    value: Any
    fix: str


@dataclass(frozen=True)
class Violation:
    rule: str
    resource: str
    type: str
    property: str
    value: Any
    fix: str
    reason: str
    link: str

    def __str__(self) -> str:
        value = "not set" if self.value is None else repr(self.value)
        return f"{self.property} is {value}. {self.reason} Fix: {self.fix}. {self.link}"


Look = Callable[[Resource, Stack], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """``kinds`` are the resources that it looks at, all where there are none. ``whole``: it needs to see the whole stack.
    ``production``: it holds there alone. ``laptop``: it holds there too."""

    name: str
    reason: str
    link: str
    look: Look
    kinds: tuple[str, ...] = ()
    whole: bool = False
    production: bool = False
    laptop: bool = True

    def violations(self, resource: Resource, stack: Stack) -> Iterator[Violation]:
        if not resource.kind or (self.kinds and resource.kind not in self.kinds):
            return
        if (self.production and not stack.production) or (stack.laptop and not self.laptop):
            return
        for fault in self.look(resource, stack):
            yield Violation(
                self.name,
                resource.name,
                resource.type,
                fault.property,
                fault.value,
                fault.fix,
                self.reason,
                self.link,
            )


def rule(
    name: str,
    *kinds: str,
    reason: str,
    link: str,
    whole: bool = False,
    production: bool = False,
    laptop: bool = True,
) -> Callable[[Look], Rule]:
    """Make a rule of the function below."""
    return lambda look: Rule(name, reason, link, look, kinds, whole, production, laptop)


def must_be(path: str, *allowed: Any, fix: str, absent: bool = False) -> Look:
    """A rule's function where one property has to have one of a few values; ``absent`` says whether it may be left out. Text
    is compared without case, as ARM does."""

    def look(resource: Resource, stack: Stack) -> Iterator[Fault]:
        value = resource.at(path)
        if value is None and absent:
            return
        if _plain(value) not in [_plain(one) for one in allowed]:
            yield Fault(path, value, fix)

    return look


def _plain(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value

"""Arguments and answers as plain values: what differs, what of an answer a program could have said, what changed behind it.

Must not: ask Azure anything, or know one resource type.
"""

from __future__ import annotations

import re
import threading
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import pulumi
from pulumi.runtime.rpc import UNKNOWN

from infra.naming import region

MISSING = object()
IMPORTING = threading.Lock()  # the SDK's modules come when they are looked at, and not for two threads at once


@dataclass(frozen=True)
class Difference:
    """``path`` as Pulumi writes it; ``kind`` is ``ADD``, ``DELETE`` or ``UPDATE``; ``old`` is what was there."""

    path: str
    kind: str
    old: Any


def differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """What is otherwise in ``new``, property by property. Regions are compared as Azure compares them; an unknown value differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), _join(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, now = (items[index] if index < len(items) else MISSING for items in (old, new))
            yield from differences(before, now, f"{path}[{index}]")
    elif old is MISSING or new is MISSING:
        if not (old is MISSING or old is None) or not (new is MISSING or new is None):
            yield Difference(path, "ADD" if old is MISSING else "DELETE", old)
    elif old != new and not (path == "location" and region(old) == region(new)):
        yield Difference(path, "UPDATE", old)


def known(value: Any) -> bool:
    """Whether nothing in ``value`` waits for a resource that is not made yet."""
    if isinstance(value, Mapping):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return bool(value != UNKNOWN)


def carried(inputs: Any, before: Any, now: Any, shape: Shape) -> Any:
    """``inputs`` with what changed between two answers of Azure's, as far as it can be said in a program.

    What Azure filled in by itself, and left as it is, does not become an argument; nor what nobody can set (``shape``).
    """
    if not all(isinstance(value, Mapping) for value in (inputs, before, now)):
        return shape.only(now)
    result = dict(inputs)
    for key in {**before, **now}:
        old, new = before.get(key, MISSING), now.get(key, MISSING)
        if old == new or not shape.takes(key):
            continue
        if new is MISSING:
            result.pop(key, None)
        elif key in inputs:
            result[key] = carried(inputs[key], old, new, shape.below(key))
        else:
            result[key] = shape.below(key).only(new)
    return result


class Shape:
    """What a program can say of a resource: the names of arguments, each with its own shape, by the SDK's types.

    The SDK is imported when something is asked: it takes a second, and most runs ask nothing.
    """

    def __init__(self, types: tuple[type, ...] | None = None, token: str | None = None) -> None:
        self._types, self._token = types, token

    @staticmethod
    def of(token: str) -> Shape:
        return Shape(token=token)

    def takes(self, name: str) -> bool:
        return not self._open or name in self._members

    def below(self, name: str) -> Shape:
        return Shape(self._members.get(name, ()))

    def only(self, value: Any) -> Any:
        """``value`` without what nobody can set, and without what says nothing."""
        if isinstance(value, list):
            return [self.only(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        kept = {name: self.below(name).only(item) for name, item in value.items() if self.takes(name)}
        return {name: item for name, item in kept.items() if item is not None}

    @property
    def _open(self) -> bool:
        """Whether the names are known: those of a map such as ``tags`` are anybody's."""
        return bool(self._own)

    @property
    def _own(self) -> tuple[type, ...]:
        if self._types is None:
            assert self._token is not None, "A shape has types or a token."
            _, package, name = self._token.split(":")
            with IMPORTING:
                resource = getattr(import_module(f"pulumi_azure_native.{package}"), name)
                module = import_module(resource.__module__)  # which has the resource and its arguments, and no more
            self._types = tuple(getattr(module, other) for other in module.__all__ if other != name)
        return self._types

    @property
    def _members(self) -> Mapping[str, tuple[type, ...]]:
        """Of each of the types that it may be: a compute's properties are those of any kind of compute."""
        found: dict[str, tuple[type, ...]] = {}
        for type in self._own:
            for name, types in _members(type).items():
                found[name] = found.get(name, ()) + types
        return found


@lru_cache(None)
def _members(type: type) -> dict[str, tuple[type, ...]]:
    names = {**vars(import_module(type.__module__)), "Output": pulumi.Output, "T": Any}
    found = {}
    for python, member in vars(type).items():
        if isinstance(member, property) and member.fget is not None:
            hints = typing.get_type_hints(member.fget, names)
            found[getattr(member.fget, "_pulumi_name", python)] = tuple(_input_types(hints.get("return")))
    return found


def _input_types(hint: Any) -> Iterator[type]:
    """The SDK's own types of arguments in a type: ``SkuArgs`` of ``Optional[Input[SkuArgs]]``."""
    if isinstance(hint, type) and hasattr(hint, "_pulumi_input_type"):
        yield hint
    for part in typing.get_args(hint):
        yield from _input_types(part)


def _join(path: str, key: str) -> str:
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key

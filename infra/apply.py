"""Apply a stack without an engine: the program is evaluated in process, and each of its resources becomes an ARM request.

What an earlier apply made and the program no longer has is named, and deleted only when asked to. An apply remembers what it
did; where neither the program nor any answer of Azure's has changed since, there is nothing to evaluate.

Only ever against the emulator: ``emulator_behind`` finds out who would answer for Azure's hosts, and anything else is refused.
Against Azure a stack is applied by ``pulumi up``, which knows what it did before and shows what it will do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.identity import EnvironmentCredential

from infra import stackfile, table
from infra.arm import ENDPOINT, Arm, ArmError
from infra.emulated import emulator_behind
from infra.outcome import NOTHING, Done, explained

SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Memory:
    """What an apply remembers for the next one. ``program`` is the digest of everything that the outcome follows from, empty
    where the program asked Azure for something (a key) that no resource tells;
    ``sent`` and ``answered`` have digests by resource id, ``names`` the program's names; ``left`` are ids that the program no
    longer has."""

    program: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)
    answered: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @staticmethod
    def read(content: object) -> Memory:
        """What ``vars`` gave, from JSON; anything else is no memory."""
        try:
            return Memory(**{**content, "left": tuple(content["left"])}) if isinstance(content, dict) else Memory()
        except (TypeError, KeyError):
            return Memory()


@dataclass(frozen=True)
class Applied:
    """``left`` are ids that an earlier apply made and the program no longer has; ``deleted`` those that are gone now."""

    resources: tuple[Done, ...]
    deleted: tuple[str, ...]
    memory: Memory

    @property
    def outputs(self) -> Mapping[str, str]:
        return self.memory.outputs

    @property
    def left(self) -> tuple[str, ...]:
        return self.memory.left


def apply(
    stack: str,
    *,
    before: Memory | None = None,
    prune: bool = False,
    config: Mapping[str, str] = NOTHING,
    report: Callable[[Done], None] = lambda done: None,
) -> Applied:
    """Bring the emulator that this process's environment leads to into the state that the program describes.

    ``before``: what the last apply remembers. ``prune``: delete what the program no longer has. ``config``: values by full key
    that count more than the stack's file. ``report`` is called from other threads, one at a time.
    Raises ``ConfigError``, ``NotTheEmulator`` or ``ApplyError``.
    """
    before = before or Memory()
    project, values = stackfile.read(stack)
    values = {**values, **config}
    emulator_behind(ENDPOINT)
    with Arm(EnvironmentCredential()) as arm:
        program = _program(project, stack, values)
        if before.program == program and not (prune and before.left) and _answers(arm, before.sent) == before.answered:
            same = [
                Done(before.names[id], table.type_of(id), id, "unchanged", 0, (), before.sent[id]) for id in before.sent
            ]
            return Applied(tuple(same), (), before)

        from infra.inprocess import Engine

        engine = Engine(arm, values, report, before.sent)
        outputs = engine.evaluate(project, stack)
        sent = {done.id: done.digest for done in engine.done}
        made = {id.lower() for id in sent}
        left = [id for id in (*before.left, *before.sent) if id.lower() not in made]
        deleted = list(_delete(arm, left)) if prune else []
        names = {done.id: done.name for done in engine.done}
        memory = Memory(
            program="" if engine.asked else program,
            outputs=outputs,
            names=names,
            sent=sent,
            answered=_answers(arm, sent),
            left=tuple(id for id in left if id not in deleted),
        )
        return Applied(tuple(engine.done), tuple(deleted), memory)


def remembers(stack: str, before: Memory) -> bool:
    """Whether the program and its configuration are what they were: ``apply`` is then likely to have nothing to evaluate."""
    return before.program == _program(*_named(stack))


def _named(stack: str) -> tuple[str, str, Mapping[str, str]]:
    project, values = stackfile.read(stack)
    return project, stack, values


def _program(project: str, stack: str, values: Mapping[str, str]) -> str:
    folder = Path(__file__).parent
    files = {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*.py")}
    packages = {name: version(name) for name in ("pulumi", "pulumi-azure-native")}
    given = {name: value for name, value in os.environ.items() if name.startswith("PULUMI_CONFIG")}
    return _digest([project, stack, dict(values), files, packages, given])


def _answers(arm: Arm, ids: Mapping[str, str]) -> dict[str, str]:
    """What Azure says of each resource now."""

    def ask(id: str) -> str:
        try:
            return _digest(arm.get(id, {"api-version": table.api_version(id)}))
        except (ArmError, AzureError) as error:
            raise explained(error, id) from error

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(ids, pool.map(ask, ids), strict=True))


def _digest(value: Any) -> str:
    return sha256(dumps(value, sort_keys=True).encode()).hexdigest()


def _delete(arm: Arm, ids: Sequence[str]) -> Iterator[str]:
    """The newest first: each is gone before what it was made from."""
    for id in reversed(ids):
        try:
            if not table.of_id(id).singleton:
                arm.delete(id, table.deletion(id))
        except (ArmError, AzureError) as error:
            raise explained(error, f"deleting {id}") from error
        yield id

"""Plans of a stack, through Pulumi's engine: made, gated, applied, and what drifted. Not on the command line's start-up path."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infra import changes, engine, recovery
from infra import plan as plans
from infra.arm import Arm
from infra.changes import Change
from infra.plan import Plan
from infra.recovery import Left
from runner import credentials, project, stacks, talk, token_file
from runner.judgement import stack_errors

LOCAL = "local"


def plan(stack: str, allowed: Collection[str]) -> Plan:
    with engine_of(stack) as opened:
        return plans.make(opened, allowed)


def refused(made: Plan) -> bool:
    return bool(changes.refused(made.changes, made.allowed))


def gate(made: Plan) -> None:
    """Raises ``Mistake`` for a plan by which something would be lost that nobody named."""
    with stack_errors(made.stack):
        plans.gate(made.changes, made.allowed)


def apply(file: Path) -> str:
    """Carry out the plan of ``file``; the stack's name."""
    with stack_errors(None):
        made = plans.read(file)
    with engine_of(made.stack) as opened:
        plans.apply(made, opened, talk.say)
    return made.stack


def drift(stack: str) -> tuple[Change, ...]:
    with engine_of(stack) as opened:
        return plans.look(opened)


def recover(stack: str) -> tuple[Left, ...]:
    with engine_of(stack) as opened, Arm(credentials.choose(os.environ).make()) as arm:
        return recovery.recover(opened, arm)


@contextmanager
def engine_of(stack: str) -> Iterator[engine.Engine]:
    """The engine for ``stack``. ``local`` brings what leads to its emulator; for any other the process's environment counts."""
    with stack_errors(stack), token_file.kept(os.environ) as signed_in:
        if stack == LOCAL:
            os.environ.update(stacks.read(LOCAL).environment)
        found = engine.open(stack, project.state_folder())
        yield replace(found, environment={**found.environment, **signed_in})

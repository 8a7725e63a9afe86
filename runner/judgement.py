"""A stack and the rules of ``policies``: its program is evaluated in this process, and what it declares is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner import names, stacks
from runner.errors import CloudError, Mistake

if TYPE_CHECKING:
    from policies import Violation


@dataclass(frozen=True)
class Judged:
    """``resources`` were looked at, by ``rules``."""

    resources: int
    rules: int
    violations: tuple[Violation, ...]


def judge(stack: str, config: Iterable[str] = ()) -> Judged:
    """``config`` are lines ``KEY=VALUE`` that count more than the stack's file; a key without a namespace is the project's."""
    with stack_errors(stack):
        import policies
        from infra.evaluation import evaluate

        project, values = configured(stack, config)
        resources = [
            policies.Resource(one.type, one.name, one.inputs, one.protect, one.uses)
            for one in evaluate(stack, values).declared
        ]
        keys = values.get(f"{project}:datastoreAuth") == "accountKey"
        found = policies.judge(policies.Stack(stack, sorted(resources, key=lambda one: one.name), keys))
        return Judged(len(resources), len(policies.RULES), tuple(found))


def configured(stack: str, config: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The project, and the stack's values by full key with ``config`` put over them."""
    from infra import stackfile

    given = dict(_pair(line) for line in config)
    project, values = stackfile.read(stack)
    return project, {**values, **{key if ":" in key else f"{project}:{key}": value for key, value in given.items()}}


@contextmanager
def stack_errors(stack: str | None) -> Iterator[None]:
    """What ``infra`` raises, as the runner says it; a ``stack`` that is named must be one of the project's."""
    from infra.errors import ConfigError, PlanError, StackError

    if stack is not None and stack.rpartition("/")[2] not in stacks.known():
        raise Mistake(
            f"There is no stack '{stack}'. {names.near(stack, stacks.known())}",
            next="pulumi stack init makes one, stacks/ configures it",
        )
    try:
        yield
    except (ConfigError, PlanError) as error:
        raise Mistake(str(error), next=error.next) from None
    except StackError as error:
        raise CloudError(str(error), next=error.next) from error


def _pair(line: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not key or not equals:
        raise Mistake(f"'{line}' of --config is not KEY=VALUE.")
    return key, value

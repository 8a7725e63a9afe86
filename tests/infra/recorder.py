"""What a stack's program sends, and what it exports, with nothing behind it; and a project of one test's own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from infra import stackfile
from infra.apply import Applied, apply
from infra.evaluation import SUBSCRIPTION, evaluate as evaluated
from infra.table import Request

__all__ = ["EVERYTHING", "SUBSCRIPTION", "Own", "evaluate"]

SOMEBODY = "44444444-4444-4444-4444-444444444444"
# Of the stack ``prod``, for a resource of every type of the table.
EVERYTHING = {
    **dict.fromkeys(("runners", "invokers", "dataContributors"), f'["{SOMEBODY}"]'),
    "instances": f'[{{"name": "anna", "assignedTo": "{SOMEBODY}"}}]',
    "budget": '{"monthly": 500, "contacts": ["a@example.com"]}',
}
NOTHING: Mapping[str, str] = {}


def evaluate(stack: str = "local", **config: str) -> tuple[list[Request], dict[str, str]]:
    """``config`` has keys of the project, without its name."""
    project, _ = stackfile.read(stack)
    found = evaluated(stack, {f"{project}:{key}": value for key, value in config.items()})
    return list(found.sent), dict(found.outputs)


class Own:
    """A project of one test: all names have the project's in them, so tests do not meet on the emulator that they share."""

    def __init__(self, stack: str = "local") -> None:
        self.project = f"t{uuid.uuid4().hex[:8]}"
        self.stack, self.values = stack, stackfile.read(stack)[1]

    def read(self, stack: str) -> tuple[str, dict[str, str]]:
        return self.project, {key.replace("aml:", f"{self.project}:"): value for key, value in self.values.items()}

    def full(self, config: Mapping[str, str]) -> dict[str, str]:
        """``config`` has the project's keys without its name."""
        return {key if ":" in key else f"{self.project}:{key}": value for key, value in config.items()}

    def apply(self, config: Mapping[str, str] = NOTHING, **options: Any) -> Applied:
        return apply(self.stack, config=self.full(config), **options)

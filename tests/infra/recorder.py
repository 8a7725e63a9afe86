"""What a stack's program sends, and what it exports, with nothing behind it."""

from __future__ import annotations

from infra import stackfile
from infra.evaluation import SUBSCRIPTION, evaluate as evaluated
from infra.table import Request

__all__ = ["SUBSCRIPTION", "evaluate"]


def evaluate(stack: str = "local", **config: str) -> tuple[list[Request], dict[str, str]]:
    """``config`` has keys of the project, without its name."""
    project, _ = stackfile.read(stack)
    found = evaluated(stack, {f"{project}:{key}": value for key, value in config.items()})
    return list(found.sent), dict(found.outputs)

"""After an update that was killed: what the engine asked Azure for, and did not live to hear of, gets into the stack's state.

The engine notes what it is about to make (a pending operation), and what became of it. One that was killed in between leaves the
note: the next update would make the resource a second time, and be refused. What is there is taken into the state as made
half-way, so that the next update brings it to its end; what is not is forgotten, and made by the next.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import table
from infra.arm import Arm
from infra.engine import Engine
from infra.errors import PlanError


@dataclass(frozen=True)
class Left:
    """A resource that was being made; ``there``: Azure has it."""

    name: str
    id: str
    there: bool


def deployment(engine: Engine) -> dict[str, Any]:
    """What the engine knows of the stack."""
    return _exported(engine).get("deployment") or {}


def check(found: Mapping[str, Any], stack: str) -> None:
    """Raises ``PlanError`` where the last update was killed while it made something."""
    names = [one["urn"].rpartition("::")[2] for one in _pending(found)]
    if names:
        raise PlanError(
            f"The last update of stack '{stack}' was killed while it made {', '.join(names)}.",
            f"aml infra recover --stack {stack}",
        )


def recover(engine: Engine, arm: Arm) -> tuple[Left, ...]:
    """Nobody else may be at work: a killed update leaves its lock, which is taken away."""
    engine.run("cancel", "--yes", accept=range(256))
    exported = _exported(engine)
    found = exported.get("deployment") or {}
    lost, kept = [], found.get("resources") or []
    subscription = next(
        (one["id"].split("/")[2] for one in kept if str(one.get("id")).startswith("/subscriptions/")), ""
    )
    for one in _pending(found):
        request = table.request(one["type"], one["inputs"], subscription=subscription or _only_subscription(arm))
        version = {"api-version": table.api_version(request.id)}
        there = arm.get(request.path, version)
        lost.append(Left(one["urn"].rpartition("::")[2], request.id, there is not None))
        if there is not None:
            outputs = {name: value for name, value in table.outputs(one["type"], there).items() if name != "id"}
            kept.append({**one, "id": request.id, "outputs": outputs, "initErrors": ["the update was killed"]})
    if found.get("pending_operations"):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "state.json")
            file.touch(0o600)
            file.write_text(
                json.dumps({**exported, "deployment": {**found, "resources": kept, "pending_operations": []}})
            )
            engine.run("stack", "import", "--file", str(file))
    return tuple(lost)


def _exported(engine: Engine) -> dict[str, Any]:
    said = engine.run("stack", "export").stdout
    return dict(json.loads(said[said.index("{") : said.rindex("}") + 1]))


def _pending(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources that were being made; what was being changed or deleted is in the state, and asked for again."""
    for operation in found.get("pending_operations") or ():
        if operation["type"] == "creating" and operation["resource"]["type"] in table.RESOURCES:
            yield operation["resource"]


def _only_subscription(arm: Arm) -> str:
    """Where nothing is in the state yet."""
    from infra.functions import Functions

    return Functions(arm).subscription

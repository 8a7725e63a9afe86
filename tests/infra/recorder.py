"""Evaluates the program with nothing behind it: what it would send is written down, and given back as if it were there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra import stackfile
from infra.inprocess import Engine
from infra.table import Request

SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"


class Recorder:
    """Has the methods of ``infra.arm.Arm`` that the engine calls."""

    def __init__(self) -> None:
        self.sent: list[Request] = []

    def claims(self) -> dict[str, str]:
        return {"tid": "11111111-1111-1111-1111-111111111111", "oid": "object", "appid": "application"}

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        return {"value": [{"subscriptionId": SUBSCRIPTION}]} if path == "/subscriptions" else None

    def put(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        self.sent.append(Request(path, path, query, body))
        computed = {"principalId": "33333333-3333-3333-3333-333333333333"}
        properties = {**body.get("properties", {}), **computed}
        return {**body, "id": path, "name": path.rpartition("/")[2], "properties": properties}

    def post(self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        assert path.endswith("/listKeys")
        return {"keys": [{"keyName": "key1", "value": "a2V5"}]}


def evaluate(stack: str = "local", **config: str) -> tuple[list[Request], dict[str, str]]:
    """What the stack's program sends, and what it exports. ``config`` has keys of the project, without its name."""
    project, values = stackfile.read(stack)
    recorder = Recorder()
    values.update({f"{project}:{key}": value for key, value in config.items()})
    engine = Engine(recorder, values)  # type: ignore[arg-type]
    return recorder.sent, engine.evaluate(project, stack)

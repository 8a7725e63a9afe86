"""The program evaluated with nothing behind it, neither engine nor Azure: what it declares, would send, and exports."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime import rpc

from infra import stackfile
from infra.inprocess import Engine, revealed
from infra.outcome import NOTHING
from infra.table import Request

SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"  # where the stack's file names none


@dataclass(frozen=True)
class Declared:
    """A resource as the program says it is: ``type`` is Pulumi's token, ``inputs`` the SDK's arguments, ``uses`` the names of
    the resources whose outputs each of them is made of."""

    type: str
    name: str
    id: str
    inputs: Mapping[str, Any]
    protect: bool
    uses: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Evaluation:
    declared: tuple[Declared, ...]
    sent: tuple[Request, ...]
    outputs: Mapping[str, str]


def evaluate(stack: str, config: Mapping[str, str] = NOTHING) -> Evaluation:
    """``config``: values by full key that count more than the stack's file. Raises ``ConfigError`` before anything else."""
    project, values = stackfile.read(stack)
    behind = _Nothing()
    engine = _Engine(behind, {**values, **config})
    outputs = engine.evaluate(project, stack)
    return Evaluation(tuple(engine.found), tuple(behind.sent), outputs)


class _Engine(Engine):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.found: list[Declared] = []

    def declared(self, request: Any, id: str) -> None:
        uses = {
            key: tuple(urn.rpartition("::")[2] for urn in value.urns)
            for key, value in request.propertyDependencies.items()
        }
        inputs = revealed(rpc.deserialize_properties(request.object))
        self.found.append(Declared(request.type, request.name, id, inputs, request.protect, uses))


class _Nothing:
    """Has the methods of ``infra.arm.Arm`` that the engine calls; what is sent is given back as if it were there."""

    def __init__(self) -> None:
        self.sent: list[Request] = []

    def claims(self) -> dict[str, str]:
        return {"tid": "11111111-1111-1111-1111-111111111111", "oid": "object", "appid": "application"}

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        return {"value": [{"subscriptionId": SUBSCRIPTION}]} if path == "/subscriptions" else None

    def put(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        self.sent.append(Request(path, path, query, body))
        computed = {"principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, path))}
        properties = {**body.get("properties", {}), **computed}
        return {**body, "id": path, "name": path.rpartition("/")[2], "properties": properties}

    def post(self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        assert path.endswith("/listKeys"), f"The program asks for no other function than a key's: {path}"
        return {"keys": [{"keyName": "key1", "value": "a2V5"}]}

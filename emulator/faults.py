"""Failures on demand: what happens to clients of Azure on a bad day, switched on by the emulator's own controls.

    conflict          a write is answered 409: another operation is at work on the resource
    throttle          a request is answered 429, with Retry-After
    error             a request is answered 500
    forbidden         a request is answered 403: who asks has no role for it
    operation-fails   a long operation is accepted, and ends Failed; the resource is there, and its provisioningState says so
    stuck-delete      a deletion is accepted, and does not end while the fault is there
    role-delay        a role assignment counts only once it is so many seconds old, the local principal's too, which may do
                      everything otherwise; for resources whose id has ``path`` in it, until it is taken back

A fault is for requests to Resource Manager whose path has ``path`` in it, ``times`` of them (0: until it is taken back), or so many
for each path, with ``each``. They are in memory alone: an emulator that starts has none.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import AzureError, bad_request, conflict, invalid_content
from emulator.gateway.hosts import CONTROLS
from emulator.http import Call, Reply
from emulator.routes import Route

ANSWERED = ("conflict", "throttle", "error", "forbidden")  # in place of the answer
FAULTS = (*ANSWERED, "operation-fails", "stuck-delete", "role-delay")
WRITES = ("PUT", "PATCH", "POST", "DELETE")


@dataclass
class Fault:
    """``seconds``: of Retry-After, or of a role's delay; ``met``: the requests that it was for so far."""

    id: int
    kind: str
    path: str = ""
    methods: tuple[str, ...] = ()
    times: int = 1
    seconds: int = 1
    each: bool = False
    met: int = 0
    _paths: Counter[str] = field(default_factory=Counter)

    def meets(self, path: str) -> bool:
        """Whether it still is for this path; then it is one that it met."""
        key = path.lower() if self.each else ""
        if self.times and self._paths[key] >= self.times:
            return False
        self._paths[key] += 1
        self.met += 1
        return True

    def shown(self) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**told, "methods": list(self.methods)}


@dataclass
class Faults:
    _all: list[Fault] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def role_delay(self, scope: str) -> float:
        """How old an assignment must be, in seconds, to count at ``scope``, a resource's id."""
        delays = (fault for fault in self._all if fault.kind == "role-delay" and fault.path.lower() in scope.lower())
        return max((fault.seconds for fault in delays), default=0)

    def answer(self, method: str, path: str) -> None:
        """Raises the error that a fault has for this request."""
        for kind in ANSWERED if self._all else ():
            fault = self._meet(kind, method, path)
            if fault is not None:
                raise _error(fault, path)

    def strikes(self, kind: str, method: str, path: str) -> bool:
        """Whether there is such a fault for this request, which counts as one that it met."""
        return bool(self._all) and self._meet(kind, method, path) is not None

    def holds(self, kind: str, path: str) -> bool:
        """Whether there is such a fault for what was once asked for; nothing is counted."""
        return any(fault.kind == kind and fault.path.lower() in path.lower() for fault in self._all)

    def _meet(self, kind: str, method: str, path: str) -> Fault | None:
        for fault in self._all:
            if fault.kind != kind or method not in fault.methods or fault.path.lower() not in path.lower():
                continue
            if fault.meets(path):
                return fault
        return None

    def add(self, kind: str, path: str, methods: tuple[str, ...], times: int, seconds: int, each: bool) -> Fault:
        fault = Fault(next(self._ids), kind, path, methods, times, seconds, each)
        self._all.append(fault)
        return fault

    def remove(self, id: int | None = None) -> None:
        self._all = [fault for fault in self._all if id is not None and fault.id != id]

    def __iter__(self) -> Any:
        return iter(self._all)


def _error(fault: Fault, path: str) -> AzureError:
    retry = {"Retry-After": str(fault.seconds)}
    if fault.kind == "throttle":
        # https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling#error-code
        return AzureError(
            429,
            "TooManyRequests",
            f"The request is being throttled as the limit has been reached for operation type. Please try after "
            f"'{fault.seconds}' seconds.",
            headers=retry,
        )
    if fault.kind == "conflict":
        # https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
        failure = conflict(
            "AnotherOperationInProgress",
            f"Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {path}.",
        )
        failure.headers |= retry
        return failure
    if fault.kind == "forbidden":
        # https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-authorization-failed
        return AzureError(
            403,
            "AuthorizationFailed",
            f"The client does not have authorization to perform this action over scope '{path}' or the scope is invalid. "
            "If access was recently granted, please refresh your credentials.",
        )
    return AzureError(500, "InternalServerError", "Encountered internal server error.")


async def list_all(call: Call) -> Reply:
    return Reply(body={"value": [fault.shown() for fault in call.cloud.faults]})


async def add(call: Call) -> Reply:
    from emulator.controls import guarded

    guarded(call)
    body = call.json()
    kind = body.get("kind")
    if kind not in FAULTS:
        raise bad_request("InvalidFault", f"'{kind}' is not a kind of fault: {', '.join(FAULTS)}.")
    numbers = {name: body.get(name, 1) for name in ("times", "seconds")}
    methods, path = body.get("methods") or _methods(kind), body.get("path", "")
    if not all(type(number) is int and number >= 0 for number in numbers.values()):
        raise invalid_content("'times' and 'seconds' of a fault are whole numbers, not below zero.")
    if not isinstance(path, str) or not isinstance(methods, list | tuple) or not set(methods) <= {"GET", *WRITES}:
        raise invalid_content(f"A fault has a 'path', a text, and 'methods', of GET, {', '.join(WRITES)}.")
    if type(each := body.get("each", False)) is not bool:
        raise invalid_content("'each' of a fault is true or false.")
    fault = call.cloud.faults.add(kind, path, tuple(methods), numbers["times"], numbers["seconds"], each)
    return Reply(201, fault.shown())


def _methods(kind: str) -> tuple[str, ...]:
    """Those that a kind is for, where none are named."""
    return {"conflict": WRITES, "operation-fails": ("PUT", "PATCH"), "stuck-delete": ("DELETE",)}.get(
        kind, ("GET", *WRITES)
    )


async def remove(call: Call) -> Reply:
    from emulator.controls import guarded

    guarded(call)
    id = call.option("id")
    if id is not None and not any(str(fault.id) == id for fault in call.cloud.faults):
        raise AzureError(404, "NotFound", f"There is no fault '{id}'.")
    call.cloud.faults.remove(None if id is None else int(id))
    return Reply(204)


ROUTES = (
    Route(CONTROLS, "GET", "/_emulator/faults", list_all),
    Route(CONTROLS, "POST", "/_emulator/faults", add),
    Route(CONTROLS, "DELETE", "/_emulator/faults", remove),
)

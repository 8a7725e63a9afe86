"""The program evaluated in this process: what stands in for Pulumi's engine and for the provider of azure-native.

Pulumi calls for each resource as soon as what it refers to is there, so independent ones are sent side by side:

    GET it -> not there                                                        PUT: created
              not as the program says, or not what the last apply sent         PUT: updated
              all that the program says                                        unchanged, nothing is sent
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import runpy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import config as given
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from infra import table
from infra.arm import Arm
from infra.errors import ApplyError
from infra.functions import CLIENT_CONFIG, Functions
from infra.naming import region
from infra.outcome import NOTHING, Done, explained

T = TypeVar("T")

SELDOM = ("network", "privatedns", "containerregistry", "consumption")  # what a stack on a laptop does without
SIDE_BY_SIDE = 8  # resources that are sent at one time


def _program() -> None:
    runpy.run_module("infra", run_name="__main__")


def preload() -> None:
    """Import what the program of the local stack imports, for who has time now and not later: the SDK's modules load when they are
    looked at, and the networks' alone take seconds."""
    for token in table.RESOURCES:
        _, module, name = token.split(":")
        if module not in SELDOM:
            getattr(import_module(f"pulumi_azure_native.{module}"), name)


class Engine(mocks.Mocks):
    """What stands in for Pulumi's engine and provider. ``new_resource`` and ``call`` are called from a pool of threads, each
    once what it needs is known. ``arm`` is an ``Arm``, or has what is used of it."""

    def __init__(
        self,
        arm: Arm,
        values: Mapping[str, str],
        report: Callable[[Done], None] = lambda done: None,
        before: Mapping[str, str] = NOTHING,
    ) -> None:
        self.values = values
        self.done: list[Done] = []
        self.failure: Exception | None = None
        self.asked = (
            False  # whether the program called a function of Azure's, whose answer the outcome then follows from
        )
        self._arm = arm
        self._report = report
        self._before = {id.lower(): digest for id, digest in before.items()}
        self._lock = threading.Lock()
        self._functions = Functions(arm, values.get("azure-native:subscriptionId"))

    def evaluate(self, project: str, stack: str) -> dict[str, str]:
        """Run the program to its end and return what it exports."""
        loops: list[asyncio.AbstractEventLoop] = []

        def begin() -> None:  # Pulumi gives a thread that has no loop one of its own, and never closes it
            loops.append(asyncio.new_event_loop())
            asyncio.set_event_loop(loops[-1])

        async def run() -> dict[str, str]:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(SIDE_BY_SIDE, "apply", initializer=begin))
            # What waited for the resource that failed fails too, and nobody looks at it: the first failure is raised below.
            loop.set_exception_handler(lambda loop, context: None)
            return await self._run(project, stack)

        try:
            return asyncio.run(run())
        finally:
            for loop in loops:
                loop.close()
            SETTINGS.rpc_manager.clear()  # Pulumi's, of the process: a run that failed leaves its own behind
            SETTINGS.outputs.clear()

    async def _run(self, project: str, stack: str) -> dict[str, str]:
        silent = logging.Logger("pulumi")  # what the runtime would tell an engine is raised here instead
        silent.addHandler(logging.NullHandler())
        mocks.set_mocks(self, project, stack, preview=False, logger=silent, monitor=_Monitor(self))
        given.set_all_config(dict(self.values))
        try:
            await run_pulumi_func(_program)
            root = get_root_resource()
            assert isinstance(root, Stack), "Pulumi makes the root stack before the program runs."
            outputs: dict[str, Any] = await pulumi.Output.all(**root.outputs).future() or {}
        except Exception as error:
            if self.failure is None:
                raise
            # The first failure is the cause; what Pulumi raises after it says only that something waited for it.
            raise self.failure from error
        return {name: str(value) for name, value in outputs.items()}

    def declared(self, request: Any, id: str) -> None:
        """Called for each resource of Azure's once it is made, with all that the program says of it."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:  # a component, or the stack: nothing of Azure's
            return "", {}
        return self._guarded(lambda: self._put(args.name, args.typ, revealed(args.inputs)), f"{args.name} ({args.typ})")

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]  # Pulumi takes either shape
        self.asked = self.asked or args.token != CLIENT_CONFIG
        return self._guarded(lambda: self._functions.call(args.token, args.args), args.token)

    def _guarded(self, work: Callable[[], T], what: str) -> T:
        if self.failure is not None:
            raise ApplyError(f"{what}: not begun, something before it failed")
        try:
            return work()
        except Exception as error:
            failure = explained(error, what)
            with self._lock:
                self.failure = self.failure or failure
            raise failure from error

    def _put(self, name: str, token: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        started = time.monotonic()
        wanted = table.request(token, inputs, subscription=self._functions.subscription)
        kind = table.resource_type(token)
        found = self._arm.get(wanted.path, {"api-version": kind.api_version})
        digest = hashlib.sha256(json.dumps(wanted.body, sort_keys=True).encode()).hexdigest()
        differing = () if found is None else tuple(differences(wanted.body, found))
        same = self._before.get(wanted.id.lower())
        if same == digest:  # secrets, which Azure does not give back, are as they were sent
            differing = tuple(path for path in differing if not path.startswith(kind.secrets))
        if found is not None and (found.get("properties") or {}).get("provisioningState") in ("Failed", "Canceled"):
            differing = (*differing, "properties.provisioningState")
        change = "unchanged"
        if found is None or differing or same not in (None, digest):
            change = "created" if found is None else "updated"
            found = self._arm.put(wanted.path, wanted.query, wanted.body)
        done = Done(name, kind.type, wanted.id, change, time.monotonic() - started, differing, digest)
        with self._lock:
            self.done.append(done)
            self._report(done)
        return wanted.id, table.outputs(token, found)


class _Monitor(mocks.MockMonitor):
    """Pulumi's own tells its mocks neither the options of a resource nor what its properties are made of."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._engine = engine

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.custom:
            self._engine.declared(request, answer.id)
        return answer


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """The paths at which ``found`` does not say what ``wanted`` says. What only ``found`` has is Azure's own to say.

    Text is compared without case, as ARM compares ids, regions and the words of enumerations, and answers them in a case of its
    own; a change of nothing but case is seen by the digest of what was sent.
    """
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        keys = {key.lower(): key for key in found}
        for key, value in wanted.items():
            there = found.get(keys.get(key.lower(), key))
            yield from differences(value, there, f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, pair in enumerate(zip(wanted, found, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif isinstance(wanted, str) and isinstance(found, str):
        same = wanted.lower() == found.lower() or (path == "location" and region(wanted) == region(found))
        yield from () if same else (path,)
    elif wanted != found:
        yield path


def revealed(value: Any) -> Any:
    """Inputs without the marks that Pulumi puts on secrets."""
    if rpc.is_rpc_secret(value):
        return revealed(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    return [revealed(item) for item in value] if isinstance(value, list) else value

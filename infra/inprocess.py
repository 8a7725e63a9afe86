"""Apply a stack without an engine: the program is evaluated in this process, and each of its resources becomes an ARM request.

    for every resource, as soon as what it refers to is there, independent ones side by side:
        GET it -> not there                                                        PUT: created
                  not as the program says, or not what the last apply sent         PUT: updated
                  all that the program says                                        unchanged, nothing is sent
    what an earlier apply made and the program no longer has: named, and deleted only when asked to

Only ever against the emulator: ``emulator_behind`` finds out who would answer for Azure's hosts, and anything else is refused.
Against Azure a stack is applied by ``pulumi up``, which knows what it did before and shows what it will do.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import runpy
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

import pulumi
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import EnvironmentCredential
from pulumi.runtime import config as given
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from infra import stackfile, table
from infra.arm import ENDPOINT, Arm, ArmError
from infra.emulated import emulator_behind

T = TypeVar("T")
NOTHING: Mapping[str, str] = {}

SUBSCRIPTIONS = "2022-12-01"  # https://learn.microsoft.com/rest/api/resources/subscriptions/list
SIDE_BY_SIDE = 8  # resources that are sent at one time
CLIENT_CONFIG = "azure-native:authorization:getClientConfig"

NEXT = {
    "StorageAccountAlreadyTaken": "the name belongs to somebody else's account: set aml:suffix in the stack's file",
    "VaultAlreadyExists": "the name is taken, perhaps by a vault in soft-delete: set aml:suffix, or purge that vault",
    "AuthorizationFailed": "the credential may not do this: it needs Contributor, and Role Based Access Control Administrator",
    "NotImplemented": "the emulator does not do this yet: take the resource out of the stack, or apply it to Azure",
    "InvalidResourceLocation": "it exists in another region: delete it, or set azure-native:location back",
}


class ApplyError(Exception):
    """A stack could not be applied; what was sent before stays, and the next apply goes on from there. ``next`` is what to do."""

    def __init__(self, message: str, next: str | None = None) -> None:
        super().__init__(message)
        self.next = next


@dataclass(frozen=True)
class Done:
    """What became of one resource. ``name`` is the program's own; ``change`` is ``created``, ``updated`` or ``unchanged``;
    ``differing`` are the paths at which an updated one was found to be otherwise; ``digest`` is that of what the program says.
    """

    name: str
    type: str
    id: str
    change: str
    seconds: float
    differing: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Applied:
    """``left`` are ids that an earlier apply made and the program no longer has; ``deleted`` those of them that are gone now."""

    outputs: Mapping[str, str]
    resources: tuple[Done, ...]
    left: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def made(self) -> dict[str, str]:
        """What the next apply is given as ``before``: ids, and digests of what was sent."""
        return {**{done.id: done.digest for done in self.resources}, **dict.fromkeys(self.left, "")}


def apply(
    stack: str,
    *,
    before: Mapping[str, str] = NOTHING,
    prune: bool = False,
    config: Mapping[str, str] = NOTHING,
    report: Callable[[Done], None] = lambda done: None,
) -> Applied:
    """Bring the emulator that this process's environment leads to into the state that the program describes.

    ``before``: what the last apply ``made``. ``prune``: delete those that the program no longer has. ``config``: values by full
    key that count more than the stack's file. ``report`` is called from other threads, one
    at a time.
    Raises ``ConfigError``, ``NotTheEmulator`` or ``ApplyError``.
    """
    project, values = stackfile.read(stack)
    emulator_behind(ENDPOINT)
    with Arm(EnvironmentCredential()) as arm:
        engine = Engine(arm, {**values, **config}, report, before)
        outputs = engine.evaluate(project, stack)
        done = tuple(engine.done)
        made = {resource.id.lower() for resource in done}
        left = [id for id in before if id.lower() not in made]
        deleted = list(_delete(arm, left)) if prune else []
    return Applied(outputs, done, tuple(id for id in left if id not in deleted), tuple(deleted))


def _program() -> None:
    runpy.run_module("infra", run_name="__main__")


def preload() -> None:
    """Import what the program imports, for who has time now and not later: the SDK's modules load when they are looked at."""
    for token in table.RESOURCES:
        _, module, name = token.split(":")
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
        self._arm = arm
        self._report = report
        self._before = {id.lower(): digest for id, digest in before.items()}
        self._lock = threading.Lock()
        self._client: dict[str, str] | None = None

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
        mocks.set_mocks(self, project, stack, preview=False, logger=silent)
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

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:  # a component, or the stack: nothing of Azure's
            return "", {}
        return self._guarded(
            lambda: self._put(args.name, args.typ, _revealed(args.inputs)), f"{args.name} ({args.typ})"
        )

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]  # Pulumi takes either shape
        if args.token == CLIENT_CONFIG:
            return self._guarded(lambda: dict(self._who()), args.token)
        return self._guarded(lambda: self._call(args.token, args.args), args.token)

    def _guarded(self, work: Callable[[], T], what: str) -> T:
        if self.failure is not None:
            raise ApplyError(f"{what}: not begun, something before it failed")
        try:
            return work()
        except Exception as error:
            failure = _explained(error, what)
            with self._lock:
                self.failure = self.failure or failure
            raise failure from error

    def _put(self, name: str, token: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        started = time.monotonic()
        wanted = table.request(token, inputs, subscription=self._who()["subscriptionId"])
        kind = table.resource_type(token)
        found = self._arm.get(wanted.path, {"api-version": kind.api_version})
        digest = hashlib.sha256(json.dumps(wanted.body, sort_keys=True).encode()).hexdigest()
        differing = () if found is None else tuple(differences(wanted.body, found))
        same = self._before.get(wanted.id.lower())
        if same == digest:  # secrets, which Azure does not give back, are as they were sent
            differing = tuple(path for path in differing if not path.startswith(kind.secrets))
        change = "unchanged"
        if found is None or differing or same not in (None, "", digest):
            change = "created" if found is None else "updated"
            found = self._arm.put(wanted.path, wanted.query, wanted.body)
        done = Done(name, kind.type, wanted.id, change, time.monotonic() - started, differing, digest)
        with self._lock:
            self.done.append(done)
            self._report(done)
        return wanted.id, table.outputs(token, found)

    def _call(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        path, version = table.function(token, args, subscription=self._who()["subscriptionId"])
        return self._arm.post(path, {"api-version": version})

    def _who(self) -> dict[str, str]:
        """Who applies, and in which subscription: the stack's ``azure-native:subscriptionId``, else the only one there is."""
        with self._lock:
            if self._client is None:
                claims = self._arm.claims()
                self._client = {
                    "clientId": claims.get("appid", ""),
                    "objectId": claims.get("oid", ""),
                    "tenantId": claims.get("tid", ""),
                    "subscriptionId": self.values.get("azure-native:subscriptionId") or self._subscription(),
                }
            return self._client

    def _subscription(self) -> str:
        answer = self._arm.get("/subscriptions", {"api-version": SUBSCRIPTIONS}) or {}
        found = [item["subscriptionId"] for item in answer.get("value", [])]
        if len(found) != 1:
            there = ", ".join(found) or "none"
            raise ApplyError(
                f"Which subscription? The credential sees {there}.",
                "set azure-native:subscriptionId in the stack's file",
            )
        return str(found[0])


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
        same = wanted.lower() == found.lower() or (path == "location" and _region(wanted) == _region(found))
        yield from () if same else (path,)
    elif wanted != found:
        yield path


def _region(text: str) -> str:
    """``West Europe`` is ``westeurope``."""
    return text.lower().replace(" ", "")


def _revealed(value: Any) -> Any:
    """Inputs without the marks that Pulumi puts on secrets."""
    if rpc.is_rpc_secret(value):
        return _revealed(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list) else value


def _delete(arm: Arm, ids: Sequence[str]) -> Iterator[str]:
    """Children before their parents: an id that is longer lies deeper."""
    for id in sorted(ids, key=len, reverse=True):
        try:
            arm.delete(id, {"api-version": table.api_version(id)})
        except (ArmError, AzureError) as error:
            raise _explained(error, f"deleting {id}") from error
        yield id


def _explained(error: Exception, what: str) -> Exception:
    if isinstance(error, ArmError):
        where = f", property {error.property}" if error.property and error.status != 501 else ""
        said = f"{what}{where}: Azure answered {error.status or ''} {error.code}: {error.message}"
        return ApplyError(said, NEXT.get(error.code))
    if isinstance(error, ClientAuthenticationError):
        return ApplyError(
            f"{what}: the credential in AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET is not taken: {error.message}"
        )
    if isinstance(error, AzureError):
        return ApplyError(f"{what}: no answer: {error.message}")
    return error

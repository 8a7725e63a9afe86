"""The engine's protocol: gRPC in, plain values to ``resources`` and back.

The engine is told that this provider knows no secrets: it then sends their plain values, and itself marks what comes back under
the same names. Unknown values come as ``UNKNOWN``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from importlib.metadata import version
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from infra.errors import StackError
from infra.outcome import explained
from infra.provider.resources import Halfway, Resources, foreseen

VERSION = version("pulumi-azure-native")
SIDE_BY_SIDE = 32
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CONFIG = "azure-native:config:"


def serve() -> None:
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine's way to end it
    server = grpc.server(ThreadPoolExecutor(SIDE_BY_SIDE), options=UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while os.getppid() == parent:  # an engine that is killed ends nobody
        server.wait_for_termination(1)


def _told(method: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """What is raised becomes the engine's error: the cause, and what to do about it."""

    @wraps(method)
    def answer(self: Service, request: Any, context: Any) -> Any:
        try:
            return method(self, request, context)
        except Halfway as error:
            _abort_halfway(context, error)
        except Exception as error:
            what = next((said for said in (getattr(request, name, "") for name in ("id", "type", "tok")) if said), "")
            context.abort(grpc.StatusCode.UNKNOWN, _words(error, what))

    return answer


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """One for the life of the process; called from many threads."""

    def __init__(self) -> None:
        self._resources: Resources | None = None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        """Only the SDK's code is made from a schema."""
        return provider_pb2.GetSchemaResponse(schema='{"name": "azure-native"}')

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    @_told
    def Configure(self, request: Any, context: Any) -> Any:
        values = {name.removeprefix(CONFIG): value for name, value in request.variables.items()}
        self._resources = Resources.against_the_emulator(values.get("subscriptionId"), values.get("location"))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_told
    def Invoke(self, request: Any, context: Any) -> Any:
        answer = self._configured.functions.call(request.tok, _plain(request.args))
        return provider_pb2.InvokeResponse(**{"return": _struct(answer)})

    @_told
    def Check(self, request: Any, context: Any) -> Any:
        name = request.urn.rpartition("::")[2]
        inputs, failures = self._configured.check(
            request.type, name, _plain(request.olds), _plain(request.news), request.randomSeed
        )
        said = [provider_pb2.CheckFailure(property=property, reason=reason) for property, reason in failures.items()]
        return provider_pb2.CheckResponse(inputs=_struct(inputs), failures=said)

    @_told
    def Diff(self, request: Any, context: Any) -> Any:
        plan = self._configured.diff(request.type, _plain(request.old_inputs), _plain(request.news))
        some = provider_pb2.DiffResponse.DIFF_SOME if plan.changes else provider_pb2.DiffResponse.DIFF_NONE
        detail = {
            change.path: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(
                    f"{change.kind}_REPLACE" if change.path in plan.replaces else change.kind
                ),
                inputDiff=True,
            )
            for change in plan.changes
        }
        return provider_pb2.DiffResponse(
            changes=some,
            diffs=[change.path for change in plan.changes],
            replaces=plan.replaces,
            deleteBeforeReplace=plan.delete_first,
            detailedDiff=detail,
            hasDetailedDiff=True,
        )

    @_told
    def Create(self, request: Any, context: Any) -> Any:
        inputs = _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct(foreseen({}, inputs)))
        id, outputs = self._configured.create(request.type, request.urn, inputs)
        return provider_pb2.CreateResponse(id=id, properties=_struct(outputs))

    @_told
    def Read(self, request: Any, context: Any) -> Any:
        found = self._configured.read(request.type, request.id, _plain(request.inputs), _plain(request.properties))
        if found is None:
            return provider_pb2.ReadResponse()
        inputs, outputs = found
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(outputs), inputs=_struct(inputs))

    @_told
    def Update(self, request: Any, context: Any) -> Any:
        news = _plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_struct(foreseen(_plain(request.olds), news)))
        return provider_pb2.UpdateResponse(properties=_struct(self._configured.update(request.type, news)))

    @_told
    def Delete(self, request: Any, context: Any) -> Any:
        self._configured.delete(request.type, request.id)
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    @property
    def _configured(self) -> Resources:
        assert self._resources is not None, "The engine configures a provider before it asks for anything."
        return self._resources


def _plain(message: struct_pb2.Struct) -> dict[str, Any]:
    """Without members that are null, which say nothing."""
    return dict(_without_nulls(json_format.MessageToDict(message)))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _struct(value: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def _words(error: Exception, what: str) -> str:
    error = explained(error, what)
    if not isinstance(error, StackError):
        return f"{what}: {type(error).__name__}: {error}"
    return f"{error}\nnext: {error.next}" if error.next else str(error)


def _abort_halfway(context: Any, error: Halfway) -> NoReturn:
    """It is there, and not as it was asked for: the engine remembers it, and updates it the next time."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=_struct(error.outputs),
        inputs=_struct(error.inputs),
        reasons=[_words(error.cause, error.id)],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=_words(error.cause, error.id))
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, status.message)
    raise AssertionError("abort raises")

"""The one table: every room's routes, streams and resource types.

A room that answers something exports ``ROUTES`` (requests, answered by a handler), ``STREAMS`` (a whole host or a path below
it, answered as ASGI because it streams both ways) or ``KINDS`` (ARM resource types). A request that no row fits is one that is
not emulated, and says so.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from emulator.gateway.hosts import matches
from emulator.http import Handler

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.management.kinds import Kind

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_LIMIT = 4 * 1024 * 1024  # bytes: Resource Manager's own limit for a request

# In the order in which they are tried. A room is a module; its parts are found by their names in it.
ROOMS = (
    "emulator.identity.login",
    "emulator.controls",
    "emulator.faults",
    "emulator.management.clouds",
    "emulator.identity.managed_tokens",
    "emulator.management.subscriptions",
    "emulator.management.groups",
    "emulator.management.resources",
    "emulator.management.tagging",
    "emulator.management.operations",
    "emulator.management.deployments",
    "emulator.providers.authorization",
    "emulator.storage.accounts",
    "emulator.providers.vaults",
    "emulator.providers.secrets",
    "emulator.providers.monitoring",
    "emulator.providers.registries",
    "emulator.providers.managed_identities",
    "emulator.providers.networks",
    "emulator.providers.budgets",
    "emulator.machinelearning",
    "emulator.endpoints",
    "emulator.storage.blobs",
    "emulator.mlflow.tracking",
    "emulator.jobs.jobs",
    "emulator.history.runhistory",
    "emulator.studio",
    "emulator.management.arm",
)


@dataclass(frozen=True)
class Route:
    """``path`` is matched without case: ``{name}`` is one segment, ``{name:path}`` one or more. ``audience`` is what the
    caller's token must be for, one or several; ``None`` asks for no token. ``limit`` is the largest body, in bytes."""

    host: str
    method: str
    path: str
    handler: Handler
    audience: str | Sequence[str] | None = None
    limit: int = BODY_LIMIT

    @property
    def audiences(self) -> tuple[str, ...]:
        if self.audience is None:
            return ()
        return (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)


@dataclass(frozen=True)
class Stream:
    """``app(cloud, scope, receive, send)`` answers everything of ``host`` below ``path``, tokens included. With ``raw`` it
    also refuses malformed paths and queries itself, because its service has other words for them than Resource Manager.
    """

    host: str
    app: Callable[[Cloud, Scope, Receive, Send], Awaitable[None]]
    path: str = "/"
    raw: bool = False


@dataclass
class Table:
    routes: Sequence[Route] = ()
    streams: Sequence[Stream] = ()
    _rows: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for route in self.routes:
            self._rows.setdefault((route.host, route.method), []).append((pattern(route.path), route))
        self._patterns_of = lru_cache(1024)(self._find_patterns)

    def route(self, host: str, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        for name in self._patterns_of(host):
            for expression, route in self._rows.get((name, method), ()):
                found = expression.match(path)
                if found:
                    return route, found.groupdict()
        return None

    def stream(self, host: str, path: str) -> Stream | None:
        for stream in self.streams:
            if matches(host, stream.host) and path.startswith(stream.path):
                return stream
        return None

    def _find_patterns(self, host: str) -> tuple[str, ...]:
        return tuple({name: None for name, _ in self._rows if matches(host, name)})


@lru_cache(4096)
def pattern(path: str) -> re.Pattern[str]:
    """The expression for a route's path."""
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    expression = re.escape(parts[0])
    for name, many, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        expression += f"(?P<{name}>{'.+?' if many else '[^/]+'}){re.escape(text)}"
    return re.compile(f"{expression}/?\\Z", re.IGNORECASE)


def load() -> tuple[Table, tuple[Kind, ...]]:
    """The table of all rooms."""
    modules = [importlib.import_module(name) for name in ROOMS]
    return (
        Table(tuple(_all(modules, "ROUTES")), tuple(_all(modules, "STREAMS"))),
        tuple(_all(modules, "KINDS")),
    )


def _all(modules: Iterable[Any], name: str) -> Iterable[Any]:
    for module in modules:
        yield from getattr(module, name, ())

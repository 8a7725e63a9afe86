"""A resource type is a value: what ARM needs to know of it, and where it differs from the general case."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, bad_request
from emulator.http import Call, Handler
from emulator.management.ids import ResourceId
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud  # noqa: F401 - in the text of an alias, where flake8 does not look

VERBS = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE", "LIST"})


@dataclass(frozen=True)
class NameRule:
    """``pattern`` must match the whole name; ``message`` is Azure's sentence, with ``{name}`` where the name stands."""

    pattern: str
    message: str
    code: str = "InvalidResourceName"

    def check(self, name: str) -> None:
        if not re.fullmatch(self.pattern, name):
            raise bad_request(self.code, self.message.replace("{name}", name))


# What ARM asks of any name (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
ANY_NAME = NameRule(
    r"[^<>%&\\?/#:*\"\x00-\x1f]{0,259}[^<>%&\\?/#:*\"\x00-\x1f .]",
    "Resource name '{name}' is invalid. It must have 1 to 260 characters, none of them one of <>%&\\?/#:*\", "
    "and must not end with a period or a space.",
)
GUID_NAME = NameRule(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "The name '{name}' is not a GUID.", "InvalidResourceName"
)

Check = Callable[[Call, ResourceId, dict[str, Any], "Document | None"], Awaitable[dict[str, Any]]]
Created = Callable[[Call, Document, "Document | None"], Awaitable[None]]
Deleting = Callable[[Call, Document], Awaitable[None]]
Removed = Callable[[Call, Transaction, Document], None]
Render = Callable[["Cloud", Document], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """``type`` is spelt as Azure answers it: ``Microsoft.Storage/storageAccounts``."""

    type: str
    name: NameRule = ANY_NAME
    tracked: bool = False
    """Has location and tags, and is among the resources of its group and subscription."""
    extension: bool = False
    """Stands at any scope, a subscription or another resource too, and not in a group alone."""
    long: bool = False
    """PUT answers 201 with ``Azure-AsyncOperation``, DELETE 202 with ``Location``."""
    check: Check | None = None
    """Checks and normalises a body; returns what is stored."""
    created: Created | None = None
    """Runs after the commit, with the new document and the one it replaced."""
    deleting: Deleting | None = None
    """Runs before a document is removed; may refuse."""
    removed: Removed | None = None
    """Runs in the transaction that removes a document: what is left of it afterwards."""
    render: Render | None = None
    """Computed properties, merged over those that are stored."""
    actions: Mapping[str, Handler] = field(default_factory=dict)
    """``POST {id}/{action}``; ``call.params["id"]`` is the resource's id, which exists."""
    get: Handler | None = None
    put: Handler | None = None
    patch: Handler | None = None
    delete: Handler | None = None
    list: Handler | None = None
    verbs: frozenset[str] = VERBS
    companions: tuple[tuple[str, str], ...] = ()
    """Children that come into being with it, by their path below it and their type: ``("blobServices/default", …)``."""
    creates: int = 201
    """The status of a PUT that made something; some providers know only 200."""
    state: bool = True
    """Whether ``properties.provisioningState`` is part of the answer."""

    @property
    def namespace(self) -> str:
        return self.type.partition("/")[0]

    @property
    def relative(self) -> str:
        """The type below its namespace: ``workspaces/jobs``."""
        return self.type.partition("/")[2]


class Kinds:
    """The resource types there are, found without case."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.type.lower(): kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def get(self, type: str) -> Kind | None:
        return self._kinds.get(type.lower())

    def of(self, document: Document) -> Kind:
        kind = self._kinds.get(document.type)
        if kind is None:
            raise AzureError(404, "InvalidResourceType", f"The resource type '{document.type}' is not known.")
        return kind

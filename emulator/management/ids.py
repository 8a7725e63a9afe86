"""Resource ids: the one grammar that everything in ARM is named by. Knows nothing of any resource type.

``/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}[/{type}/{name}]*`` — ids are compared without case
and kept as first written (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.errors import bad_request


@dataclass(frozen=True)
class ResourceId:
    """``types`` and ``names`` are of one length; ``scope`` is what precedes ``/providers/``, without a slash at its end."""

    scope: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> ResourceId:
        """The id of a resource below a provider; raises ``InvalidResourceId`` (400) for anything else.

        The last ``/providers/`` counts, so that an extension resource (a role assignment) has its target as scope.
        """
        before, separator, after = text.rstrip("/").rpartition("/providers/")
        parts = after.split("/")
        if not separator or len(parts) < 3 or len(parts) % 2 == 0 or not all(parts):
            raise bad_request("InvalidResourceId", f"'{text}' is not the id of a resource.")
        return ResourceId(before, parts[0], tuple(parts[1::2]), tuple(parts[2::2]))

    @property
    def type(self) -> str:
        """``Microsoft.MachineLearningServices/workspaces/jobs``"""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def subscription(self) -> str:
        return self._after("subscriptions")

    @property
    def group(self) -> str:
        """The resource group's name, empty for a resource of a subscription."""
        return self._after("resourcegroups")

    @property
    def parent(self) -> ResourceId | None:
        """The resource that this one is a child of; ``None`` for a top-level resource."""
        if len(self.types) == 1:
            return None
        return ResourceId(self.scope, self.namespace, self.types[:-1], self.names[:-1])

    def child(self, type: str, name: str) -> ResourceId:
        return ResourceId(self.scope, self.namespace, (*self.types, type), (*self.names, name))

    def ancestor(self, depth: int) -> ResourceId:
        """The first ``depth`` levels: ``ancestor(1)`` of a model version is its workspace."""
        return ResourceId(self.scope, self.namespace, self.types[:depth], self.names[:depth])

    def _after(self, word: str) -> str:
        parts = self.scope.strip("/").split("/")
        for index in range(0, len(parts) - 1, 2):
            if parts[index].lower() == word:
                return parts[index + 1]
        return ""

    def __str__(self) -> str:
        pairs = "/".join(f"{type}/{name}" for type, name in zip(self.types, self.names, strict=True))
        return f"{self.scope}/providers/{self.namespace}/{pairs}"

"""What a program asks of Azure while it runs, beside its resources: who it is, an account's keys, a resource that is there.

The SDK's functions by their tokens; which are one POST is said by ``table.FUNCTIONS``, and each ``get…`` is the GET of the
resource of that name.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from infra import table
from infra.arm import Arm
from infra.errors import ApplyError

SUBSCRIPTIONS = "2022-12-01"  # https://learn.microsoft.com/rest/api/resources/subscriptions/list
CLIENT_CONFIG = "azure-native:authorization:getClientConfig"


class Functions:
    """``subscription`` is the one that was configured, if any. Called from many threads."""

    def __init__(self, arm: Arm, subscription: str | None = None) -> None:
        self._arm = arm
        self._configured = subscription
        self._lock = threading.Lock()
        self._client: dict[str, str] | None = None

    @property
    def subscription(self) -> str:
        return self.client()["subscriptionId"]

    def client(self) -> dict[str, str]:
        """Who asks, and in which subscription: the configured one, else the only one there is."""
        with self._lock:
            if self._client is None:
                claims = self._arm.claims()
                self._client = {
                    "clientId": claims.get("appid", ""),
                    "objectId": claims.get("oid", ""),
                    "tenantId": claims.get("tid", ""),
                    "subscriptionId": self._configured or self._only_subscription(),
                }
            return self._client

    def call(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What the function answers. Raises ``TableError`` for one that the table has not, ``ArmError``."""
        if token == CLIENT_CONFIG:
            return dict(self.client())
        resource = token.replace(":get", ":", 1)
        if resource in table.RESOURCES:
            wanted = table.request(resource, args, subscription=self.subscription)
            found = self._arm.get(wanted.path, wanted.query)
            if found is None:
                raise ApplyError(f"{token}: there is no {wanted.id}")
            return {"id": wanted.id, **table.outputs(resource, found)}
        path, version = table.function(token, args, subscription=self.subscription)
        return self._arm.post(path, {"api-version": version})

    def _only_subscription(self) -> str:
        answer = self._arm.get("/subscriptions", {"api-version": SUBSCRIPTIONS}) or {}
        found = [item["subscriptionId"] for item in answer.get("value", [])]
        if len(found) != 1:
            there = ", ".join(found) or "none"
            raise ApplyError(
                f"Which subscription? The credential sees {there}.",
                "set azure-native:subscriptionId in the stack's file",
            )
        return str(found[0])

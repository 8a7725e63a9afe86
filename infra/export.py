"""A stack as an ARM template: what outside scanners read.

https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
For reading, not for deploying: it is flat, with the resource group among the resources, and what only Azure knows (the object ids
of identities, an account's key) is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra import table
from infra.evaluation import evaluate
from infra.outcome import NOTHING
from infra.table import Request

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template(stack: str, config: Mapping[str, str] = NOTHING) -> dict[str, Any]:
    """``config``: values by full key that count more than the stack's file. Raises ``ConfigError``."""
    sent = sorted(evaluate(stack, config).sent, key=lambda request: request.id.lower())
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_resource(request) for request in sent],
    }


def _resource(request: Request) -> dict[str, Any]:
    """``name`` has the parents' names in front, and an extension of another resource has that one as ``scope``."""
    before, _, own = request.id.rpartition("/providers/")
    extended = before.rpartition("/providers/")[2] if "/providers/" in before else None
    names = own.split("/")[2::2] if before else [request.id.rpartition("/")[2]]
    return {
        "type": table.type_of(request.id),
        "apiVersion": request.query["api-version"],
        "name": "/".join(names),
        **({"scope": extended} if extended else {}),
        **request.body,
    }

"""What the tests of workspaces and of what is in them share."""

from __future__ import annotations

import uuid
from typing import Any


def bound_to(arm: Any, group: str) -> dict[str, str]:
    """The ids of a new storage account, vault and Application Insights, in ``group``."""
    suffix = uuid.uuid4().hex[:12]
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "storageAccount": (
            f"Microsoft.Storage/storageAccounts/s{suffix}",
            {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}},
        ),
        "keyVault": (
            f"Microsoft.KeyVault/vaults/v{suffix}",
            {"properties": {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}},
        ),
        "applicationInsights": (
            f"Microsoft.Insights/components/a{suffix}",
            {"kind": "web", "properties": {"Application_Type": "web"}},
        ),
    }
    found: dict[str, str] = {}
    for name, (path, body) in bodies.items():
        answer = arm.put(f"{group}/providers/{path}", {"location": "westeurope", **body})
        assert answer.status_code in (200, 201, 202), answer.text
        found[name] = f"{group}/providers/{path}"
    return found


TENANT = "00000000-0000-0000-0000-000000000000"


def workspace_id(client: Any) -> str:
    return (
        f"/subscriptions/{client.subscription_id}/resourceGroups/{client.resource_group_name}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{client.workspace_name}"
    )


def put_version(arm: Any, client: Any, plural: str, name: str, version: str, properties: dict[str, Any]) -> Any:
    """Register a version of an asset with a plain request."""
    return arm.put(f"{workspace_id(client)}/{plural}/{name}/versions/{version}", {"properties": properties})

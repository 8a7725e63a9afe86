"""Log Analytics workspaces and Application Insights components, as records: what is sent to them is refused by the gateway.

https://learn.microsoft.com/rest/api/loganalytics/workspaces,
https://learn.microsoft.com/rest/api/application-insights/components.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.http import Call, Reply
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

LOG_NAME = NameRule(
    r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Workspace name '{name}' is invalid. It must have 4 to 63 letters, digits or '-', and begin and end with a letter or digit.",
    "InvalidParameter",
)
COMPONENT_NAME = NameRule(
    r"[^%&\\?/]{0,254}[^%&\\?/ .]",
    "Component name '{name}' is invalid. It must have 1 to 255 characters, none of them one of %&\\?/, and must not end with a "
    "space or a period.",
)
LOG_SKUS = ("Free", "Standard", "Premium", "PerNode", "PerGB2018", "Standalone", "CapacityReservation", "LACluster")


async def _check_log(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    private = old.body["private"] if old else {"customerId": str(uuid.uuid4()), "keys": [_key(), _key()]}
    sku = bodies.choice(body, "properties.sku.name", LOG_SKUS, default="PerGB2018")
    days = bodies.between(body, "properties.retentionInDays", -1, 730, default=30)
    return {**bodies.with_properties(body, sku={"name": sku}, retentionInDays=days), "private": private}


def _render_log(cloud: Cloud, document: Document) -> dict[str, Any]:
    properties = document.body.get("properties", {})
    return {
        "properties": {
            "customerId": document.body["private"]["customerId"],
            "createdDate": envelope.timestamp(document.created),
            "modifiedDate": envelope.timestamp(document.changed),
            "features": {
                "enableLogAccessUsingOnlyResourcePermissions": True,
                "legacy": 0,
                **(properties.get("features") or {}),
            },
            "publicNetworkAccessForIngestion": properties.get("publicNetworkAccessForIngestion", "Enabled"),
            "publicNetworkAccessForQuery": properties.get("publicNetworkAccessForQuery", "Enabled"),
        }
    }


async def _shared_keys(call: Call) -> Reply:
    first, second = arm.get(call, call.params["id"]).body["private"]["keys"]
    return Reply(body={"primarySharedKey": first, "secondarySharedKey": second})


async def _check_component(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    bodies.need(body, "kind", str)
    application = bodies.need(body, "properties.Application_Type", str)
    workspace = bodies.get(body, "properties.WorkspaceResourceId", str)
    if workspace is not None:
        arm.get(call, workspace)
    private = old.body["private"] if old else {"appId": str(uuid.uuid4()), "instrumentationKey": str(uuid.uuid4())}
    mode = "LogAnalytics" if workspace else "ApplicationInsights"
    return {
        **bodies.with_properties(
            body,
            Application_Type=application,
            Flow_Type=bodies.get(body, "properties.Flow_Type", str) or "Bluefield",
            RetentionInDays=bodies.between(body, "properties.RetentionInDays", 30, 730, default=90),
            IngestionMode=bodies.get(body, "properties.IngestionMode", str) or mode,
        ),
        "private": private,
    }


def _render_component(cloud: Cloud, document: Document) -> dict[str, Any]:
    private, location = document.body["private"], document.body["location"]
    key, application = private["instrumentationKey"], private["appId"]
    return {
        "properties": {
            "AppId": application,
            "ApplicationId": document.name,
            "Name": document.name,
            "TenantId": cloud.identity.subscription,
            "CreationDate": envelope.timestamp(document.created),
            "InstrumentationKey": key,
            "ConnectionString": (
                f"InstrumentationKey={key};IngestionEndpoint=https://{location}-0.in.applicationinsights.azure.com/;"
                f"LiveEndpoint=https://{location}.livediagnostics.monitor.azure.com/;ApplicationId={application}"
            ),
        }
    }


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


KINDS = (
    Kind(
        "Microsoft.OperationalInsights/workspaces",
        LOG_NAME,
        tracked=True,
        check=_check_log,
        render=_render_log,
        actions={"sharedKeys": _shared_keys, "listKeys": _shared_keys},
    ),
    Kind(
        "Microsoft.Insights/components",
        COMPONENT_NAME,
        tracked=True,
        check=_check_component,
        render=_render_component,
        creates=200,
    ),
    Kind("Microsoft.Insights/diagnosticSettings", extension=True, state=False, creates=200),
)

"""Log Analytics, and the Application Insights that write into it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import applicationinsights, operationalinsights

from infra.place import Place


@dataclass(frozen=True)
class MonitoringArgs:
    place: Place
    log_analytics_name: str
    application_insights_name: str
    retention_days: int


class Monitoring(pulumi.ComponentResource):
    application_insights_id: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Monitoring", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        logs = operationalinsights.Workspace(
            f"{name}-logs",
            workspace_name=args.log_analytics_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=args.retention_days,
            opts=own,
        )
        insights = applicationinsights.Component(
            f"{name}-insights",
            resource_name_=args.application_insights_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            kind="web",
            application_type=applicationinsights.ApplicationType.WEB,
            workspace_resource_id=logs.id,
            opts=own,
        )
        self.application_insights_id = insights.id
        self.register_outputs({"applicationInsightsId": self.application_insights_id})

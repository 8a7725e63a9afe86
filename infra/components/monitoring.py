"""Log Analytics, the Application Insights that write into it, and what else reports there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import applicationinsights, monitor, operationalinsights

from infra.place import Place


@dataclass(frozen=True)
class MonitoringArgs:
    place: Place
    log_analytics_name: str
    application_insights_name: str
    retention_days: int


class Monitoring(pulumi.ComponentResource):
    log_analytics_id: pulumi.Output[str]
    application_insights_id: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Monitoring", name, None, opts)
        logs = operationalinsights.Workspace(
            f"{name}-logs",
            workspace_name=args.log_analytics_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=args.retention_days,
            opts=args.place.stateful(self),
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
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.log_analytics_id = logs.id
        self.application_insights_id = insights.id
        self.register_outputs(
            {"logAnalyticsId": self.log_analytics_id, "applicationInsightsId": self.application_insights_id}
        )


@dataclass(frozen=True)
class DiagnosticsArgs:
    """``sources`` are ids by what they are."""

    log_analytics_id: pulumi.Input[str]
    sources: Mapping[str, pulumi.Input[str]]


class Diagnostics(pulumi.ComponentResource):
    """Every log and metric of each source, in Log Analytics."""

    def __init__(self, name: str, args: DiagnosticsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Diagnostics", name, None, opts)
        for source, id in args.sources.items():
            monitor.DiagnosticSetting(
                f"{name}-{source}",
                name="to-log-analytics",
                resource_uri=id,
                workspace_id=args.log_analytics_id,
                logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
                metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})

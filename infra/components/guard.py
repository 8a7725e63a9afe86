"""What keeps a stack within its budget, and its state from being deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import pulumi
from pulumi_azure_native import authorization, consumption

from infra import config
from infra.place import child


@dataclass(frozen=True)
class BudgetArgs:
    group_id: pulumi.Input[str]
    budget_name: str
    budget: config.Budget


class Budget(pulumi.ComponentResource):
    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Budget", name, None, opts)
        budget = args.budget
        alerts = {f"actual-{percent}": self._alert("Actual", percent, budget) for percent in budget.alert_at}
        last = max(budget.alert_at)
        consumption.Budget(
            name,
            budget_name=args.budget_name,
            scope=args.group_id,
            amount=budget.monthly,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            # Azure takes the first of a month that is not over, for a budget that is made; from then on it stays.
            time_period=consumption.BudgetTimePeriodArgs(
                start_date=datetime.now(timezone.utc).strftime("%Y-%m-01T00:00:00Z")
            ),
            notifications={**alerts, f"forecast-{last}": self._alert("Forecasted", last, budget)},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )
        self.register_outputs({})

    def _alert(self, kind: str, percent: int, budget: config.Budget) -> consumption.NotificationArgs:
        return consumption.NotificationArgs(
            enabled=True,
            operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
            threshold=percent,
            threshold_type=consumption.ThresholdType(kind),
            contact_emails=list(budget.contacts),
        )


@dataclass(frozen=True)
class LocksArgs:
    """``targets`` are ids by what they are."""

    targets: Mapping[str, pulumi.Input[str]]


class Locks(pulumi.ComponentResource):
    """Nobody deletes these before the lock. Never on the group or the workspace: below a lock a cluster cannot shrink
    (https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources#considerations-before-applying-your-locks).
    """

    def __init__(self, name: str, args: LocksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Locks", name, None, opts)
        for target, id in args.targets.items():
            authorization.ManagementLockByScope(
                f"{name}-{target}",
                lock_name="stack",
                scope=id,
                level=authorization.LockLevel.CAN_NOT_DELETE,
                notes="Holds state: take the lock off before it is deleted",
                opts=child(self, opts),
            )
        self.register_outputs({})

"""Budgets, as records: nothing is spent here. https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from emulator import bodies
from emulator.errors import bad_request, conflict
from emulator.http import Call
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud

NAME = NameRule(
    r"[-\w]{1,63}",
    "The budget name '{name}' is invalid. It must have 1 to 63 letters, digits, '_' or '-'.",
    "400",
)
GRAINS = {"Monthly": 1, "Quarterly": 3, "Annually": 12}  # months
BILLING = ("BillingMonth", "BillingQuarter", "BillingAnnual")
OPERATORS = ("EqualTo", "GreaterThan", "GreaterThanOrEqualTo")
MOST_ALERTS = 5


async def _check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    sent = bodies.get(body, "eTag", str)
    if old is not None and sent is not None and sent.strip('"') != old.etag:
        raise conflict("409", f"The budget '{id.name}' was changed meanwhile: the eTag is not its latest.")
    bodies.need(body, "properties.category", str)
    category = bodies.choice(body, "properties.category", ("Cost",))
    bodies.need(body, "properties.timeGrain", str)
    grain = bodies.choice(body, "properties.timeGrain", (*GRAINS, *BILLING))
    amount = (body.get("properties") or {}).get("amount")
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or amount <= 0:
        raise bad_request("400", f"The amount of a budget must be a number above 0; it is {amount!r}.", target="amount")
    start = _first_of_month(bodies.need(body, "properties.timePeriod.startDate", str))
    if old is None:
        _check_start(start, GRAINS.get(grain or "", 12))
    alerts = bodies.get(body, "properties.notifications", dict) or {}
    if len(alerts) > MOST_ALERTS:
        raise bad_request("400", f"A budget has {MOST_ALERTS} notifications at most; here are {len(alerts)}.")
    for name, alert in alerts.items():
        _check_alert(name, alert)
    end = bodies.get(body, "properties.timePeriod.endDate", str) or f"{start.year + 10}-{start.month:02}-01T00:00:00Z"
    body = bodies.with_properties(body, category=category, timeGrain=grain)
    period = {"startDate": f"{start:%Y-%m-%d}T00:00:00Z", "endDate": end}
    return {**bodies.with_properties(body, timePeriod=period), "eTag": None}


def _first_of_month(text: str) -> datetime:
    found = re.match(r"(\d{4})-(\d{2})-01(T00:00(:00(\.0+)?)?(Z|\+00:00)?)?\Z", text)
    if found is None or not 1 <= int(found[2]) <= 12:
        raise bad_request(
            "400", f"The start date '{text}' of a budget must be the first of a month.", target="startDate"
        )
    return datetime(int(found[1]), int(found[2]), 1, tzinfo=timezone.utc)


def _check_start(start: datetime, months: int) -> None:
    """In the period that is now, or in the year to come."""
    now = datetime.now(timezone.utc)
    away = (start.year - now.year) * 12 + start.month - now.month
    if not -months < away <= 12:
        raise bad_request(
            "400", f"The start date {start:%Y-%m-%d} must be in the budget's current period, or at most a year away."
        )


def _check_alert(name: str, alert: Any) -> None:
    if not isinstance(alert, dict):
        raise bad_request("400", f"The notification '{name}' must be an object.")
    bodies.need(alert, "operator", str)
    bodies.choice(alert, "operator", OPERATORS)
    bodies.choice(alert, "thresholdType", ("Actual", "Forecasted"))
    threshold = alert.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 < threshold <= 1000:
        raise bad_request("400", f"The threshold of the notification '{name}' must be above 0 and at most 1000.")
    if not any(alert.get(whom) for whom in ("contactEmails", "contactRoles", "contactGroups")):
        raise bad_request("400", f"The notification '{name}' must have contactEmails, contactRoles or contactGroups.")


def _render(cloud: Cloud, document: Document) -> dict[str, Any]:
    return {"eTag": f'"{document.etag}"', "properties": {"currentSpend": {"amount": 0, "unit": "USD"}}}


KINDS = (
    Kind(
        "Microsoft.Consumption/budgets",
        NAME,
        extension=True,
        check=_check,
        render=_render,
        state=False,
        verbs=frozenset({"GET", "PUT", "DELETE", "LIST"}),
    ),
)

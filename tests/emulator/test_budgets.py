"""Budgets: records with rules."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

VERSION = "2024-08-01"
NOW = datetime.now(timezone.utc)
ALERT = {"enabled": True, "operator": "GreaterThan", "threshold": 80, "contactEmails": ["a@example.com"]}


def budget(**properties: Any) -> dict[str, Any]:
    start = {"timePeriod": {"startDate": f"{NOW:%Y-%m}-01T00:00:00Z"}}
    own = {"category": "Cost", "amount": 100, "timeGrain": "Monthly", "notifications": {"a": ALERT}}
    return {"properties": {**own, **start, **properties}}


def test_a_budget_is_made_changed_and_deleted(arm: Any, group: str) -> None:
    id = f"{group}/providers/Microsoft.Consumption/budgets/b"
    made = arm.put(id, budget(), version=VERSION)
    assert made.status_code == 201, made.text
    found = made.json()
    assert found["properties"]["currentSpend"]["amount"] == 0 and found["properties"]["timePeriod"]["endDate"]
    assert arm.put(id, {**budget(amount=200.5), "eTag": found["eTag"]}, version=VERSION).status_code == 200
    late = arm.put(id, {**budget(amount=300), "eTag": found["eTag"]}, version=VERSION)
    assert late.status_code == 409 and "not its latest" in late.json()["error"]["message"]
    everything = f"{group}/providers/Microsoft.Consumption/budgets"
    assert [one["properties"]["amount"] for one in arm.get(everything, version=VERSION).json()["value"]] == [200.5]
    assert arm.delete(id, version=VERSION).status_code == 200
    assert arm.get(id, version=VERSION).status_code == 404


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"amount": 0}, "must be a number above 0"),
        ({"amount": True}, "must be a number above 0"),
        ({"category": "Usage"}, "'Usage'"),
        ({"timeGrain": "Daily"}, "'Daily'"),
        ({"timePeriod": {"startDate": f"{NOW:%Y-%m}-02T00:00:00Z"}}, "must be the first of a month"),
        ({"timePeriod": {"startDate": f"{NOW.year - 1}-01-01T00:00:00Z"}}, "must be in the budget's current period"),
        ({"timePeriod": {}}, "startDate"),
        ({"notifications": {str(number): ALERT for number in range(6)}}, "5 notifications at most"),
        ({"notifications": {"a": {**ALERT, "threshold": 2000}}}, "threshold"),
        ({"notifications": {"a": {**ALERT, "contactEmails": []}}}, "must have contactEmails"),
    ],
)
def test_a_budget_against_the_rules(arm: Any, group: str, properties: dict[str, Any], said: str) -> None:
    answer = arm.put(f"{group}/providers/Microsoft.Consumption/budgets/b", budget(**properties), version=VERSION)
    assert answer.status_code == 400 and said in answer.json()["error"]["message"]

"""Resource groups, with plain requests."""

from __future__ import annotations

from typing import Any


def test_a_group_is_made_read_and_deleted(arm: Any, group: str) -> None:
    assert arm.get(group).json()["properties"] == {"provisioningState": "Succeeded"}
    deleting = arm.delete(group)
    assert deleting.status_code == 202
    answer = arm.get(deleting.headers["Location"], version=None)
    while answer.status_code == 202:
        answer = arm.get(deleting.headers["Location"], version=None)
    assert answer.status_code == 204
    gone = arm.get(group)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "ResourceGroupNotFound")


def test_no_token_no_group(arm: Any, group: str) -> None:
    answer = arm.get(group, headers={"Authorization": None})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"

"""What an apply that stopped is told with; plans themselves are made by the real engine, in ``tests/runner``."""

from __future__ import annotations

from infra.plan import stopped


def test_an_apply_that_stopped_says_why_once_and_what_the_provider_says_to_do() -> None:
    refused = "error: cannot create already existing resource 'x': it is not in this stack's state"
    said = ["Updating (dev):", refused, "next: delete it", "error: update failed", refused]
    told = stopped(said, "plan again")
    assert str(told).splitlines()[1:] == [f"  {refused}", "  error: update failed"] and told.next == "delete it"
    assert stopped(["error: 409"], "plan again").next == "plan again"

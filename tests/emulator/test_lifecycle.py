"""The table of a job's life: every way leads to an end, and from an end there is none."""

from __future__ import annotations

import pytest
from azure.ai.ml.operations._run_history_constants import JobStatus, RunHistoryConstants

from emulator.jobs.lifecycle import TERMINAL, TRANSITIONS, Event, Status, advance

PASSED_THROUGH = [status for status, moves in TRANSITIONS.items() if moves]


def test_the_way_of_a_job_that_goes_well() -> None:
    status, way = Status.NOT_STARTED, []
    for event in (Event.ACCEPTED, Event.PICKED_UP, Event.PREPARED, Event.PLACED, Event.EXITED, Event.STORED):
        following = advance(status, event)
        assert following is not None
        way.append(following.value)
        status = following
    assert way == ["Starting", "Preparing", "Queued", "Running", "Finalizing", "Completed"]


@pytest.mark.parametrize("status", [status for status in PASSED_THROUGH if status is not Status.NOT_STARTED])
def test_any_job_that_goes_on_can_break_and_can_be_canceled(status: Status) -> None:
    assert advance(status, Event.BROKE) is Status.FAILED
    asked = status if status is Status.CANCEL_REQUESTED else advance(status, Event.CANCEL_ASKED)
    assert asked is Status.CANCEL_REQUESTED and advance(asked, Event.STOPPED) is Status.CANCELED


def test_an_end_is_an_end_to_the_sdk_too() -> None:
    assert {status.value for status in TERMINAL} == {"Completed", "Failed", "Canceled"}
    assert {status.value for status in TERMINAL} < set(RunHistoryConstants.TERMINAL_STATUSES)
    assert all(advance(status, event) is None for status in TERMINAL for event in Event)


def test_the_statuses_are_those_that_the_sdk_knows() -> None:
    known = {value for name, value in vars(JobStatus).items() if name.isupper()}
    assert known <= {status.value for status in Status}

"""The poller, on a clock that the test moves; and how the time is told."""

import time
from itertools import islice

import pytest

from runner import talk
from runner.polling import Poller
from runner.progress import Progress, duration


class Moved:
    """A clock that goes forward only by what is waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        return sum(self.waits)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def test_it_looks_at_once_then_ever_more_seldom() -> None:
    clock = Moved()
    elapsed = list(islice(Poller(clock, first=1, growth=2, longest=5), 6))
    assert clock.waits == [1, 2, 4, 5, 5] and elapsed == [0, 1, 3, 7, 12, 17]


def test_what_moves_is_looked_at_often_again() -> None:
    clock = Moved()
    poller = Poller(clock, first=1, growth=2, longest=5)
    for turn, _ in enumerate(poller):
        if turn == 3:
            poller.hurry()
        if turn == 5:
            break
    assert clock.waits == [1, 2, 4, 1, 2]


def test_plain_lines_are_said_when_something_changed_and_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(live=False) as progress:
        for what, elapsed in [("Queued", 0), ("Queued", 9), ("Running", 10), ("Running", 50), ("Running", 75)]:
            progress.at(what, elapsed)
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == ["Queued · 0 s", "Running · 10 s", "Running · 1 min 15 s"]


def test_a_live_line_goes_to_stderr_and_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(live=True) as progress:
        progress.at("Queued", 0)
        progress.at("Running", 3)
    assert capsys.readouterr().out == ""


def test_the_live_line_has_a_clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with Progress(live=True) as progress:
        progress.at("checking", 2)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 70)
        assert progress.__rich__() == "checking · 1 min 12 s"


@pytest.mark.parametrize(("seconds", "said"), [(0.9, "0 s"), (59, "59 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_whoever_speaks_takes_the_live_line_away(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(live=True) as progress:
        progress.at("checking", 0)
        talk.say("note: this")
        assert Progress._shown is None
        progress.at("checking", 1)
    assert Progress._shown is None
    assert "note: this\n" in capsys.readouterr().err

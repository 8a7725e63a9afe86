"""What a rollback goes back to, and what stays: the order in which deployments have served."""

from __future__ import annotations

from runner.history import REMEMBERED, History


def published(*names: str) -> History:
    history = History()
    for name in names:
        history = history.then(name)
    return history


def test_a_rollback_goes_further_back_and_remembers_what_it_left() -> None:
    once = published("a", "b", "c").back("b")
    assert (once.served, once.before) == (("b", "c", "a"), ("a",))
    twice = once.back("a")
    assert (twice.served, twice.before) == (("a", "b", "c"), ())


def test_what_was_left_is_gone_forward_to_or_published_again() -> None:
    once = published("a", "b").back("a")
    for again in (once.back("b"), once.then("b")):
        assert (again.served, again.before) == (("b", "a"), ("a",))
    fixed = once.then("c")
    assert (fixed.served, fixed.before) == (
        ("c", "a", "b"),
        ("a",),
    ), "the fix goes back to the good one, not to the broken one"


def test_a_leap_back_leaves_all_that_served_since() -> None:
    leapt = published("a", "b", "c").back("a")
    assert (leapt.served, leapt.before) == (("a", "c", "b"), ())
    assert leapt.back("x").before == ("a",), "one that never served goes forward"


def test_only_so_many_are_remembered_and_nothing_need_serve() -> None:
    many = published(*(f"d{number}" for number in range(20))).back("d18")
    assert len(many.served) == REMEMBERED and many.left <= set(many.earlier)
    assert History(None, ("a",)).before == ("a",) and History().serving is None

"""The steps of a pipeline that runs: which wait for which, which will never run, which nested pipeline is done.

Pure: it is told of ends and says what follows. What a step's document says of it is in ``plan``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.jobs.lifecycle import TERMINAL, Status
from emulator.store import Document


@dataclass(eq=False)
class Step:
    """``facts`` are the plan's. ``waits`` has the names of the steps that must end before it can begin."""

    id: str
    name: str
    within: str
    nested: bool
    status: Status
    facts: Mapping[str, Any]
    waits: set[str] = field(default_factory=set)
    word: str = ""  # what it is, for ``reuse``

    @staticmethod
    def of(document: Document) -> Step:
        properties, facts = document.body["properties"], document.body["private"]["step"]
        nested = properties["jobType"] == "Pipeline"
        waits = {*facts["after"], *(maker for maker, _ in facts["bound"].values())}
        status = Status(properties["status"])
        return Step(
            document.id, document.name, properties["parentJobName"], nested, status, facts, set() if nested else waits
        )

    @property
    def path(self) -> str:
        return str(self.facts["path"])

    @property
    def closing(self) -> bool:
        """Whether it runs when all others have ended, however they did."""
        return bool(self.facts["last"])

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def can_begin(self) -> bool:
        return self.status is Status.NOT_STARTED and not self.waits


class Steps:
    """By name, in the order of the plan. ``lenient``: what is taken by optional inputs may be missing."""

    def __init__(self, steps: Iterable[Step], *, lenient: bool) -> None:
        self._steps = {step.name: step for step in steps}
        self._lenient = lenient
        self._followers: dict[str, list[Step]] = {}
        for step in self._steps.values():
            for maker in step.waits:
                self._followers.setdefault(maker, []).append(step)

    def __getitem__(self, name: str) -> Step:
        return self._steps[name]

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def leaves(self) -> Iterator[Step]:
        """The steps that run something."""
        return (step for step in self._steps.values() if not step.nested)

    @property
    def nested(self) -> list[Step]:
        """The nested pipelines, each before those that it stands in."""
        return [step for step in self._steps.values() if step.nested][::-1]

    def around(self, step: Step) -> list[Step]:
        """The nested pipelines that the step stands in, the innermost first."""
        found = []
        while step.within in self._steps:
            step = self._steps[step.within]
            found.append(step)
        return found

    def inside(self, nested: Step) -> list[Step]:
        return [step for step in self._steps.values() if step.within == nested.name]

    def following(self, begun: Step) -> Iterator[Step]:
        """All that waits for the step, near ones first: those that wait for it, those that wait for these …"""
        found = [begun]
        for step in found:
            new = [one for one in self._followers.get(step.name, ()) if one not in found]
            found.extend(new)
            yield from new

    def after(self, ended: Step) -> tuple[list[Step], list[Step]]:
        """What follows the end of a step: those that can begin now, and those that never will, with all that needs them."""
        ready: list[Step] = []
        never: list[Step] = []
        ends = [ended]
        for end in ends:
            for step in self._followers.get(end.name, ()):
                if step.status is not Status.NOT_STARTED:
                    continue
                step.waits.discard(end.name)
                if end.status is not Status.COMPLETED and not self._can_do_without(step, end):
                    step.status = Status.CANCELED
                    never.append(step)
                    ends.append(step)
                elif not step.waits:
                    ready.append(step)
        return [step for step in ready if step.can_begin], never

    def _can_do_without(self, step: Step, maker: Step) -> bool:
        """Whether all that it takes of the maker is optional."""
        taken = [name for name, (made, _) in step.facts["bound"].items() if made == maker.name]
        return self._lenient and bool(taken) and all(name in step.facts["optional"] for name in taken)

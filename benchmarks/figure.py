"""One measured figure, and how figures become the table in ``benchmarks/README.md``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Figure:
    """``measured`` and ``goal`` are in ``unit``; ``met`` is ``None`` where there is no goal; ``detail`` says what was compared."""

    name: str
    measured: float
    unit: str
    goal: str = ""
    met: bool | None = None
    detail: str = ""

    def row(self) -> str:
        verdict = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {self.name} | {self.measured:,.4g} {self.unit} | {self.goal} | {verdict} | {self.detail} |"


def seconds(action: Callable[[], object], runs: int = 5, warmup: int = 1) -> list[float]:
    """Wall-clock seconds of each of ``runs`` calls, after ``warmup`` calls that do not count."""
    for _ in range(warmup):
        action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def alternately(one: Callable[[], object], other: Callable[[], object], runs: int = 5) -> tuple[float, float, float]:
    """Both in turn, so that a machine whose speed drifts does not favour one: their medians, and the median of the ratios."""
    pairs = [(seconds(one, 1, 0)[0], seconds(other, 1, 0)[0]) for _ in range(runs)]
    return (
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
        statistics.median(first / second for first, second in pairs),
    )


def table(figures: Iterable[Figure]) -> str:
    head = "| figure | measured | goal | met | how |\n|---|---|---|---|---|\n"
    return head + "\n".join(figure.row() for figure in figures) + "\n"


def write(name: str, command: str, figures: Iterable[Figure], note: str) -> None:
    """Replace the section ``name`` of the README with this run's table."""
    begin, end = BEGIN.replace("figures", name), END.replace("figures", name)
    text = README.read_text()
    before, found, rest = text.partition(begin)
    if not found:
        raise ValueError(
            f"{README.name} has no section '{name}': add the lines {begin} and {end} where its table belongs"
        )
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n`{command}` — {note}\n\n{table(figures)}{end}{after}")

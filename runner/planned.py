"""A plan or a drift as people read it: a table for the terminal, Markdown for a pull request. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from infra.changes import Change
    from infra.plan import Plan

HEAD = ("change", "resource", "name", "property", "from", "to")
LONGEST = 80  # characters of a value
COLOURS = {"create": "green", "update": "yellow", "import": "cyan", "replace": "bold red", "delete": "bold red"}


def rows(changes: Iterable[Change]) -> list[tuple[str, ...]]:
    """A row for each property, and one for a change that has none; what is the same as in the row above is left empty."""
    found: list[tuple[str, ...]] = []
    for change in changes:
        first = (change.step, f"{change.name} ({change.kind.partition(':')[2]})", change.azure)
        for index, one in enumerate(change.properties):
            path = f"{one.path} (replaces)" if one.replaces else one.path
            found.append((*(first if index == 0 else ("", "", "")), path, _cut(one.old), _cut(one.new)))
        if not change.properties:
            found.append((*first, "", "", ""))
    return found


def table(changes: Iterable[Change], *, width: int | None = None, colours: bool = False) -> list[str]:
    """Lines as wide as their content, or as ``width``, in which case cells have several lines."""
    made = Table(*HEAD, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows(changes):
        made.add_row(*row, style=COLOURS.get(row[0]))
    out = io.StringIO()
    Console(file=out, width=width or 10_000, force_terminal=colours, markup=False, highlight=False).print(made)
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def markdown(plan: Plan) -> str:
    """For a pull request: what will be done, what is lost by it, and what was changed by hand before."""
    made = f"of commit `{plan.commit}`" if plan.commit else "outside of git"
    lines = [f"### Plan of stack `{plan.stack}`", "", f"{counted(plan.counts)}. Made {made}.", ""]
    if plan.allowed:
        lines += [f"**May be replaced or deleted:** {', '.join(f'`{name}`' for name in plan.allowed)}.", ""]
    lines += _markdown_table(rows(plan.changes)) if plan.changes else ["Nothing changes.", ""]
    if plan.drift:
        lines += ["#### Changed by hand since the last update", "", *_markdown_table(rows(plan.drift))]
    return "\n".join(lines)


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {step}" for step, count in counts.items()) or "nothing changes"


def _markdown_table(found: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|---|"]
    for row in found:
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        cells[3:] = [f"`{cell}`" if cell else "" for cell in cells[3:]]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

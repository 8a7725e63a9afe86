"""A picture of a pipeline: its graph as SVG, each step in the colour of how it ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from runner.graph import Graph
from runner.steps import WAITING, StepRun

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 180, 52, 60, 24, 16
BOW = 1.5 * HEIGHT
COLOURS = {
    "Completed": "#2da44e",
    "Failed": "#cf222e",
    "Canceled": "#bf8700",
    "Running": "#0969da",
    WAITING: "#8c959f",
}
OTHER = "#0969da"  # on its way: queued, preparing, finalizing


def svg(graph: Graph, runs: Mapping[str, StepRun], title: str) -> str:
    """Steps from left to right, each to the right of what it waits for."""
    levels = graph.levels()
    columns: dict[int, list[str]] = {}
    for name in graph.names:
        columns.setdefault(levels[name], []).append(name)
    tallest = max(map(len, columns.values()), default=1)
    at = {
        name: (EDGE + level * (WIDTH + ACROSS), EDGE + (row + (tallest - len(column)) / 2) * (HEIGHT + DOWN))
        for level, column in columns.items()
        for row, name in enumerate(column)
    }
    width = 2 * EDGE + max(len(columns), 1) * (WIDTH + ACROSS) - ACROSS
    far = {
        (before, step.name)
        for step in graph.steps
        for before in step.after
        if levels[step.name] - levels.get(before, 0) > 1
    }
    height = 2 * EDGE + tallest * (HEIGHT + DOWN) - DOWN + (HEIGHT if far else 0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        *(
            _edge(at[before], at[step.name], BOW if (before, step.name) in far else 0)
            for step in graph.steps
            for before in step.after
            if before in at
        ),
        *(_box(name, runs.get(name), *at[name]) for name in graph.names),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _edge(start: tuple[float, float], end: tuple[float, float], bow: float) -> str:
    """A curve; one that passes other steps goes below them."""
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    reach = (x2 - x1) / (8 if bow else 2)
    return (
        f'<path d="M{x1:g} {y1:g} C{x1 + reach:g} {y1 + bow:g} {x2 - reach:g} {y2 + bow:g} {x2:g} {y2:g}"'
        ' fill="none" stroke="#8c959f"/>'
    )


def _box(name: str, run: StepRun | None, x: float, y: float) -> str:
    status = run.status if run else WAITING
    colour = COLOURS.get(status, OTHER)
    shown = name if len(name) <= 22 else f"{name[:21]}…"
    words = run.words() if run else WAITING
    return (
        f'<g><title>{escape(name)}</title><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"'
        f' fill="#ffffff" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{x + 12:g}" y="{y + 22:g}" fill="#1f2328">{escape(shown)}</text>'
        f'<text x="{x + 12:g}" y="{y + 40:g}" fill="{colour}" font-size="11">{escape(words)}</text></g>'
    )

"""The run's pictures. Figures are made without pyplot, which would look for a display and take half a second more."""

from __future__ import annotations

from dataset import FEATURES, Table
from matplotlib.figure import Figure
from training import Result


def confusion_matrix(result: Result) -> Figure:
    """Actual against predicted species on the rows kept for testing."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(result.confusion, cmap="Blues", vmin=0)
    ticks = range(len(result.classes))
    axes.set_xticks(ticks, result.classes, rotation=30, ha="right")
    axes.set_yticks(ticks, result.classes)
    axes.set(xlabel="predicted", ylabel="actual", title=f"accuracy {result.metrics['accuracy']:.3f}")
    middle = result.confusion.max() / 2
    for row in ticks:
        for column in ticks:
            count = int(result.confusion[row, column])
            axes.text(column, row, str(count), ha="center", va="center", color="white" if count > middle else "black")
    figure.colorbar(image, ax=axes, shrink=0.8, label="rows")
    return figure


def features(table: Table) -> Figure:
    """How each length is distributed in each species, over the whole table."""
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    grid = figure.subplots(2, 2)
    for place, (axes, name) in enumerate(zip(grid.flat, FEATURES, strict=True)):
        values = [row[place] for row in table.features]
        span = (min(values), max(values))
        for species in table.classes:
            chosen = [value for value, label in zip(values, table.species, strict=True) if label == species]
            axes.hist(chosen, bins=20, range=span, alpha=0.6, label=species)
        axes.set(xlabel=f"{name.replace('_', ' ')} (cm)", ylabel="rows")
    grid.flat[0].legend()
    return figure

"""The pictures of an evaluation. Figures are made without pyplot, which would look for a display and take half a second more."""

from __future__ import annotations

from matplotlib.figure import Figure
from utils.evaluation import Evaluation


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """Actual against predicted classes."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(evaluation.confusion, cmap="Blues", vmin=0)
    ticks = range(len(evaluation.classes))
    axes.set_xticks(ticks, evaluation.classes, rotation=30, ha="right")
    axes.set_yticks(ticks, evaluation.classes)
    accuracy = evaluation.metrics()["accuracy"]
    axes.set(xlabel="predicted", ylabel="actual", title=f"{evaluation.rows} rows, accuracy {accuracy:.3f}")
    middle = evaluation.confusion.max() / 2
    for row in ticks:
        for column in ticks:
            count = int(evaluation.confusion[row, column])
            axes.text(column, row, str(count), ha="center", va="center", color="white" if count > middle else "black")
    figure.colorbar(image, ax=axes, shrink=0.8, label="rows")
    return figure


def roc(evaluation: Evaluation) -> Figure:
    """Each class against the others."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    curves = evaluation.roc()
    for place, (name, (wrong, right, area)) in enumerate(curves.items()):
        # Each thinner than the one before: curves that lie on each other are all seen.
        axes.plot(wrong, right, label=f"{name}, area {area:.3f}", linewidth=1.5 * (len(curves) - place))
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC, each class against the others")
    axes.set_aspect("equal")
    axes.margins(0.02)
    axes.legend(loc="lower right")
    return figure

"""What predictions are worth, counted chunk by chunk: any number of rows in the memory of a few tables of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pandas
from sklearn.metrics import accuracy_score, auc, f1_score, roc_curve
from utils.step import Refused

BINS = 10_000  # of a probability; ROC curve and area are exact to that


class Evaluation:
    """``confusion`` counts actual (rows) against predicted classes, in the order of ``classes``."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.confusion = numpy.zeros((len(classes), len(classes)), dtype=numpy.int64)
        self._loss = 0.0
        self._bins = numpy.zeros((len(classes), 2, BINS), dtype=numpy.int64)  # by class: of other rows, of its own

    @property
    def rows(self) -> int:
        return int(self.confusion.sum())

    def add(self, actual: Sequence[str], probabilities: Any) -> None:
        """``probabilities`` has a row for each of ``actual`` and a column for each class."""
        codes = numpy.asarray(pandas.Categorical(actual, categories=self.classes).codes)
        if (codes < 0).any():
            strange = sorted({str(name) for name, code in zip(actual, codes, strict=True) if code < 0})[:5]
            raise Refused(
                f"the data has classes that the model does not know: {', '.join(strange)}. It knows {', '.join(self.classes)}."
            )
        numpy.add.at(self.confusion, (codes, probabilities.argmax(axis=1)), 1)
        chances = probabilities[numpy.arange(len(codes)), codes]
        self._loss -= float(numpy.log(numpy.clip(chances, numpy.finfo(float).eps, 1)).sum())
        bins = numpy.minimum((probabilities * BINS).astype(int), BINS - 1)
        for place in range(len(self.classes)):
            numpy.add.at(self._bins[place], ((codes == place).astype(int), bins[:, place]), 1)

    def metrics(self) -> dict[str, float]:
        """``f1`` and ``roc_auc`` are means over the classes; ``roc_auc`` is there when the rows are of two classes or more."""
        actual, predicted = self.confusion.nonzero()
        counts = self.confusion[actual, predicted]
        areas = [area for _, _, area in self.roc().values()]
        return {
            "accuracy": float(accuracy_score(actual, predicted, sample_weight=counts)),
            "f1": float(f1_score(actual, predicted, average="macro", sample_weight=counts)),
            "log_loss": self._loss / self.rows,
            **({"roc_auc": float(numpy.mean(areas))} if areas else {}),
        }

    def roc(self) -> dict[str, tuple[Any, Any, float]]:
        """For each class that is there, and is not alone: false and true positive rates, and the area below them."""
        found = {}
        truth, score = numpy.repeat([0, 1], BINS), numpy.tile(numpy.arange(BINS), 2)
        for name, counts in zip(self.classes, self._bins, strict=True):
            if counts.sum(axis=1).all():
                wrong, right, _ = roc_curve(truth, score, sample_weight=counts.ravel())
                found[name] = wrong, right, float(auc(wrong, right))
        return found

"""Split, train, evaluate: from a checked table to a fitted model and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
import pandas
from dataset import FEATURES, Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Result:
    """``predictions`` has a row for each row kept for testing; ``confusion`` counts actual (rows) against predicted."""

    model: Pipeline
    classes: list[str]
    metrics: dict[str, float]
    confusion: NDArray[Any]
    predictions: pandas.DataFrame
    sample: pandas.DataFrame
    rows_train: int
    rows_test: int


def train(table: Table, *, test_size: float, regularization: float, max_iterations: int, seed: int) -> Result:
    """Fit on one part of ``table`` and measure on the other; the same arguments give the same split and model."""
    features = pandas.DataFrame(table.features, columns=list(FEATURES))
    species, lines = numpy.array(table.species), numpy.array(table.lines)
    train_x, test_x, train_y, test_y, _, test_lines = train_test_split(
        features, species, lines, test_size=test_size, stratify=species, random_state=seed
    )
    classifier = LogisticRegression(C=regularization, max_iter=max_iterations, random_state=seed)
    model = Pipeline([("scale", StandardScaler()), ("classify", classifier)]).fit(train_x, train_y)

    classes = [str(name) for name in model.classes_]
    chances = model.predict_proba(test_x)
    predicted = model.classes_[chances.argmax(axis=1)]
    columns: dict[str, Any] = {"species": test_y, "prediction": predicted}
    for index, name in enumerate(classes):
        columns[f"probability_{name}"] = chances[:, index]
    predictions = test_x.assign(**columns)
    predictions.insert(0, "line", test_lines)
    return Result(
        model=model,
        classes=classes,
        metrics={
            "accuracy": float(accuracy_score(test_y, predicted)),
            "f1": float(f1_score(test_y, predicted, average="macro")),
            "log_loss": float(log_loss(test_y, chances, labels=classes)),
        },
        confusion=confusion_matrix(test_y, predicted, labels=classes),
        predictions=predictions.sort_values("line"),
        sample=train_x.head(5).reset_index(drop=True),
        rows_train=len(train_x),
        rows_test=len(test_x),
    )

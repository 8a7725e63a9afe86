"""The data set beside the job is scikit-learn's, value for value."""

import csv
from pathlib import Path

from sklearn.datasets import load_iris

FILE = Path(__file__).parents[2] / "jobs" / "data" / "iris_dataset.csv"
HEADER = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]


def rows() -> list[list[str]]:
    """The file as ``load_iris`` has it: what to write when the file must be made anew."""
    iris = load_iris()
    names = [str(iris.target_names[target]) for target in iris.target]
    return [[*(repr(float(value)) for value in row), name] for row, name in zip(iris.data, names, strict=True)]


def test_the_file_is_scikit_learns():
    with FILE.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == HEADER
    assert found[1:] == rows() and len(rows()) == 150
    assert b"\r" not in FILE.read_bytes()

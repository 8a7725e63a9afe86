"""The scoring script that Azure ML writes for an MLflow model without one: a line ``row,prediction…,file`` for each row.

https://learn.microsoft.com/azure/machine-learning/how-to-mlflow-batch. A file that cannot be read is logged and counts as failed.
A big CSV file is read and scored in parts, where Azure ML calls ``predict`` once a file: with a model that looks at each row by
itself the result is the same, and memory stays bounded.
"""

from __future__ import annotations

import csv
import glob
import importlib
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BIG, PART = 32 * 1024 * 1024, 8 * 1024 * 1024  # bytes of a CSV file that are read at once, and of a bigger one's parts
IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")
LOGGER = logging.getLogger("azureml")

model: Any = None
types: dict[str, Any] = {}


def init() -> None:
    global model, types
    (path,) = glob.glob(os.path.join(os.environ["AZUREML_MODEL_DIR"], "*"))
    model = importlib.import_module("mlflow.pyfunc").load_model(path)
    inputs = model.metadata.get_input_schema()
    if inputs is not None and not inputs.is_tensor_spec() and inputs.has_input_names():
        types = {name: kind for name, kind in zip(inputs.input_names(), inputs.pandas_types()) if kind is not None}


def score(files: list[str], part: Path) -> int:
    """Write the scores of ``files`` to ``part``; how many of them succeeded."""
    good, last = 0, ""
    with part.open("w", encoding="utf-8", newline="") as output:
        for path in files:
            output.flush()
            began = output.tell()
            try:
                _file(path, csv.writer(output, lineterminator="\n"))
                good += 1
            except Exception as error:  # noqa: B902 - one file that is no good is not the others' fault
                if part.is_file():
                    output.seek(began)
                    output.truncate()
                last = f"Error processing input file: '{path}'. {error}"
                LOGGER.error(last)
    if not good:
        raise ValueError(f"No objects to concatenate: none of the mini-batch's files could be scored. {last}")
    return good


def _file(path: str, rows: Any) -> None:
    name, first = os.path.basename(path), 0
    for data in _read(path):
        columns = _columns(model.predict(data))
        count = len(columns[0]) if columns else 0
        rows.writerows(zip(range(first, first + count), *columns, itertools.repeat(name)))
        first += count


def _read(path: str) -> Iterator[Any]:
    kind = os.path.splitext(path)[1].lower()
    if kind in IMAGES:
        yield _image(path)
        return
    if kind != ".csv":
        raise ValueError(f"File type '{kind.lstrip('.')}' is not supported.")
    pandas = importlib.import_module("pandas")
    if os.path.getsize(path) <= BIG:
        yield _typed(pandas.read_csv(path))
        return
    with open(path, "rb") as file:
        sample = file.read(1 << 20)
    with pandas.read_csv(path, chunksize=max(1, PART * sample.count(b"\n") // len(sample))) as parts:
        yield from map(_typed, parts)


def _typed(data: Any) -> Any:
    """The columns in the types of the model's signature."""
    return data.astype(
        {name: kind for name, kind in types.items() if name in data.columns and data[name].dtype != kind}
    )


def _image(path: str) -> Any:
    numpy, images = importlib.import_module("numpy"), importlib.import_module("PIL.Image")
    array = numpy.asarray(images.open(path))
    inputs = model.metadata.get_input_schema()
    if inputs is None or not inputs.is_tensor_spec():
        return array[numpy.newaxis]
    tensor = inputs.inputs[0]
    return array.astype(tensor.type).reshape([1 if size == -1 else size for size in tensor.shape])


def _columns(predicted: Any) -> list[list[Any]]:
    """What ``predict`` returned, column by column; of an array with more dimensions than two, a row's value is a list."""
    if hasattr(predicted, "columns"):
        return [predicted.iloc[:, index].tolist() for index in range(predicted.shape[1])]
    if getattr(predicted, "ndim", 1) == 2:
        return [predicted[:, index].tolist() for index in range(predicted.shape[1])]
    return [predicted.tolist() if hasattr(predicted, "tolist") else list(predicted)]

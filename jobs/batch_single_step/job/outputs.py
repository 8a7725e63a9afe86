"""What the run leaves in its output folder: made elsewhere, then moved in file by file, so that each appears whole."""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from training import Result

# What scoring needs; without the list MLflow would start a process that loads the model to find out.
PACKAGES = ("cloudpickle", "mlflow-skinny", "numpy", "pandas", "scikit-learn")


def write(folder: Path, result: Result, *, metrics: str, predictions: str, model: str) -> None:
    """Write the three outputs to ``folder``, which is empty."""
    result.predictions.to_csv(folder / predictions, index=False, lineterminator="\n")
    (folder / metrics).write_text(json.dumps(result.metrics, indent=2) + "\n", encoding="utf-8")
    mlflow.sklearn.save_model(
        result.model,
        str(folder / model),
        serialization_format="cloudpickle",
        signature=infer_signature(result.sample, result.model.predict(result.sample)),
        input_example=result.sample,
        pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
    )


def publish(made: Path, target: Path, *, replaced: str) -> None:
    """Bring the files of ``made`` to ``target``. A reader sees an old file or a new one, never a part;
    what an earlier run left in the sub-folder ``replaced`` and this one did not make is removed."""
    files = {file.relative_to(made) for file in made.rglob("*") if file.is_file()}
    for file in sorted(files):
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        draft = destination.with_name(f".{destination.name}.{os.getpid()}")
        shutil.copyfile(made / file, draft)
        os.replace(draft, destination)
    for file in (target / replaced).rglob("*"):
        if file.is_file() and file.relative_to(target) not in files:
            file.unlink()

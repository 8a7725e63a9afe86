"""The gate, and what passes it: a version in MLflow's registry, which in Azure ML is the workspace's.

https://learn.microsoft.com/azure/machine-learning/how-to-manage-models-mlflow
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from utils.config import Gate


@dataclass(frozen=True)
class Registered:
    """A version. ``value`` is the gate's metric in its tags, ``None`` where whoever registered it did not write it."""

    version: str
    value: float | None


def newest(name: str, metric: str, *, before: str | None = None) -> Registered | None:
    """The newest version of the model ``name``, or the newest that is older than the version ``before``; ``None`` for none."""
    client = mlflow.MlflowClient()
    if before is not None:
        own = _age(client.get_model_version(name, before))
        versions = [version for version in client.search_model_versions(f"name = '{name}'") if _age(version) < own]
    else:
        try:
            versions = client.get_registered_model(name).latest_versions
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
    if not versions:
        return None
    found = max(versions, key=_age)
    # The version's own answer: that of the model may leave out the tags.
    written = client.get_model_version(name, found.version).tags.get(metric)
    return Registered(str(found.version), float(written) if written else None)


def _age(version: ModelVersion) -> tuple[int, str]:
    number = str(version.version)
    return version.creation_timestamp, number.zfill(20) if number.isdecimal() else number


def refusal(gate: Gate, value: float, before: Registered | None) -> str | None:
    """Why a model with ``value`` does not pass ``gate``; ``None`` when it does."""
    if not value >= gate.floor:  # nor when it is no number
        return f"{gate.metric} {value:.4f} is below the floor {gate.floor:.4f}"
    if before and before.value is not None and value < before.value - gate.tolerance:
        allowed = f" by more than {gate.tolerance:g}" if gate.tolerance else ""
        return f"{gate.metric} {value:.4f} is worse than version {before.version}'s {before.value:.4f}{allowed}"
    return None


def register(name: str, run: str, artifact: str, tags: Mapping[str, str]) -> str:
    """The new version of ``name``: the run's artifacts below ``artifact``."""
    return str(mlflow.register_model(f"runs:/{run}/{artifact}", name, tags=dict(tags)).version)


def withdraw(name: str, version: str) -> None:
    """Take a version back that was registered."""
    mlflow.MlflowClient().delete_model_version(name, version)

"""A job's metrics: MLflow's REST interface at the workspace's tracking URI, with the token, without MLflow installed.

https://mlflow.org/docs/latest/rest-api.html#get-run — the run's id is the job's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rest import ARM_SCOPE

if TYPE_CHECKING:
    from runner.workspace import Workspace


def metrics(workspace: Workspace, name: str) -> dict[str, float]:
    """The last value of each metric of the job, by name; none when the job logged nothing with MLflow."""
    from azure.core.exceptions import HttpResponseError

    try:
        answer = workspace.rest.get(f"{workspace.service('mlflow')}/api/2.0/mlflow/runs/get", ARM_SCOPE, run_id=name)
    except HttpResponseError as error:
        if error.status_code == 404:
            return {}
        raise
    logged = answer.get("run", {}).get("data", {}).get("metrics", [])
    return {
        str(metric["key"]): float(metric["value"]) for metric in sorted(logged, key=lambda metric: str(metric["key"]))
    }

"""Submitting: ``aml experiment --no-wait`` against a script that imports ``azure.ai.ml`` and submits the same job, nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figure import Figure, alternately
from benchmarks.laptop import INPUT, ROOT, laptop

BARE = f"""
import os
from azure.ai.ml import Input, MLClient, load_job
from azure.identity import EnvironmentCredential
e = os.environ
client = MLClient(EnvironmentCredential(), e["AZURE_SUBSCRIPTION_ID"], e["AZURE_RESOURCE_GROUP"], e["AZURE_WORKSPACE_NAME"])
job = load_job("jobs/batch_single_step/job.yml")
job.compute = e["AZURE_ML_COMPUTE_TRAINER"]
job.environment = f"azureml:{{e['AZURE_ML_ENVIRONMENT_NAME']}}:{{e['AZURE_ML_ENVIRONMENT_VERSION']}}"
job.inputs["input_data"].path = f"azureml://datastores/{{e['AZURE_ML_DATASTORE_NAME']}}/paths{INPUT}"
client.jobs.create_or_update(job)
"""


def run() -> Iterator[Figure]:
    with laptop() as it:
        it.experiment()

        def bare() -> None:
            subprocess.run([sys.executable, "-c", BARE], env=it.environment, cwd=ROOT, check=True, capture_output=True)

        ours, alone, ratio = alternately(lambda: it.experiment("--no-wait"), bare, runs=5)
        detail = f"`aml experiment --no-wait` {ours:.1f} s with its checks, the bare script {alone:.1f} s"
        yield Figure("submit over the bare SDK", ratio, "times", "at most 1.5", ratio <= 1.5, detail)

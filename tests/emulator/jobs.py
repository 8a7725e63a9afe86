"""What the tests of jobs share: submitting one, waiting for its end, and what is known of it then."""

from __future__ import annotations

import json
from typing import Any

from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import Job

from tests.waiting import over

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


def submit(client: MLClient, line: str, **options: Any) -> Job:
    # An anonymous environment of a plain image: the emulator's default one, built once for the whole run.
    options.setdefault("environment", "plain:1")
    job: Job = client.jobs.create_or_update(command(command=line, **options))
    return job


def ended(client: MLClient, job: Job, status: str = "Completed") -> Job:
    found: Job = over(client, job)
    assert found.status == status, log_of(client, found)
    return found


def details(client: MLClient, job: Job) -> Any:
    return client.jobs._runs_operations.get_run_details(job.name)


def log_of(client: MLClient, job: Job, name: str = "std_log.txt") -> str:
    import requests

    found = details(client, job)
    link = found.log_files.get(f"user_logs/{name}")
    return requests.get(link, timeout=30).text if link else json.dumps(found.error.as_dict() if found.error else None)

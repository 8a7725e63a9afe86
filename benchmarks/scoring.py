"""A CSV file scored by a deployment of a model behind a batch endpoint, from the invocation until Completed, against a loop of
pandas and scikit-learn over the same file in chunks. Both write the same scores, which is checked.
"""

from __future__ import annotations

import filecmp
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import psutil
from azure.ai.ml import Input, MLClient
from azure.ai.ml.entities import BatchEndpoint, BatchRetrySettings, ModelBatchDeployment, ModelBatchDeploymentSettings
from azure.identity import EnvironmentCredential

from benchmarks.figure import Figure, alternately
from benchmarks.laptop import Laptop, laptop

RUNS, NAME, DIFFERENT = 3, "bench-scoring", 1_000_000
HEADER = "sepal_length,sepal_width,petal_length,petal_width\n"
BARE = """
import os, resource, sys
import mlflow.sklearn, pandas
model, data, scores = sys.argv[1:]
model = mlflow.sklearn.load_model(model)
with open(scores, "w", newline="") as output:
    for chunk in pandas.read_csv(data, chunksize=100_000):
        table = {"row": chunk.index, "prediction": model.predict(chunk), "file": os.path.basename(data)}
        pandas.DataFrame(table).to_csv(output, header=False, index=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def run(rows: int) -> Iterator[Figure]:
    with laptop() as it, tempfile.TemporaryDirectory() as folder:
        it.aml("pipeline", "--stack", "local", "--json")  # makes the environment, and registers the model
        (python,) = (it.home / "environments").glob("*/bin/python")
        data, scores = Path(folder, "rows.csv"), Path(folder, "scores.csv")
        _write(data, rows)
        with patch.dict(os.environ, it.environment):
            endpoint = Endpoint(it, data)
            endpoint.client.models.download("iris-classifier", "1", folder)
            (model,) = (path.parent for path in Path(folder, "iris-classifier").rglob("MLmodel"))
            alone: list[int] = []

            def bare() -> None:
                command = [python, "-c", BARE, str(model), str(data), str(scores)]
                alone.append(int(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder).stdout))

            ours, loop, ratio = alternately(endpoint.score, bare, RUNS)
            if not filecmp.cmp(endpoint.scores(Path(folder, "job")), scores, shallow=False):
                raise RuntimeError("the endpoint's scores are not those of the loop")
    detail = f"{ours:.1f} s from the invocation to Completed, the loop alone {loop:.1f} s"
    yield Figure(f"scoring {rows:,} rows over the bare loop", ratio, "times", "at most 1.5", ratio <= 1.5, detail)
    peak = f"driver and worker together; the loop {max(alone) / 1e6:,.0f} MB"
    yield Figure("peak memory of the scoring step", endpoint.peak / 1e6, "MB", detail=peak)


def _write(file: Path, rows: int) -> None:
    """Measurements of flowers that nobody has seen."""
    dice = random.Random(1)
    lines = [
        f"{dice.uniform(4, 8):.1f},{dice.uniform(2, 4.5):.1f},{dice.uniform(1, 7):.1f},{dice.uniform(0.1, 2.5):.1f}\n"
        for _ in range(min(rows, DIFFERENT))
    ]
    with file.open("w") as written:
        written.write(HEADER)
        for first in range(0, rows, DIFFERENT):
            written.writelines(lines[: rows - first])


class Endpoint:
    """The model that ``aml pipeline`` registered, without code, in one process."""

    def __init__(self, it: Laptop, data: Path) -> None:
        names = it.settings
        self.peak, self._home, self._job = 0, str(it.home), ""
        self.client = MLClient(
            EnvironmentCredential(),
            names["AZURE_SUBSCRIPTION_ID"],
            names["AZURE_RESOURCE_GROUP"],
            names["AZURE_WORKSPACE_NAME"],
        )
        it.aml("data", "upload", str(data), f"/{data.name}", "--stack", "local")
        self._data = f"azureml://datastores/{names['AZURE_ML_DATASTORE_NAME']}/paths/{data.name}"
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=NAME)).result()
        deployment = ModelBatchDeployment(
            name="only",
            endpoint_name=NAME,
            model="iris-classifier:1",
            environment=f"{names['AZURE_ML_ENVIRONMENT_NAME']}:{names['AZURE_ML_ENVIRONMENT_VERSION']}",
            compute=names["AZURE_ML_COMPUTE_TRAINER"],
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=1,
                instance_count=1,
                max_concurrency_per_instance=1,
                output_file_name="scores.csv",
                retry_settings=BatchRetrySettings(max_retries=0, timeout=3600),
            ),
        )
        self.client.batch_deployments.begin_create_or_update(deployment).result()

    def score(self) -> None:
        given = {"data": Input(type="uri_file", path=self._data)}
        self._job = self.client.batch_endpoints.invoke(NAME, deployment_name="only", inputs=given).name
        while (status := self.client.jobs.get(self._job).status) not in ("Completed", "Failed", "Canceled"):
            self.peak = max(self.peak, self._memory())
            time.sleep(0.2)
        if status != "Completed":
            raise RuntimeError(f"the job {self._job} ended {status}")

    def scores(self, folder: Path) -> Path:
        """What the last job wrote."""
        self.client.jobs.download(self._job, download_path=folder, output_name="score")
        (found,) = folder.rglob("scores.csv")
        return found

    def _memory(self) -> int:
        """Bytes that the driver and its processes have now."""
        found = 0
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if "amlbi_main.py" in line and self._home in line:
                    found += sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
            except psutil.Error:  # it has ended meanwhile
                continue
        return found

"""The Iris experiment through everything, its environment built, against the same script as a bare process."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, alternately
from benchmarks.laptop import ROOT, laptop


def run() -> Iterator[Figure]:
    with laptop() as it, tempfile.TemporaryDirectory() as folder:
        it.experiment()  # the environment is built here, once
        (python,) = (it.home / "environments").glob("*/bin/python")

        def bare() -> None:
            subprocess.run(
                [
                    python,
                    str(ROOT / "jobs/batch_single_step/job/run.py"),
                    f"--input-data={ROOT / 'jobs/data/iris_dataset.csv'}",
                    f"--output-data={folder}/out",
                ],
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": folder,
                    "MLFLOW_TRACKING_URI": Path(folder, "mlruns").as_uri(),
                },
                cwd=folder,
                check=True,
                capture_output=True,
            )

        ours, alone, ratio = alternately(it.experiment, bare, runs=3)
        detail = f"`aml experiment` to its end {ours:.1f} s, the script alone {alone:.1f} s"
        yield Figure("the experiment over the bare script", ratio, "times", "", None, detail)

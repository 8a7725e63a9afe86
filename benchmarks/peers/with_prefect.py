"""The four scripts by Prefect, whose tasks are threads: each starts its script as a process."""

import subprocess
import sys

from prefect import flow, task
from script import STEPS, timed


@task
def step(command):
    subprocess.run([sys.executable, *command], check=True)


@flow
def pipeline():
    for command in STEPS:
        step(command)


with timed():
    pipeline()

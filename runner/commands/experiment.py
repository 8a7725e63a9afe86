"""``aml experiment``: the ad hoc experiment, from a file in the datastore to metrics."""

from __future__ import annotations

from pathlib import Path

import click

from runner import config, experiment, resources, settings, talk
from runner.experiment import Experiment
from runner.following import follow
from runner.options import Command, with_configuration, with_settings
from runner.paths import BATCH_SINGLE_STEP, JobFolder
from runner.progress import Progress
from runner.report import Report, show_submitted


@click.command(cls=Command)
@click.option("--input-data-path", required=True, help="The data, below the datastore's root: /iris_dataset.csv")
@click.option("--output-data-path", required=True, help="The folder for the outputs, below the datastore's root: /")
@with_configuration
@click.option("--job-folder", default=BATCH_SINGLE_STEP, show_default=True, help="The folder with job.yml.")
@click.option("--no-wait", is_flag=True, help="Submit, and print the job's name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    given: settings.Given,
    input_data_path: str,
    output_data_path: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
    job_folder: str,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Submit the job of a folder on data in the datastore, follow it, and show its metrics and outputs.

    Compute and environment are found by the names in the settings, or made from the configuration.
    """
    found = settings.load(given, needs=experiment.NEEDS)
    folder = JobFolder.find(job_folder)
    asked = Experiment.read(
        folder, config.read(config_path or folder.config, overrides), input_data_path, output_data_path
    )
    talk.say_target(found)

    from runner.workspace import Workspace

    workspace = Workspace(found)
    with Progress() as progress:
        progress.at("checking", 0)
        there = experiment.check(workspace, asked)
    resources.make(workspace, asked.config, there)
    job = experiment.submit(workspace, asked)
    talk.say(f"job: {job.name}")
    talk.say(f"link: {job.studio_url}")
    if no_wait:
        show_submitted(job, found.flags, as_json=as_json)
        return
    with Progress() as progress, talk.going_on(job.name, found):
        outcome = follow(workspace, job.name, progress.write, progress)
    report = Report.of(workspace, job.name, outcome)
    talk.say("")
    if as_json:
        talk.show_json(report.as_json())
    elif outcome.status == "Completed":
        for line in report.lines():
            talk.show(line)
    report.raise_for_status(found.flags)
    talk.say("\nnext:")
    talk.say(f"  aml data list /{asked.output_path}{found.flags}")
    talk.say(f"  aml jobs download {job.name}{found.flags}")

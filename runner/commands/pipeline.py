"""``aml pipeline``: the training pipeline as a job, its steps shown as they go."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from runner import config, experiment, resources, settings, talk
from runner.options import Command, with_configuration, with_settings
from runner.paths import PIPELINE_TWO_STEP, JobFolder
from runner.progress import Progress


@click.command(cls=Command)
@click.option(
    "--input",
    "given",
    multiple=True,
    metavar="[NAME=]VALUE",
    help="An input in the place of job.yml's: a literal, or a path below the datastore's root. May be repeated.",
)
@with_configuration
@click.option("--job-folder", default=PIPELINE_TWO_STEP, show_default=True, help="The folder with job.yml.")
@click.option("--force-rerun", is_flag=True, help="Run every step, also those whose outputs could be reused.")
@click.option(
    "--graph", "picture_file", type=click.Path(dir_okay=False, path_type=Path), help="Draw the graph there, as SVG."
)
@click.option("--no-wait", is_flag=True, help="Submit, and print the job's name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    settings_given: settings.Given,
    given: tuple[str, ...],
    config_path: Path | None,
    overrides: tuple[str, ...],
    job_folder: str,
    force_rerun: bool,
    picture_file: Path | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Run the pipeline of a folder, show its steps as they go, and its metrics and outputs.

    Compute and environment are found by the names in the settings, or made from the configuration.
    """
    found = settings.load(settings_given, needs=experiment.NEEDS)
    folder = JobFolder.find(job_folder)
    configuration = config.read(config_path or folder.config, overrides)
    talk.say_target(found)

    from runner import picture, pipeline, steps
    from runner.report import Report, show_submitted
    from runner.workspace import Workspace

    workspace = Workspace(found)
    with Progress() as progress:
        progress.at("checking", 0)
        asked = pipeline.read(workspace, folder, configuration, given)
        there = resources.look(workspace, configuration)
    resources.make(workspace, configuration, there)
    job = pipeline.submit(workspace, asked, force_rerun=force_rerun)
    graph = asked.component.graph
    talk.say(f"job: {job.name}")
    talk.say(f"link: {job.studio_url}")
    if picture_file is not None:
        picture_file.write_text(picture.svg(graph, {}, job.name), encoding="utf-8")
    if no_wait:
        show_submitted(job, found.flags, as_json=as_json)
        return
    with talk.going_on(job.name, found):
        outcome, runs = steps.follow(workspace, job.name, graph)
    if picture_file is not None:
        picture_file.write_text(picture.svg(graph, runs, job.name), encoding="utf-8")
    report = Report.of(workspace, job.name, outcome, steps.metrics(workspace, runs))
    talk.say("")
    if as_json:
        talk.show_json({**report.as_json(), "steps": [dataclasses.asdict(run) for run in runs.values()]})
    elif outcome.status == "Completed":
        for line in report.lines():
            talk.show(line)
    report.raise_for_status(found.flags)
    talk.say("\nnext:")
    talk.say(f"  aml jobs list --parent {job.name}{found.flags}")
    talk.say(f"  aml publish{found.flags}")

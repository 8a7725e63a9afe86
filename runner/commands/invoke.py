"""``aml invoke``: score data with what the batch endpoint serves."""

from __future__ import annotations

import dataclasses

import click

from runner import settings, talk
from runner.options import Command, with_settings
from runner.progress import Progress


@click.command(cls=Command)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="[NAME=]VALUE",
    help="The data, below the datastore's root: /new.csv; or another input by its name. May be repeated.",
)
@click.option(
    "--output", metavar="[NAME=]FOLDER", help="Where the scores go, below the datastore's root; a new place without it."
)
@click.option("--deployment", metavar="NAME", help="Another deployment than the serving one.")
@click.option("--wait/--no-wait", default=False, help="Show the steps as they go, and the first rows of the scores.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    given: settings.Given,
    inputs: tuple[str, ...],
    output: str | None,
    deployment: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Score data with the release that serves, and print the job's name; with --wait, the first rows of its scores."""
    found = settings.load(given, needs=(*settings.TARGET, settings.ENDPOINT, settings.DATASTORE))
    talk.say_target(found)

    from runner import invoking, steps
    from runner.endpoint import Endpoint
    from runner.report import Report
    from runner.workspace import Workspace

    workspace = Workspace(found)
    with Progress() as progress:
        progress.at("checking", 0)
        asked = invoking.check(workspace, inputs, output, deployment)
    job = Endpoint(workspace).invoke(asked.deployment, asked.values, asked.outputs)
    talk.say(f"deployment: {asked.deployment}")
    talk.say(f"job: {job}")
    if not wait:
        talk.say(f"follow: aml jobs logs --follow {job}{found.flags}")
        talk.show_json({"name": job, "deployment": asked.deployment}) if as_json else talk.show(job)
        return
    with talk.going_on(job, found):
        outcome, runs = steps.follow(workspace, job, asked.graph)
    report = Report.of(workspace, job, outcome, steps.metrics(workspace, runs))
    scored = invoking.head(workspace, job, asked.tables) if outcome.status == "Completed" else None
    talk.say("")
    if as_json:
        told = {**report.as_json(), "deployment": asked.deployment}
        told["scores"] = [dict(zip(scored[1].columns, row, strict=True)) for row in scored[1].rows] if scored else []
        talk.show_json({**told, "steps": [dataclasses.asdict(run) for run in runs.values()]})
    elif scored:
        talk.say(f"the first rows of {scored[0]}:")
        for line in scored[1].lines():
            talk.show(line)
    report.raise_for_status(found.flags)
    talk.say("\nnext:")
    talk.say(f"  aml jobs download {job}{f' --output {scored[0]}' if scored else ''}{found.flags}")

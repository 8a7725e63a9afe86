"""``aml jobs``: what people do with jobs once they are submitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import settings, talk
from runner.options import Group, with_settings
from runner.progress import Progress

if TYPE_CHECKING:
    from runner.workspace import Workspace


@click.group(cls=Group)
def command() -> None:
    """Look after the workspace's jobs."""


@command.command("list")
@click.option(
    "--max", "most", default=20, show_default=True, type=click.IntRange(1), help="How many, the latest first."
)
@click.option("--parent", metavar="NAME", help="The steps of this pipeline job.")
@click.option("--archived", is_flag=True, help="Also those that were put away.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def list_(given: settings.Given, most: int, parent: str | None, archived: bool, as_json: bool) -> None:
    """List jobs, the latest first."""
    from runner import jobs

    workspace = _workspace(given)
    found = [jobs.described(job) for job in jobs.latest(workspace.check(), most, parent=parent, archived=archived)]
    if as_json:
        talk.show_json(found)
        return
    head = ("name", "status", "experiment", "display name", "created")
    rows = [
        (job["name"], job["status"], job["experiment_name"], job["display_name"] or "", job["created"] or "")
        for job in found
    ]
    for line in talk.table(head, rows):
        talk.show(line)


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def show(given: settings.Given, name: str, as_json: bool) -> None:
    """Show one job: status, why it failed, inputs, outputs, metrics, link."""
    import yaml

    from runner import following, jobs, tracking

    workspace = _workspace(given)
    found = jobs.described(jobs.get(workspace, name))
    found["error"] = following.error_of(following.details(workspace, name) or {})
    found["metrics"] = tracking.metrics(workspace, name)
    if as_json:
        talk.show_json(found)
    else:
        talk.show(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=float("inf")).rstrip())


@command.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended; exit code 3 when it failed.")
@click.option("--file", metavar="LOG", help="Another log than user_logs/std_log.txt.")
@with_settings
def logs(given: settings.Given, name: str, follow: bool, file: str | None) -> None:
    """Print a job's log."""
    from runner import following, jobs
    from runner.report import Report

    workspace = _workspace(given)
    jobs.get(workspace, name)
    if not follow:
        following.printed(workspace, name, lambda text: click.echo(text, nl=False), file)
        return
    with Progress() as progress, talk.going_on(name, workspace.settings, started_here=False):

        def write(text: str) -> None:
            progress.clear()
            click.echo(text, nl=False)

        outcome = following.follow(workspace, name, write, progress, file=file)
    talk.say(f"{name} · {outcome.status}")
    Report.of(workspace, name, outcome).raise_for_status(workspace.settings.flags)


@command.command()
@click.argument("name", required=False)
@click.option("--started", "all_started", is_flag=True, help="Those that commands here started and did not see end.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the job's end.")
@with_settings
def cancel(given: settings.Given, name: str | None, all_started: bool, no_wait: bool) -> None:
    """Cancel a job and wait for its end."""
    if (name is None) != all_started:
        raise click.UsageError("Give the job's NAME, or --started.")
    from runner import jobs, started

    workspace = _workspace(given, changes=True)
    chosen = started.of(workspace.settings) if name is None else [name]
    for job in chosen:
        talk.say(f"{job} · {jobs.cancel(workspace, job, wait=not no_wait)}")
        started.ended(job)
    if not chosen:
        talk.say("no job that was started here goes on")


@command.command()
@click.argument("name")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="The folder; the job's name by default.")
@click.option("--output", metavar="NAME", help="Only this output; 'artifacts' are logs and ./outputs.")
@with_settings
def download(given: settings.Given, name: str, to: Path | None, output: str | None) -> None:
    """Fetch a job's logs and outputs."""
    from runner import jobs
    from runner.paths import JobPaths

    workspace = _workspace(given)
    folder = to or JobPaths(name).download
    jobs.download(workspace, name, folder, output)
    talk.show(str(folder))


@command.command()
@click.argument("name")
@with_settings
def archive(given: settings.Given, name: str) -> None:
    """Put a job away: it is no longer listed, and stays."""
    from runner import jobs

    workspace = _workspace(given, changes=True)
    jobs.get(workspace, name)
    workspace.client.jobs.archive(name)
    talk.say(f"{name} · archived")


@command.command()
@click.argument("name")
@with_settings
def restore(given: settings.Given, name: str) -> None:
    """List a job again that was put away."""
    from runner import jobs

    workspace = _workspace(given, changes=True)
    jobs.get(workspace, name)
    workspace.client.jobs.restore(name)
    talk.say(f"{name} · restored")


def _workspace(given: settings.Given, *, changes: bool = False) -> Workspace:
    found = settings.load(given)
    (talk.say_target if changes else talk.say_notes)(found)
    from runner.workspace import Workspace

    return Workspace(found)

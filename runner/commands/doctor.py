"""``aml doctor``: preflight, each finding with its next command."""

from __future__ import annotations

from pathlib import Path

import click

from runner import config, doctor, project, settings, talk
from runner.options import Command, with_settings
from runner.paths import BATCH_SINGLE_STEP, JobFolder


@click.command(cls=Command)
@click.option(
    "--config-path", type=click.Path(dir_okay=False, path_type=Path), help="cfg/config.yaml of the job by default."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the configuration.")
@click.option("--job-folder", default=BATCH_SINGLE_STEP, show_default=True, help="The folder with job.yml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    given: settings.Given, config_path: Path | None, overrides: tuple[str, ...], job_folder: str, as_json: bool
) -> int:
    """Look for what would fail later: settings, sign-in, roles, names, quota, pins.

    Changes nothing. Exit code 0 when nothing is wrong, 1 when it is in what was asked, 2 when it is in Azure.
    """
    found = []
    for finding in doctor.examine(
        given, lambda: config.read(config_path or JobFolder.find(job_folder).config, overrides)
    ):
        found.append(finding)
        if not as_json:
            first, *more = finding.text.splitlines()
            talk.show(f"{finding.level:8} {finding.check:14} {first}")
            for line in [*more, *([f"next: {project.typed(finding.next)}"] if finding.next else [])]:
                talk.show(f"{'':24} {line}")
    if as_json:
        talk.show_json([vars(finding) for finding in found])
    return max(finding.code for finding in found)

"""``aml publish``: a release behind the batch endpoint, tried before it serves."""

from __future__ import annotations

from pathlib import Path

import click

from runner import config, experiment, settings, talk
from runner.errors import Mistake
from runner.history import REMEMBERED
from runner.options import Command, with_configuration, with_settings
from runner.paths import PIPELINE_TWO_STEP, JobFolder
from runner.progress import Progress


@click.command(cls=Command)
@click.option("--component", "file", help="The component in the folder: score.yml; pipeline.yml without it.")
@click.option("--job-folder", default=PIPELINE_TWO_STEP, show_default=True, help="The folder with the component.")
@click.option(
    "--manifest",
    "manifest_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Publish exactly what this manifest names, as an earlier aml publish printed it.",
)
@with_configuration
@click.option(
    "--keep",
    default=2,
    show_default=True,
    type=click.IntRange(0, REMEMBERED - 1),
    help="How many deployments that served before stay.",
)
@click.option("--keep-failed", is_flag=True, help="Leave a deployment that failed its smoke test, to look at it.")
@with_settings
def command(
    given: settings.Given,
    file: str | None,
    job_folder: str,
    manifest_file: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    keep: int,
    keep_failed: bool,
) -> None:
    """Publish a pipeline component: register, deploy, try, and only then let it serve. Prints the release's manifest.

    What failed its try does not serve, and what was interrupted goes on with the same command.
    """
    if manifest_file is not None and file is not None:
        raise Mistake(
            f"A manifest names its component; '{file}' is given, too.", next="leave --component or --manifest out"
        )
    found = settings.load(given, needs=(*experiment.NEEDS, settings.ENDPOINT))
    folder = JobFolder.find(job_folder)
    configuration = config.read(config_path or folder.config, overrides)
    from runner import publishing, release

    manifest = release.read(manifest_file) if manifest_file is not None else None
    talk.say_target(found)

    from runner.workspace import Workspace

    workspace = Workspace(found)
    with Progress() as progress:
        progress.at("checking", 0)
        plan = (
            publishing.read(workspace, folder, configuration, file or "pipeline.yml")
            if manifest is None
            else publishing.promote(workspace, folder, configuration, manifest)
        )
    made = publishing.publish(workspace, plan, keep=keep, keep_failed=keep_failed)
    talk.show(made.text().rstrip())
    talk.say("\nnext:")
    talk.say(f"  aml invoke --wait --input /FILE{found.flags}")
    talk.say(f"  aml releases{found.flags}")
    talk.say(f"  aml rollback{found.flags}")

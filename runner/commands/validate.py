"""``aml validate``: conda parity between the conda file, the registered environment, and the interpreter here."""

from __future__ import annotations

from pathlib import Path

import click

from runner import conda, config, settings, talk
from runner.errors import Mistake
from runner.options import Command, with_settings
from runner.paths import BATCH_SINGLE_STEP, JobFolder

NEEDS = (*settings.TARGET, settings.ENVIRONMENT, settings.ENVIRONMENT_VERSION)


@click.command(cls=Command)
@click.option(
    "--config-path", type=click.Path(dir_okay=False, path_type=Path), help="cfg/config.yaml of the job by default."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the configuration.")
@click.option("--job-folder", default=BATCH_SINGLE_STEP, show_default=True, help="The folder with job.yml.")
@click.option("--python", type=click.Path(path_type=Path), help="Another interpreter than the one that runs this.")
@click.option("--offline", is_flag=True, help="Do not ask for the registered environment.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    given: settings.Given,
    config_path: Path | None,
    overrides: tuple[str, ...],
    job_folder: str,
    python: Path | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Are the dependencies the same in the conda file, the registered environment and the local interpreter?

    Exit code 1 and a table when they are not.
    """
    read = config.read(config_path or JobFolder.find(job_folder).config, overrides)
    here = conda.packages(conda.read(read.conda_file), f"'{read.conda_file}'")
    registered = None
    image: list[conda.Difference] = []
    if not offline:
        from runner import resources
        from runner.workspace import Workspace

        workspace = Workspace(settings.load(given, needs=NEEDS))
        found = resources.find_environment(workspace.check())
        if found is None:
            name = f"{workspace.settings[settings.ENVIRONMENT]}:{workspace.settings[settings.ENVIRONMENT_VERSION]}"
            talk.say(f"note: environment {name} is not registered; aml experiment makes it from the conda file")
        else:
            registered = resources.registered_packages(found)
            image = resources.image_difference(found, read)
    differing = [*image, *conda.differences(here, registered=registered, installed=conda.installed(python))]
    if as_json:
        talk.show_json([vars(one) for one in differing])
    elif differing:
        for line in talk.table(conda.HEAD, conda.rows(differing)):
            talk.show(line)
    talk.say(
        f"{len(differing)} of {len(here)} packages differ" if differing else f"all {len(here)} packages are the same"
    )
    return Mistake.exit_code if differing else 0

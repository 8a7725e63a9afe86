"""``aml settings``: what was resolved, and from where."""

from __future__ import annotations

from pathlib import Path

import click

from runner import settings, talk
from runner.errors import Mistake
from runner.options import Command, with_settings


@click.command(cls=Command)
@click.option("--write-env", type=click.Path(dir_okay=False, path_type=Path), help="Write the settings into this file.")
@click.option(
    "--write-variables",
    metavar="NAME",
    help="Write the outputs of the stack NAME (or --stack) into devops_pipelines/variables/NAME.yaml.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file of --write-env where it holds something else.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(
    given: settings.Given, write_env: Path | None, write_variables: str | None, overwrite: bool, as_json: bool
) -> None:
    """Show the nine settings and the source of each; --write-env writes them as a .env, with --stack what the stack put out."""
    stack = given.stack or write_variables
    if stack and (write_env or write_variables):
        found = settings.of_stack(stack, given)
    else:
        found = settings.load(given, needs=settings.NAMES if write_env else ())
    talk.say_notes(found)
    if write_env:
        text = settings.written(found)
        if write_env.exists() and write_env.read_text("utf-8") != text and not overwrite:
            raise Mistake(f"'{write_env}' holds other settings.", next="add --overwrite, or name another file")
        write_env.write_text(text, "utf-8")
        talk.say(f"wrote {write_env}")
    if write_variables:
        from runner import variables

        talk.say(f"wrote {variables.write(write_variables, found)}")
    if as_json:
        talk.show_json(
            {name: {"value": found.values.get(name), "source": found.origins.get(name)} for name in settings.NAMES}
        )
        return
    rows = [(name, found.values.get(name, "-"), found.origins.get(name, "nowhere")) for name in settings.NAMES]
    for line in talk.table(("setting", "value", "from"), rows):
        talk.show(line)

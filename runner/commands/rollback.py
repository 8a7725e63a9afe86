"""``aml rollback``: the release that served before serves again."""

from __future__ import annotations

import click

from runner import settings, talk
from runner.options import Command, with_settings


@click.command(cls=Command)
@click.option("--to", "version", metavar="VERSION", help="This release, instead of the one that served before.")
@with_settings
def command(given: settings.Given, version: str | None) -> None:
    """Make the release that served before serve again. Prints its version."""
    found = settings.load(given, needs=(*settings.TARGET, settings.ENDPOINT, settings.DATASTORE))
    talk.say_target(found)

    from runner import publishing
    from runner.workspace import Workspace

    now = publishing.rollback(Workspace(found), version)
    talk.say(f"release {now} serves")
    talk.show(now)

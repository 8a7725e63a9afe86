"""``aml releases``: what was published, and which of it serves."""

from __future__ import annotations

import json

import click

from runner import names, settings, talk
from runner.errors import Mistake
from runner.options import Command, with_settings


@click.command(cls=Command)
@click.argument("version", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def command(given: settings.Given, version: str | None, as_json: bool) -> None:
    """List the releases, the latest first; with a VERSION, print its manifest."""
    found = settings.load(given, needs=(*settings.TARGET, settings.ENDPOINT, settings.DATASTORE))
    talk.say_notes(found)

    from runner import release
    from runner.datastore import Datastore
    from runner.endpoint import Endpoint
    from runner.workspace import Workspace

    workspace = Workspace(found)
    endpoint = Endpoint(workspace)
    endpoint.require()
    store = Datastore.open(workspace, found[settings.DATASTORE])
    every = release.all_of(store, endpoint.name)
    if version is not None:
        chosen = next((one for one in every if one.version == version.removeprefix(release.PREFIX)), None)
        if chosen is None:
            raise Mistake(
                f"Endpoint '{endpoint.name}' has no release '{version}'. "
                f"{names.near(version, [one.version for one in every])}",
                next=f"aml releases{found.flags}",
            )
        talk.show(chosen.text().rstrip())
        return
    serving, there = endpoint.serving(), endpoint.deployments()
    states = {
        one.version: "serves" if one.deployment == serving else "kept" if one.deployment in there else "removed"
        for one in every
    }
    if as_json:
        talk.show_json([{"state": states[one.version], **json.loads(one.text())} for one in every])
        return
    if serving is not None and serving not in {one.deployment for one in every}:
        talk.say(f"note: deployment {serving} serves, which no release made")
    head = ("version", "state", "when", "who", "commit", "component", "models")
    rows = [
        (
            one.version,
            states[one.version],
            one.when.isoformat(timespec="seconds"),
            one.who or "",
            f"{(one.commit or '')[:10]}{'+' if one.dirty else ''}",
            one.component.name,
            ", ".join(f"{model.name}:{model.version}" for model in one.models),
        )
        for one in every
    ]
    for line in talk.table(head, rows):
        talk.show(line)

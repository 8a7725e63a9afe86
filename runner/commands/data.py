"""``aml data``: what lies in the datastore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import settings, talk
from runner.options import Group, with_settings

if TYPE_CHECKING:
    from runner.datastore import Datastore

NEEDS = (*settings.TARGET, settings.DATASTORE)


@click.group(cls=Group)
def command() -> None:
    """Put files into the datastore, fetch them, and see what lies there."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("path")
@click.option("--overwrite", is_flag=True, help="Replace what lies there with other content.")
@with_settings
def upload(given: settings.Given, file: Path, path: str, overwrite: bool) -> None:
    """Put FILE at PATH below the datastore's root; into the folder PATH, when it ends with a slash."""
    store = _open(given, changes=True)
    target, new = store.upload(file, path, overwrite=overwrite)
    talk.say(f"{file} is {'now' if new else 'already'} at /{target}")
    talk.show(store.uri(target))


@command.command()
@click.argument("path")
@click.argument("to", type=click.Path(path_type=Path), default=".")
@click.option("--overwrite", is_flag=True, help="Replace a file of other content that is there.")
@with_settings
def download(given: settings.Given, path: str, to: Path, overwrite: bool) -> None:
    """Fetch the file at PATH below the datastore's root into the folder TO, or as the file TO."""
    talk.show(str(_open(given).download(path, to, overwrite=overwrite)))


@command.command("list")
@click.argument("path", default="/")
@click.option("-r", "--recursive", is_flag=True, help="All that lies below, not only what lies directly there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings
def list_(given: settings.Given, path: str, recursive: bool, as_json: bool) -> None:
    """List what lies at PATH below the datastore's root."""
    store = _open(given)
    found = list(store.entries(path, deep=recursive))
    if not found and path.strip("/"):
        raise store.missing(path)
    if as_json:
        talk.show_json([{"path": f"/{entry.path}", "size": entry.size, "changed": entry.changed} for entry in found])
        return
    rows = [
        (
            f"/{entry.path}",
            "-" if entry.size is None else entry.size,
            entry.changed.isoformat(timespec="seconds") if entry.changed else "-",
        )
        for entry in found
    ]
    for line in talk.table(("path", "bytes", "changed"), rows):
        talk.show(line)


def _open(given: settings.Given, *, changes: bool = False) -> Datastore:
    found = settings.load(given, needs=NEEDS)
    (talk.say_target if changes else talk.say_notes)(found)
    from runner.datastore import Datastore
    from runner.workspace import Workspace

    return Datastore.open(Workspace(found), found[settings.DATASTORE])

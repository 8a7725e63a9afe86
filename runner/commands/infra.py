"""``aml infra``: stacks looked at before they are applied, applied as they were looked at, mended. Parse, call, print."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import project, talk
from runner.options import Group

if TYPE_CHECKING:
    from infra.changes import Change

stack_option = click.option("--stack", required=True, metavar="NAME", help="local, dev, prod …")
config_option = click.option(
    "-c", "--config", "config", multiple=True, metavar="KEY=VALUE", help="Instead of what the stack's file says."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def command() -> None:
    """The stacks' infrastructure: judged, planned, applied as planned, and watched for drift."""


@command.command()
@stack_option
@config_option
@json_option
def check(stack: str, config: tuple[str, ...], as_json: bool) -> int:
    """Judge a stack by the rules of policies/, without an engine and without Azure.

    Exit code 1 when something is against a rule. The engine runs the same rules: pulumi preview --policy-pack policies
    """
    from runner import judgement

    judged = judgement.judge(stack, config)
    if as_json:
        talk.show_json([vars(violation) for violation in judged.violations])
    for violation in () if as_json else judged.violations:
        value = "not set" if violation.value is None else repr(violation.value)
        talk.show(f"{violation.rule:30} {violation.resource} ({violation.type}): {violation.property} is {value}")
        for line in (violation.reason, f"fix: {violation.fix}", violation.link):
            talk.show(f"{'':30} {line}")
    against = len(judged.violations)
    said = f"{against} against them" if against else "nothing against them"
    talk.say(f"stack {stack}: {judged.resources} resources, {judged.rules} rules, {said}")
    return 1 if against else 0


@command.command()
@stack_option
@config_option
def export(stack: str, config: tuple[str, ...]) -> int:
    """Print a stack as an ARM template, for scanners to read: without an engine and without Azure.

    What only Azure knows, the object ids of identities and an account's key, is made up.
    """
    from runner import judgement

    with judgement.stack_errors(stack):
        from infra.export import template

        found = template(stack, judgement.configured(stack, config)[1])
    talk.show_json(found)
    talk.say(f"stack {stack}: {len(found['resources'])} resources")
    return 0


@command.command()
@stack_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan, for aml infra apply.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option(
    "--allow-replace", "allowed", multiple=True, metavar="NAME", help="Let this resource be replaced or deleted."
)
def plan(stack: str, out: Path | None, markdown: bool, allowed: tuple[str, ...]) -> None:
    """Show what the Pulumi engine would do, and write it down. Changes nothing.

    Refused (exit code 1) where a workspace, storage account, container, registry, vault, cluster or resource group would be
    replaced or deleted that no --allow-replace names, by the program's name for it or Azure's.
    """
    from runner import planned, planning

    made = planning.plan(stack, allowed)
    if out is not None and not planning.refused(made):
        made.write(out)
    if markdown:
        talk.show(planned.markdown(made))
    else:
        _show(made.changes)
        if made.drift:
            talk.show("\nchanged by hand since the last update:")
            _show(made.drift)
    talk.say(f"stack {stack}: {planned.counted(made.counts)}")
    planning.gate(made)
    if out is not None:
        talk.say(f"next: aml infra apply --plan {project.shown(out)}")


@command.command()
@click.option(
    "--plan", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A plan's file."
)
def apply(file: Path) -> None:
    """Carry out exactly the plan that was reviewed.

    Refused (exit code 1) where the code, the stack's state or Azure itself is not what it was when the plan was made.
    """
    from runner import planning

    talk.say(f"stack {planning.apply(file)}: applied as planned")


@command.command()
@stack_option
def outputs(stack: str) -> None:
    """Print what a stack has put out, as JSON: the settings of its workspace, whatever this process is set to."""
    from runner import stacks

    talk.show_json(stacks.read(stack).outputs)


@command.command()
@stack_option
@json_option
def drift(stack: str, as_json: bool) -> int:
    """Show what in Azure is otherwise than it was applied, property by property. Changes nothing.

    Silent, with exit code 0, when nothing is; exit code 1 otherwise. What azure-native is known to read back wrongly is left
    out.
    """
    from dataclasses import asdict

    from runner import planning

    found = planning.drift(stack)
    if as_json:
        talk.show_json([asdict(change) for change in found])
    elif found:
        _show(found)
    return 1 if found else 0


@command.command()
@stack_option
def recover(stack: str) -> None:
    """Mend the state of a stack whose last update was killed; only when no update is at work.

    The lock is taken away. What was being made is looked for in Azure: what is there is taken into the state, for the next
    update to finish; what is not is forgotten, and made by the next.
    """
    from runner import planning

    left = planning.recover(stack)
    for one in left:
        talk.show(f"{one.name}: {'taken into the state' if one.there else 'not made, forgotten'}  {one.id}")
    talk.say(f"stack {stack}: {len(left)} resources were being made")
    talk.say(f"next: aml infra plan --stack {stack}, or pulumi up --stack {stack}")


def _show(changes: Iterable[Change]) -> None:
    from runner import planned

    changes = tuple(changes)
    live = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if live else None
    for line in planned.table(changes, width=width, colours=live) if changes else ["nothing changes"]:
        talk.show(line)

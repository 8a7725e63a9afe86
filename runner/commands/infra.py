"""``aml infra``: the stacks, looked at before they are applied. Parse, call, print."""

from __future__ import annotations

import click

from runner import talk
from runner.options import Group

stack_option = click.option("--stack", required=True, metavar="NAME", help="local, dev, prod …")
config_option = click.option(
    "-c", "--config", "config", multiple=True, metavar="KEY=VALUE", help="Instead of what the stack's file says."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def command() -> None:
    """The stacks' infrastructure, looked at before it is applied."""


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

"""``aml local``: Azure on this machine. Parse, call ``runner.local``, print."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from runner import local, project, settings, talk
from runner.errors import Mistake
from runner.options import Group
from runner.progress import Progress, duration

if TYPE_CHECKING:
    from infra.apply import Applied
    from infra.outcome import Done

# As emulator.faults has them, which is not imported for a line of help.
FAULTS = ("conflict", "throttle", "error", "forbidden", "operation-fails", "stuck-delete", "role-delay")
COLOURS = {"2": "green", "3": "cyan", "4": "yellow", "5": "red"}


def _posix(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{escaped}'"


def _powershell(name: str, value: str) -> str:
    escaped = value.replace("'", "''")
    return f"$env:{name} = '{escaped}'"


def _dotenv(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


SHELLS: Mapping[str, Callable[[str, str], str]] = {
    "bash": _posix,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
}


stack_option = click.option("--no-stack", is_flag=True, help="Do not apply the stack: Pulumi's own engine will.")


@click.group(cls=Group)
def command() -> None:
    """The emulator on this machine, with the local stack applied.

    Its state is in one folder: AML_LOCAL_HOME, else .local at the project's top.
    """


@command.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The port to ask for; another one where it is taken.")
@click.option("--prune", is_flag=True, help="Delete what an earlier up made and the program no longer has.")
@stack_option
def up(port: int | None, prune: bool, no_stack: bool) -> None:
    """Start the emulator and apply the local stack; safe to repeat."""
    bring_up(port, stack=not no_stack, prune=prune)
    if no_stack:
        return
    talk.say("next:")
    talk.say("  aml data upload FILE /FILE --stack local")
    talk.say("  aml experiment --stack local --input-data-path /FILE --output-data-path /")
    talk.say("  aml pipeline --stack local --input /FILE")
    talk.say(f"  {use()}    # any other client of Azure, in this shell")
    talk.say("  aml local status | logs | down")


def bring_up(port: int | None = None, *, stack: bool = True, prune: bool = False) -> None:
    """Up, and what it did, told."""

    def report(done: Done) -> None:
        if done.change != "unchanged":
            mark = {"created": "+", "updated": "~"}[done.change]
            kind = done.type.partition("/")[2]
            what = f" ({', '.join(done.differing)})" if done.change == "updated" else ""
            talk.say(f"  {click.style(mark, fg='green')} {kind:<44} {done.id.rpartition('/')[2]}{what}")

    talk.say(f"target: the emulator on this machine, state in {project.shown(project.state_folder())}")
    with Progress() as progress:
        progress.at("starting the emulator and applying the stack" if stack else "starting the emulator", 0)
        found = local.up(port=port, stack=stack, prune=prune, report=report)
    if found.applied is not None:
        _say(found.applied, found.apply_seconds)
    if found.asked is not None:
        why = "is taken" if found.started else "was asked for, and the emulator ran already"
        talk.say(f"note: port {found.asked} {why}")
    how = f"started in {found.start_seconds:.1f} s" if found.started else "was running"
    talk.say(f"emulator {how}: {found.address}")
    if found.applied is not None:
        talk.say(f"settings: {project.shown(found.file)}")
    else:
        talk.say("next: aml infra plan --stack local --out local.plan && aml infra apply --plan local.plan")


def _say(applied: Applied, seconds: float) -> None:
    counts = [done.change for done in applied.resources]
    said = ", ".join(f"{counts.count(change)} {change}" for change in dict.fromkeys(sorted(counts)))
    talk.say(f"stack local: {said} in {seconds:.1f} s")
    for id in applied.deleted:
        talk.say(f"  - deleted {id}")
    for id in applied.left:
        talk.say(f"note: {id} is no longer in the program and stays; aml local up --prune deletes it")


@command.command()
def down() -> None:
    """Stop the emulator and all that it started."""
    talk.say("stopped" if local.down() else "no emulator was running")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say what runs, where, since when, in which version."""
    found = local.status()
    if as_json:
        values = {**vars(found), "folder": str(found.folder), "children": [vars(child) for child in found.children]}
        talk.show_json(values)
        return
    lines = [("emulator", "running" if found.running else "stopped"), ("state", project.shown(found.folder))]
    if found.running:
        assert found.since is not None, "An emulator that runs wrote down since when."
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.since))
        lines += [
            ("address", str(found.address)),
            ("since", f"{moment} ({duration(time.time() - found.since)})"),
            ("version", str(found.version)),
            ("process", f"{found.pid}"),
            *(("", f"{child.pid}  {child.name}, {child.megabytes:.0f} MB") for child in found.children),
            ("jobs", f"{found.jobs} running"),
        ]
    if found.outputs:
        lines.append(("stack", f"local, {found.resources} resources, workspace {found.outputs[settings.WORKSPACE]}"))
    for name, value in lines:
        talk.show(f"{name:<10}{value}")
    if not found.running:
        talk.say("next: aml local up")


@command.command()
@click.option(
    "--shell", type=click.Choice([*SHELLS, "json"]), help="Whose syntax; fish where SHELL says so, otherwise bash."
)
def env(shell: str | None) -> None:
    """Print what any other client needs.

    The proxy, the CA files, the credential, and the nine settings of the stack.
    """
    values = local.environment()
    if shell == "json":
        talk.show_json(values)
        return
    line = SHELLS[shell or _shell()]
    for name, value in values.items():
        talk.show(line(name, value))


@command.command()
@click.option("--yes", is_flag=True, help="Also where jobs are running.")
@stack_option
def reset(yes: bool, no_stack: bool) -> None:
    """Remove every resource, job and blob.

    The CA, the credential and the environments that were built stay; where the emulator ran, it runs again, with the stack
    applied anew.
    """
    running = local.jobs_running() if local.status().running else 0
    if running and not yes:
        said = "1 job is running" if running == 1 else f"{running} jobs are running"
        if not sys.stdin.isatty():
            raise Mistake(f"{said}.", next="wait until they end, or: aml local reset --yes")
        click.confirm(f"{said}. Stop and remove everything?", abort=True, err=True)
    ran = local.reset()
    talk.say(f"{project.shown(project.state_folder())} is empty")
    if ran:
        bring_up(stack=not no_stack)
    else:
        talk.say("next: aml local up")


@command.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="How many to begin with.")
@click.option("--emulator", is_flag=True, help="What the emulator itself says, instead of the requests.")
def logs(follow: bool, lines: int, emulator: bool) -> None:
    """Show the requests that were answered, a line each.

    Time, status, method, host and path, duration, client, request id.
    """
    file = local.log("emulator" if emulator else "requests")
    try:
        for line in local.follow(file, lines, forever=follow):
            talk.show(_coloured(line.rstrip("\n")))
    except KeyboardInterrupt:  # how following ends
        return


@command.group(cls=Group)
def fault() -> None:
    """Failures of Azure on demand, to see what a client makes of them.

    They are gone when the emulator stops.
    """


@fault.command("add")
@click.argument("kind", type=click.Choice(FAULTS))
@click.option("--path", default="", metavar="TEXT", help="For requests to Resource Manager whose path has this in it.")
@click.option("--method", "methods", multiple=True, help="For this method alone; may be repeated.")
@click.option("--times", type=click.IntRange(0), default=1, show_default=True, help="So many; 0: until it is removed.")
@click.option("--each", is_flag=True, help="So many for each path by itself.")
@click.option(
    "--seconds", type=click.IntRange(0), default=1, show_default=True, help="Of Retry-After, or of a role's delay."
)
def add_fault(kind: str, **how: Any) -> None:
    """Switch a failure on: conflict (409), throttle (429), error (500), forbidden (403), operation-fails, stuck-delete,
    role-delay.

    operation-fails and stuck-delete: a long operation is accepted, and ends Failed, or does not end. role-delay: a role
    assignment counts only after so many seconds.
    """
    made = local.add_fault(kind=kind, **how)
    talk.say(f"fault {made['id']}: {kind} is on; aml local fault remove {made['id']} takes it back")


@fault.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_faults(as_json: bool) -> None:
    """Show what is switched on, and how often it was met."""
    found = local.faults()
    if as_json:
        talk.show_json(found)
        return
    columns = ("id", "kind", "path", "times", "each", "seconds", "met")
    for line in talk.table(columns, [[one[name] for name in columns] for one in found]):
        talk.show(line)


@fault.command("remove")
@click.argument("id", type=int, required=False)
def remove_fault(id: int | None) -> None:
    """Switch the failure ID off, or all."""
    local.remove_faults(id)


def _coloured(line: str) -> str:
    if not sys.stdout.isatty():
        return line
    return re.sub(r"^(\S+ )(([2-5])\d\d) ", lambda at: f"{at[1]}{click.style(at[2], fg=COLOURS[at[3]])} ", line)


def _shell() -> str:
    return "fish" if os.environ.get("SHELL", "").endswith("fish") else "bash"


def use() -> str:
    """What a person types to set a shell up."""
    return "aml local env | source" if _shell() == "fish" else 'eval "$(aml local env)"'

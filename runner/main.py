"""The command line ``aml``: the table of commands, and the one place where errors are printed.

Must stay here: a command is imported when it is called, and its one line of help stands in the table, so that
``aml --help`` imports no Azure package. Must not: anything about what a command does.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import click

from runner.errors import CloudError, Mistake, RunnerError

# name -> the module that has it as its attribute ``command``, and what it does
COMMANDS: dict[str, tuple[str, str]] = {
    "local": ("runner.commands.local", "Azure on this machine: up, down, status, env, logs, reset."),
    "infra": ("runner.commands.infra", "The stacks' infrastructure: judged by the rules before it is applied."),
    "demo": ("runner.commands.demo", "The whole main job on this machine, from nothing: no Azure account."),
    "experiment": ("runner.commands.experiment", "Run the ad hoc experiment on data in the datastore."),
    "pipeline": ("runner.commands.pipeline", "Run the training pipeline, its steps shown as they go."),
    "publish": ("runner.commands.publish", "Publish a release behind the batch endpoint, tried before it serves."),
    "rollback": ("runner.commands.rollback", "Make the release that served before serve again."),
    "releases": ("runner.commands.releases", "List what was published, and which of it serves."),
    "invoke": ("runner.commands.invoke", "Score data with the release that serves."),
    "validate": (
        "runner.commands.validate",
        "Compare the conda file, the registered environment and this interpreter.",
    ),
    "jobs": ("runner.commands.jobs", "List, show, follow, cancel, download, archive jobs."),
    "data": ("runner.commands.data", "Put files into the datastore, fetch them, see what lies there."),
    "doctor": (
        "runner.commands.doctor",
        "Look for what would fail later: settings, sign-in, roles, names, quota, pins.",
    ),
    "settings": ("runner.commands.settings", "Show what was resolved, and from where; write a .env."),
}
INTERRUPTED = 130  # what shells report for Ctrl-C


class Commands(click.Group):
    """The commands of the table, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command), f"{COMMANDS[cmd_name][0]}.command is a click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from runner.names import near

            raise click.UsageError(f"There is no command '{args[0]}'. {near(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error. May stand anywhere on the line.")
@click.version_option(package_name="azure-ml-as-code", prog_name="aml")
def aml(debug: bool) -> None:
    """Azure Machine Learning as code: run experiments, look after jobs and data, on Azure or on the local emulator.

    Results go to stdout, talk goes to stderr. Exit codes: 0 done, 1 a mistake in what was asked, 2 something of ours
    or Azure's does not work, 3 the job failed.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; may be called again and again in one process.

    What a command sets in ``os.environ`` (a stack's proxy, CA and credential) is taken back when it ends.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    args = [arg for arg in given if arg != "--debug"]
    debug = len(args) < len(given)
    with _environment_restored():
        try:
            with aml.make_context("aml", args or ["--help"]) as context:
                return int(aml.invoke(context) or 0)
        except click.exceptions.Exit as ended:
            return ended.exit_code
        except click.UsageError as error:
            mistake = Mistake(error.format_message(), next=f"{error.ctx.command_path} --help" if error.ctx else None)
            click.echo("\n".join(mistake.lines()), err=True)
            return mistake.exit_code
        except click.ClickException as error:
            click.echo(f"error: {error.format_message()}", err=True)
            return Mistake.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            return INTERRUPTED
        except BrokenPipeError:  # the reader of our stdout has seen enough: `aml jobs list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:  # noqa: B902 - nothing that a user can cause ends in a traceback
            if debug:
                traceback.print_exc()
            failure = _explained(error)
            click.echo("\n".join(failure.lines()), err=True)
            return failure.exit_code


def _explained(error: Exception) -> RunnerError:
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, ConnectionError):
        return Mistake(f"'{error.filename}': {error.strerror}.")
    from runner import azure_errors

    if azure_errors.belongs(error):
        return azure_errors.explain(error)
    return CloudError(
        f"a fault of aml's own: {type(error).__name__}: {error}",
        next="the same command with --debug shows where",
    )


@contextmanager
def _environment_restored() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


if __name__ == "__main__":
    sys.exit(main())

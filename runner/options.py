"""The options that every command has: the nine settings, the stack, the ``.env``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runner import settings
from runner.settings import Given

FLAGS = {
    "--workspace": settings.WORKSPACE,
    "--subscription": settings.SUBSCRIPTION,
    "--resource-group": settings.GROUP,
    "--compute": settings.COMPUTE,
    "--experiment-name": settings.EXPERIMENT,
    "--datastore": settings.DATASTORE,
    "--endpoint": settings.ENDPOINT,
    "--environment-name": settings.ENVIRONMENT,
    "--environment-version": settings.ENVIRONMENT_VERSION,
}


HELP = ("-h", "--help")


class SettingOption(click.Option):
    """An option that stands in a section of its own in the help."""


class Command(click.Command):
    """A command whose help shows its own options first and the settings after them, the same with and without its parent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"help_option_names": HELP, **self.context_settings}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Settings": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                sections["Settings" if isinstance(parameter, SettingOption) else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """A group of such commands; called without one, it says that one is missing."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False} | kwargs)


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options and hand them to the command as its first argument, a ``Given``."""

    @functools.wraps(function)
    def called(*args: Any, stack: str | None, env_file: Path | None, **kwargs: Any) -> Any:
        values = {name: kwargs.pop(name.lower()) for name in FLAGS.values()}
        given = Given({name: value.strip() for name, value in values.items() if value is not None}, stack, env_file)
        return function(given, *args, **kwargs)

    for flag, name in reversed(FLAGS.items()):
        called = click.option(flag, name.lower(), metavar="NAME", cls=SettingOption, help=name)(called)
    called = click.option(
        "--env-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        cls=SettingOption,
        help="Instead of the .env of this folder or one above it.",
    )(called)
    return click.option(
        "--stack", metavar="NAME", cls=SettingOption, help="Work on the target of this stack: local, dev, prod …"
    )(called)


def with_configuration(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``config_path`` and ``overrides``, of which ``runner.config`` makes the configuration of a job's folder."""
    changed = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change the configuration: compute.max_instances=2",
    )(function)
    return click.option(
        "--config-path",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Compute and environment to make where there are none; cfg/config.yaml of the job's folder by default.",
    )(changed)

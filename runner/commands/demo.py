"""``aml demo``: the whole main job on this machine, from nothing. What it does is what it shows: commands that anyone can type."""

from __future__ import annotations

from pathlib import Path

import click

from runner import project, talk
from runner.commands import local
from runner.errors import Mistake
from runner.options import Command

DATA = "jobs/data/iris_dataset.csv"
THERE = "/iris_dataset.csv"
COMPUTE = "demo-cluster"  # not the stack's own: the first demo shows that a compute that does not exist is made


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1, 65535), help="The port to ask for; another one where it is taken.")
def command(port: int | None) -> None:
    """Run the Iris experiment on this machine, from nothing: no Azure account.

    Starts the emulator, applies the local stack, uploads the Iris file, runs the experiment; safe to repeat.
    """
    data = _data()
    _step("1/3", "Azure on this machine, and the workspace that the stack describes", ["local", "up"])
    local.bring_up(port)
    _step("2/3", "the data, into the container flatfilestorage", upload := _upload(data))
    _run(upload)
    _step("3/3", "the experiment: compute and environment are found, or made", experiment := _experiment())
    _run(experiment)
    talk.say("")
    talk.say(click.style("And then", bold=True))
    lines = (
        ("aml jobs list --stack local", "this job, and the ones before it"),
        ("aml experiment --help", "your own job folder, your own data"),
        (local.use(), "any other client of Azure, in this shell"),
        ("aml local status", "what runs; local down stops it, its state stays"),
    )
    for words, what in lines:
        talk.say(f"  {words:<{max(len(words) for words, _ in lines)}}   {click.style(what, dim=True)}")


def _upload(data: Path) -> list[str]:
    return ["data", "upload", project.shown(data), THERE, "--stack", "local"]


def _experiment() -> list[str]:
    paths = ["--input-data-path", THERE, "--output-data-path", "/"]
    return ["experiment", *paths, "--compute", COMPUTE, "--stack", "local"]


def _step(number: str, title: str, words: list[str]) -> None:
    talk.say("")
    talk.say(f"{click.style(number, fg='cyan', bold=True)} {click.style(title, bold=True)}")
    talk.say(click.style(f"    $ aml {' '.join(words)}", dim=True))


def _run(words: list[str]) -> None:
    """A command of ``aml`` in this process; what it raises rises to ``runner.main``, which prints it."""
    from runner.main import aml

    aml.main(words, prog_name="aml", standalone_mode=False)


def _data() -> Path:
    found = project.find(DATA) or project.CHECKOUT / DATA
    if not found.is_file():
        raise Mistake(f"There is no '{DATA}' here: the demo runs in a checkout of the repository.")
    return found

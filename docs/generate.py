"""The pages that the code can say itself.

``python -m docs.generate`` writes them, ``tests/test_docs.py`` checks that they are fresh.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

FOLDER = Path(__file__).parent
WIDTH = 100
SETTINGS = "\nSettings:\n"  # the section of a command's help that is the same for all that have it
VERBS = ("GET", "LIST", "PUT", "PATCH", "DELETE")
NOTE = "<!-- Written by python -m docs.generate: change the code, not this file. -->"


def commands() -> str:
    """``aml.md``: the help of every command."""
    from runner.main import aml

    shared, parts = "", []
    for words, text in _helps(aml, "aml", None):
        text, section, settings = text.partition(SETTINGS)
        shared = shared or settings.rstrip()
        takes = "\n\nTakes the [settings](#settings) too." if section else ""
        parts.append(f"## {words}\n\n```\n{text.rstrip()}\n```{takes}\n")
    head = f"# aml\n\n{NOTE}\n\n## settings\n\nOptions that most commands take; what they are: [the runner](runner.md#settings).\n"
    return "\n".join([head, f"```\n{shared}\n```\n", *parts])


def _helps(command: click.Command, words: str, above: click.Context | None) -> Iterator[tuple[str, str]]:
    # The width is given, so that the page does not depend on whose terminal wrote it.
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=words.rpartition(" ")[2], parent=above, **settings)
    yield words, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, "A group has the commands that it lists."
            yield from _helps(found, f"{words} {name}", context)


def resources() -> str:
    """``resources.md``: every resource type with its verbs and actions, and every other route by host."""
    from emulator.gateway.hosts import CONTROLS
    from emulator.routes import load

    table, kinds = load()
    lines = [
        "# Resource types and routes",
        "",
        NOTE,
        "",
        "What is behind each is on the page [what is emulated](emulated.md). ~~Struck~~: known, and answered by 501 with its name.",
        "",
        "| resource type | verbs | actions (POST) |",
        "|---|---|---|",
    ]
    for kind in kinds:
        own = {"GET": kind.get, "LIST": kind.list, "PUT": kind.put, "PATCH": kind.patch, "DELETE": kind.delete}
        verbs = " ".join(_struck(verb, own[verb]) for verb in VERBS if verb in kind.verbs) or "routes below"
        actions = " ".join(_struck(f"`{name}`", handler) for name, handler in kind.actions.items())
        lines.append(f"| `{kind.type}` | {verbs} | {actions} |")
    hosts: dict[str, dict[str, list[str]]] = {}
    for route in table.routes:
        if route.path != "/{path:path}":  # the way to the table above
            shown = _struck(route.method, route.handler)
            hosts.setdefault(route.host, {}).setdefault(route.path, []).append(shown)
    for stream in table.streams:
        hosts.setdefault(stream.host, {}).setdefault(f"{stream.path}…", []).append("all")
    same: dict[str, list[str]] = {}
    for host, paths in hosts.items():
        rows = "\n".join(f"| {' '.join(methods)} | `{_path(path)}` |" for path, methods in paths.items())
        same.setdefault(rows, []).append("the emulator's own port" if host == CONTROLS else f"`{host}`")
    for rows, names in same.items():
        lines += ["", f"**{', '.join(names)}**", "", "| | path |", "|---|---|", rows]
    return "\n".join(lines) + "\n"


def roles() -> str:
    """``roles.md``: every role that a stack assigns, to whom, on what and why."""
    from infra import grants

    lines = [
        "# Roles",
        "",
        NOTE,
        "",
        "What a stack assigns, and nothing more; the keys are [the stack's](stacks.md).",
        "",
        "| who | role | on | why |",
        "|---|---|---|---|",
    ]
    for grant in grants.GRANTS:
        when = f"; where {grants.WHEN[grant.when]}" if grant.when else ""
        lines.append(f"| {grants.WHO[grant.who]} | {grant.role} | {grants.SCOPES[grant.on]} | {grant.why}{when} |")
    lines += ["", "Nothing is assigned to", ""]
    lines += [f"- {who}: {why}." for who, why in grants.NOTHING.items()]
    return "\n".join(lines) + "\n"


def _path(path: str) -> str:
    return path.replace(":path}", "…}")


def _struck(text: str, handler: Callable[..., Any] | None) -> str:
    return f"~~{text}~~" if handler is not None and _refuses(handler) else text


def _refuses(handler: Callable[..., Any]) -> bool:
    """Whether all that a handler does is to raise."""
    function = ast.parse(textwrap.dedent(inspect.getsource(handler))).body[0]
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)), "A handler is a function."
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return isinstance(body[0], ast.Raise)


def rules() -> str:
    """``policies.md``: every rule, what it looks at, where it holds and why."""
    from policies import RULES

    lines = [
        "# Policies",
        "",
        NOTE,
        "",
        "Rules that every stack must meet, each a small function in `policies/`. `aml infra check --stack prod` runs them in",
        "seconds, with no engine and no Azure; `pulumi preview --policy-pack policies` has the engine run them. What an",
        "organisation decides (regions, sizes, tags, idle time): [`policies/allowed.yaml`](../policies/allowed.yaml).",
        "",
        "| rule | looks at | where | why |",
        "|---|---|---|---|",
    ]
    for rule in RULES:
        kinds = ", ".join(f"`{kind}`" for kind in rule.kinds) or "everything"
        where = "production" if rule.production else "every stack" if rule.laptop else "every stack but `local`"
        lines.append(f"| `{rule.name}` | {kinds} | {where} | {rule.reason} ([more]({rule.link})) |")
    return "\n".join(lines) + "\n"


PAGES = {"aml.md": commands, "policies.md": rules, "resources.md": resources, "roles.md": roles}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")

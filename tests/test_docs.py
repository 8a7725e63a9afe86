"""The documents say what is there: nothing is undocumented, nothing documented is gone, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from dotenv import dotenv_values

from docs import generate
from emulator import routes
from emulator.gateway import hosts
from emulator.machinelearning import curated
from emulator.management.kinds import Kind
from runner import errors, main, options, settings

ROOT = Path(__file__).parents[1]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
MARKDOWN = [path for path in TRACKED if path.suffix == ".md"]
TEXTS = {path: path.read_text("utf-8") for path in MARKDOWN}
EMULATED = (ROOT / "docs" / "emulated.md").read_text("utf-8")
TABLE, KINDS = routes.load()
# A folder of somebody's machine. What is meant as an example says so: /home/me, C:\Users\me.
MACHINE = re.compile(r"(?<![\w.}~/-])/(?:root|work|(?:home|Users)/(?!me\b)\w+)/[\w.-]+")
LOCKS = ("requirements", "package-lock")


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# What is generated


@pytest.mark.parametrize("name", generate.PAGES)
def test_what_is_generated_is_fresh(name: str) -> None:
    written = (generate.FOLDER / name).read_text("utf-8")
    assert written == generate.PAGES[name](), f"docs/{name} is not what the code says: python -m docs.generate"


def test_a_handler_that_only_refuses_is_told_from_one_that_answers() -> None:
    async def refuses(call: object) -> None:
        """Always."""
        raise NotImplementedError

    async def answers(call: object) -> None:
        if call is None:
            raise NotImplementedError

    assert generate._struck("PUT", refuses) == "~~PUT~~"
    assert generate._struck("PUT", answers) == "PUT"


# The emulator


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_every_resource_type_is_described(kind: Kind) -> None:
    assert f"`{kind.namespace}`" in EMULATED
    assert f"`{kind.relative}`" in EMULATED


def test_no_resource_type_is_described_that_is_not_there() -> None:
    known = {kind.relative for kind in KINDS}
    rows = re.findall(r"^\| `Microsoft\.\w+` \| ([^|]+) \|", EMULATED, re.MULTILINE)
    rows += re.findall(r"^\| ((?:`workspaces[\w/]*`(?:, )?)+) \|", EMULATED, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`([\w/]+)`", row)}
    assert described == known


def test_every_host_is_described() -> None:
    answered = {route.host for route in TABLE.routes} | {stream.host for stream in TABLE.streams} | set(hosts.EMULATED)
    assert {host for host in answered if host != hosts.CONTROLS and f"`{host}`" not in EMULATED} == set()


@pytest.mark.parametrize(("host", "depth"), [("*.api.azureml.ms", 1), (hosts.CONTROLS, 2)])
def test_every_service_is_described(host: str, depth: int) -> None:
    services = {"/".join(route.path.split("/")[: depth + 1]) for route in TABLE.routes if route.host == host}
    assert {service for service in services if f"`{service}" not in EMULATED} == set()


def test_every_curated_environment_is_described_with_its_newest_version() -> None:
    for name in curated.names():
        found = curated.find(name)
        assert found is not None
        assert f"| `{name}` | {found.latest} | {found.python} |" in EMULATED


# The runner


def test_every_setting_is_in_the_example_and_in_the_documents() -> None:
    assert set(dotenv_values(ROOT / ".env.example")) == set(settings.NAMES)
    page = (ROOT / "docs" / "aml.md").read_text("utf-8")
    for flag, name in options.FLAGS.items():
        assert re.search(rf"{flag} NAME +{name}\b", page), name


def test_every_exit_code_is_described() -> None:
    page = (ROOT / "docs" / "runner.md").read_text("utf-8")
    known = {kind.exit_code for kind in errors.RunnerError.__subclasses__()} | {errors.DONE, main.INTERRUPTED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == known


def test_every_variable_of_our_own_is_described() -> None:
    code = [
        path for path in TRACKED if path.suffix == ".py" and shown(path).startswith(("emulator", "infra", "runner"))
    ]
    own = {name for path in code for name in re.findall(r"""["'](AML_[A-Z_]+)["']""", path.read_text("utf-8"))}
    assert own
    assert {name for name in own if not any(name in text for text in TEXTS.values())} == set()


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_every_command_that_is_shown_is_one_that_there_is(path: Path) -> None:
    for words in shown_commands(TEXTS[path]):
        check_command(words)


def shown_commands(text: str) -> Iterator[list[str]]:
    """The command lines of ``aml`` and ``make`` in a page's code, up to a comment, a pipe, or what stands for something."""
    lines = [
        line
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.split("\n")
    ]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines:
        found = re.match(r"""(?:\$ )?(?:eval "\$\()?(?:\.venv/bin/)?((?:aml|make) [a-z-][^#|;)]*)""", line.strip())
        if found:
            yield re.split(r" / | … ?|\s\[", found[1])[0].split()


def check_command(words: list[str]) -> None:
    name, *rest = words
    if name == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert not rest or rest[0] in targets, f"make {rest[0]}"
        return
    command: click.Command = main.aml
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        if command is main.aml:
            assert rest[0] in main.COMMANDS, " ".join(words)
            found: click.Command | None = import_module(main.COMMANDS[rest[0]][0]).command
        else:
            found = command.commands.get(rest[0])
        assert found is not None, " ".join(words)
        command, rest = found, rest[1:]
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help", "-h", "--debug"}
    given = {word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)}
    assert given <= known, f"{' '.join(words)}: {given - known}"


@pytest.mark.parametrize("line", ["aml nothing", "aml jobs nothing", "aml jobs list --nothing", "make nothing"])
def test_a_command_that_is_not_there_is_found_out(line: str) -> None:
    (words,) = shown_commands(f"Type `{line}`.")
    with pytest.raises(AssertionError):
        check_command(words)


# Decisions


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    decisions = sorted(path.name for path in folder.glob("[0-9]*.md"))
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \|", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [name for _, name in rows] == decisions
    for number, name in rows:
        assert name.startswith(f"{int(number):04}-")
        assert (folder / name).read_text("utf-8").startswith(f"# {number}. ")


# Links, paths, addresses


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_links_lead_somewhere(path: Path) -> None:
    assert broken(path, TEXTS[path]) == []


def test_links_that_lead_nowhere_are_found_out() -> None:
    text = (
        "# A page\n[a](#a-page) [b](nothing.md) [c](#nothing) [d](docs/adr/README.md#nothing) [e](https://example.com/)"
    )
    assert broken(ROOT / "page.md", text) == ["nothing.md", "#nothing", "docs/adr/README.md#nothing"]


def broken(path: Path, text: str) -> list[str]:
    """The links of a page that lead to no tracked file or folder, or to no heading."""
    code = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", code):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / unquote(target)).resolve() if target else path
        there = file == path or file in TRACKED or any(file in one.parents for one in TRACKED)
        page = text if file == path else TEXTS.get(file, "")
        if not there or (anchor and anchor not in anchors(page)):
            found.append(link)
    return found


def anchors(text: str) -> set[str]:
    """Of the headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", TRACKED, ids=shown)
def test_no_file_names_a_machine_or_a_registry(path: Path) -> None:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    assert str(ROOT) not in text
    assert MACHINE.findall(text) == []
    if path.name.startswith(LOCKS) or path.parent.name == "requirements":
        assert addresses(path.name, text) == []


def addresses(name: str, text: str) -> list[str]:
    """Where a lock says that packages are to be fetched from."""
    if name.endswith(".json"):
        return [one["resolved"] for one in json.loads(text)["packages"].values() if "resolved" in one]
    return [line for line in text.split("\n") if re.match(r"\s*(-i|--\w*index-url|--find-links)\b|.*@ \w+://", line)]


def test_a_machine_and_a_registry_are_found_out() -> None:
    assert MACHINE.findall(f"see {'/'.join(['', 'home', 'somebody', 'project'])}")
    assert not MACHINE.findall("/subscriptions/x/home/y/z and ~/work/x and /home/me/project")
    assert addresses("requirements.txt", "--index-url https://example.com/simple\nuv==1 \\\n    --hash=sha256:0\n")
    assert addresses("package-lock.json", '{"packages": {"a": {"resolved": "https://example.com/a.tgz"}}}')


def test_the_words_of_a_command_line_are_read_as_a_shell_would() -> None:
    (words,) = shown_commands("```sh\n.venv/bin/aml data upload a.csv /a.csv --overwrite    # again\n```\n")
    assert words == shlex.split("aml data upload a.csv /a.csv --overwrite")

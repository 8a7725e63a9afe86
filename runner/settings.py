"""Settings: the nine values that say where to work and with what, and where each of them came from.

Order: command line, process environment, outputs of the stack named by ``--stack``, ``.env``. The target (subscription,
resource group, workspace) is taken whole from one source: half a target of one and half of another is nobody's workspace.
With ``--stack`` it is the stack's. ``resolve`` is pure; ``load`` reads the machine.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import names, project, stacks
from runner.errors import Mistake

SUBSCRIPTION = "AZURE_SUBSCRIPTION_ID"
GROUP = "AZURE_RESOURCE_GROUP"
WORKSPACE = "AZURE_WORKSPACE_NAME"
COMPUTE = "AZURE_ML_COMPUTE_TRAINER"
EXPERIMENT = "AZURE_ML_EXPERIMENT_NAME"
DATASTORE = "AZURE_ML_DATASTORE_NAME"
ENDPOINT = "AZURE_ML_ENDPOINT_NAME"
ENVIRONMENT = "AZURE_ML_ENVIRONMENT_NAME"
ENVIRONMENT_VERSION = "AZURE_ML_ENVIRONMENT_VERSION"

TARGET = (SUBSCRIPTION, GROUP, WORKSPACE)
NAMES = (WORKSPACE, SUBSCRIPTION, GROUP, COMPUTE, EXPERIMENT, DATASTORE, ENDPOINT, ENVIRONMENT, ENVIRONMENT_VERSION)

# How a process reaches its target, and whom it trusts there.
CONNECTION = (
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
)

COMMAND_LINE = "the command line"
PROCESS = "the process environment"


@dataclass(frozen=True)
class Source:
    """``values``: the settings it has. ``others``: its names that are none; ``environment``: what goes with its target."""

    name: str
    values: Mapping[str, str]
    others: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """``values`` by setting, ``origins`` the source of each, ``environment`` what the process needs to reach the target."""

    values: Mapping[str, str]
    origins: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stack: str | None = None
    notes: tuple[str, ...] = ()
    env_file: Path | None = None

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def target(self) -> str:
        """The target in one line, as people are shown it before anything is changed."""
        where = f"stack '{self.stack}'" if self.stack else self.origins[WORKSPACE]
        return f"workspace {self[WORKSPACE]}, resource group {self[GROUP]}, subscription {self[SUBSCRIPTION]} (from {where})"

    @property
    def flags(self) -> str:
        """What names the same target in another command line, with a space before it; empty when it needs no naming."""
        if self.stack:
            return f" --stack {self.stack}"
        if self.origins.get(WORKSPACE) != COMMAND_LINE:
            return f" --env-file {self.env_file}" if self.env_file else ""
        return f" --subscription {self[SUBSCRIPTION]} --resource-group {self[GROUP]} --workspace {self[WORKSPACE]}"

    @property
    def workspace_id(self) -> str:
        return (
            f"/subscriptions/{self[SUBSCRIPTION]}/resourceGroups/{self[GROUP]}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self[WORKSPACE]}"
        )

    def enter(self) -> None:
        """Put what reaches the target into the process. Before an Azure package is imported."""
        for name, value in self.environment.items():
            if name.upper().endswith("_PROXY"):  # clients prefer the lower-case spelling where both are set
                os.environ.pop(name.lower(), None)
            os.environ[name] = value


@dataclass(frozen=True)
class Given:
    """What the command line says about settings."""

    values: Mapping[str, str] = field(default_factory=dict)
    stack: str | None = None
    env_file: Path | None = None


def load(given: Given, needs: Collection[str] = TARGET) -> Settings:
    """Resolve what this command line, process, stack and ``.env`` say, and check that ``needs`` are there and well formed."""
    sources = [Source(COMMAND_LINE, given.values), _of_process(os.environ)]
    if given.stack:
        sources.append(_of_stack(given.stack))
    file = given.env_file or project.find(".env")
    if file is not None:
        sources.append(_of_file(file))
    return replace(resolve(sources, needs, stack=given.stack), env_file=given.env_file)


def of_stack(stack: str, given: Given) -> Settings:
    """All nine, of the command line and the stack's outputs alone: whatever this process and its ``.env`` are set to work on."""
    return resolve([Source(COMMAND_LINE, given.values), _of_stack(stack)], NAMES, stack=stack)


def resolve(sources: Sequence[Source], needs: Collection[str] = TARGET, *, stack: str | None = None) -> Settings:
    """``sources`` in their order, first wins. Raises ``Mistake`` for a mixed target, missing settings, ill-formed names."""
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for name, value in source.values.items():
            if name not in TARGET and value and name not in values:
                values[name], origins[name] = value, source.name
    chosen, notes = _target(sources, _stack_name(stack) if stack else None)
    if chosen is not None:
        for name in TARGET:
            if chosen.values.get(name):
                values[name], origins[name] = chosen.values[name], chosen.name
    missing = [name for name in NAMES if name in needs and name not in values]
    if missing:
        raise _missing(missing, sources, stack)
    _check(values, origins, needs)
    return Settings(
        {name: values[name] for name in NAMES if name in values},
        origins,
        chosen.environment if chosen else {},
        stack,
        (*notes, *_misspelt_notes(sources)),
    )


def _target(sources: Sequence[Source], stack: str | None) -> tuple[Source | None, list[str]]:
    having = [source for source in sources if _part(source)]
    if stack:
        chosen = next(source for source in sources if source.name == stack)
        notes = []
        for source in having:
            other = _differing(source, chosen)
            if other and source.name == COMMAND_LINE:
                raise _mixed(source, chosen)
            if other and source.name == PROCESS:
                notes.append(f"{source.name} has another {', '.join(other)}; the target is that of {stack}")
        return chosen, notes
    if not having:
        return None, []
    first = having[0]
    if len(_part(first)) == len(TARGET):
        return first, []
    for source in having[1:]:
        if _differing(first, source) or len(_part(source)) < len(TARGET):
            raise _mixed(first, source)
        return source, []
    return first, []


def _part(source: Source) -> dict[str, str]:
    return {name: source.values[name] for name in TARGET if source.values.get(name)}


def _differing(one: Source, other: Source) -> list[str]:
    """The parts of the target that both do not agree on. Azure compares all three without case."""
    theirs = _part(other)
    return [name for name, value in _part(one).items() if theirs.get(name, "").lower() != value.lower()]


def _mixed(one: Source, other: Source) -> Mistake:
    def line(source: Source) -> str:
        return f"{source.name}: {', '.join(f'{name} = {value}' for name, value in _part(source).items())}"

    return Mistake(
        f"The target is mixed from two sources, {one.name} and {other.name}: "
        "subscription, resource group and workspace are taken whole from one.",
        details=[line(one), line(other)],
        next=f"give all of {', '.join(TARGET)} in one of them, and none in the other",
    )


def _missing(missing: Sequence[str], sources: Sequence[Source], stack: str | None) -> Mistake:
    details = []
    for name in missing:
        near = [f"{source.name} has '{other}'" for source in sources for other in _alike(name, source.others)]
        near += [f"it is empty in {source.name}" for source in sources if source.values.get(name) == ""]
        details.append(f"{name}: {'; '.join(near)}" if near else name)
    looked = ", ".join(source.name for source in sources)
    empty = [
        source
        for source in sources
        if source.name == PROCESS and any(source.values.get(name) == "" for name in missing)
    ]
    return Mistake(
        f"{'These settings are' if len(missing) > 1 else 'This setting is'} missing (looked in {looked}):",
        details=details,
        next=(
            f"aml settings --stack {stack} shows what the stack has"
            if stack
            else (
                "give it a value there; for a pipeline, aml settings --write-variables STACK fills in its variable file"
                if empty
                else "copy .env.example to .env and fill it in, or name a stack: --stack local (after aml local up)"
            )
        ),
    )


def _alike(name: str, others: Sequence[str]) -> list[str]:
    return names.nearest(name, others, most=1, likeness=0.85)


def _misspelt_notes(sources: Sequence[Source]) -> list[str]:
    notes = []
    for source in sources:
        for other in source.others:
            meant = names.nearest(other, NAMES, most=1, likeness=0.85)
            if meant:
                notes.append(f"'{other}' in {source.name} is not a setting; '{meant[0]}' is")
    return notes


def _check(values: Mapping[str, str], origins: Mapping[str, str], needs: Collection[str]) -> None:
    wrong = []
    for name in NAMES:
        rule = names.RULES[name]
        if name in needs and not rule.fits(values[name]):
            wrong.append(f"{name} = '{values[name]}' ({origins[name]}): {rule.words}")
    if wrong:
        raise Mistake(
            "Azure does not take these names:" if len(wrong) > 1 else "Azure does not take this name:", details=wrong
        )


def _stack_name(stack: str) -> str:
    return f"the outputs of stack '{stack}'"


def _settings_of(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name].strip() for name in NAMES if name in values}


def _of_stack(name: str) -> Source:
    stack = stacks.read(name)
    others = [output for output in stack.outputs if output not in NAMES]
    return Source(_stack_name(stack.name), _settings_of(stack.outputs), others, stack.environment)


def _of_process(environ: Mapping[str, str]) -> Source:
    others = [name for name in environ if name.startswith("AZ") and name not in NAMES]
    return Source(PROCESS, _settings_of(environ), others)


def _of_file(file: Path) -> Source:
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    shown = f"'{project.shown(file)}'"
    try:
        with file.open(encoding="utf-8-sig") as stream:
            wrong = [binding.original for binding in parse_stream(stream) if binding.error]
    except UnicodeDecodeError as error:
        raise Mistake(f"{shown} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.") from None
    if wrong:
        raise Mistake(
            f'{shown} has a line that is not NAME = "value": {wrong[0].string.strip()!r} (line {wrong[0].line}).'
        )
    values = {key: value or "" for key, value in dotenv_values(file, encoding="utf-8-sig").items()}
    rest = {name: value for name, value in values.items() if name not in NAMES and value}
    # What the file says of the way to its target counts for it, whatever the machine has for other hosts. Of a credential, what the
    # process has comes first, as in python-dotenv: an agent keeps the secret out of the file.
    environment = {name: value for name, value in rest.items() if name in CONNECTION or name not in os.environ}
    return Source(shown, _settings_of(values), list(rest), environment)


def written(settings: Settings) -> str:
    """The text of a ``.env`` with these settings, in the form that people know."""
    return "".join(f'{name} = "{value}"\n' for name, value in settings.values.items())

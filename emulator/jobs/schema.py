"""The request for a command job, checked: shape, types, ranges, and what the command line names.

What it says of a wrong request is a 400 ``UserError`` that names the property, its value and what would be right. Fields and
enumerations: https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update. A field that Azure has and this emulator cannot
honour is refused by its name (501), or, where the job's result does not depend on it, accepted and reported by ``unheeded``.

Pure: what a request refers to in the workspace is looked up by ``submission``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.errors import AzureError, NotEmulated
from emulator.jobs.command import UnknownReference, check

Field = Callable[[Any, str], Any]  # value and where it stands -> the value as it is kept

# Of inputs and outputs: the SDK's own rule, for they are parts of variables' names. A dot stands between a group and its member.
NAME = (
    re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"),
    "letters, digits and underscores, and not begin with a digit",
)
VARIABLE = (re.compile(r"[^=\0]+"), "at least one character, and hold no equals sign")
EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
DURATION = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
ASSETS = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
INPUT_MODES = ("ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload")
OUTPUT_MODES = ("ReadWriteMount", "Upload", "Direct")
TIERS = ("Null", "Spot", "Basic", "Standard", "Premium")
LIMIT = 100  # instances of one job, so that a typing error does not start ten thousand processes
OURS = ("Studio", "Tracking")  # services that every job has; a client sends them back with what it got
INTERACTIVE = ("JupyterLab", "SSH", "TensorBoard", "VSCode")


def user_error(message: str, target: str | None = None, *, status: int = 400) -> AzureError:
    """How the service's front end words a request that cannot be carried out."""
    return AzureError(status, "UserError", message, target=target)


def text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise user_error(f"{at} must be a string; it is {_shown(value)}.", at)
    return value


def filled(value: Any, at: str) -> str:
    if not text(value, at).strip():
        raise user_error(f"{at} is required and must not be empty.", at)
    return str(value)


def boolean(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise user_error(f"{at} must be true or false; it is {_shown(value)}.", at)
    return value


def integer(low: int, high: int) -> Field:
    def field(value: Any, at: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise user_error(f"{at} must be an integer from {low} to {high}; it is {_shown(value)}.", at)
        return value

    return field


def one_of(*names: str) -> Field:
    """One of ``names``, compared without case and kept as Azure spells it."""
    known = {name.lower(): name for name in names}

    def field(value: Any, at: str) -> str:
        found = known.get(text(value, at).lower())
        if found is None:
            raise user_error(f"{at} must be one of {', '.join(names)}; it is {_shown(value)}.", at)
        return found

    return field


def matching(expression: str, words: str) -> Field:
    def field(value: Any, at: str) -> str:
        if not re.fullmatch(expression, text(value, at)):
            raise user_error(f"{at} must be {words}; it is {_shown(value)}.", at)
        return str(value)

    return field


def anything(value: Any, at: str) -> Any:
    return value


def texts(value: Any, at: str) -> list[str]:
    if not isinstance(value, list):
        raise user_error(f"{at} must be a list of strings; it is {_shown(value)}.", at)
    return [text(item, f"{at}[{index}]") for index, item in enumerate(value)]


def mapping(field: Field, name: re.Pattern[str] | None = None, words: str = "") -> Field:
    """An object of any names (that match ``name``, put in ``words``), each value of one kind; nulls are left out."""

    def each(value: Any, at: str) -> dict[str, Any]:
        members = _object(value, at)
        for key in members:
            if name and not name.fullmatch(key):
                raise user_error(f"{at} has the name {_shown(key)}; it must be {words}.", at)
        return {key: field(member, f"{at}.{key}") for key, member in members.items() if member is not None}

    return each


def record(required: Mapping[str, Field], optional: Mapping[str, Field]) -> Field:
    """An object of known names; one that is not known is refused, one that is null is as if not sent."""

    def all(value: Any, at: str) -> dict[str, Any]:
        members = {key: member for key, member in _object(value, at).items() if member is not None}
        for key in members:
            if key not in required and key not in optional:
                raise user_error(f"Could not find member '{key}' of {at}.", f"{at}.{key}")
        for key in required:
            if key not in members:
                raise user_error(f"{at}.{key} is required.", f"{at}.{key}")
        fields = {**required, **optional}
        return {key: fields[key](member, f"{at}.{key}") for key, member in members.items()}

    return all


def by_type(name: str, kinds: Mapping[str, Field]) -> Field:
    """An object whose member ``name`` says of which of ``kinds`` it is."""
    choose = one_of(*kinds)

    def chosen(value: Any, at: str) -> dict[str, Any]:
        members = _object(value, at)
        if members.get(name) is None:
            raise user_error(f"{at}.{name} is required.", f"{at}.{name}")
        kind = choose(members[name], f"{at}.{name}")
        return dict(kinds[kind]({**members, name: kind}, at))

    return chosen


def refused(what: str) -> Field:
    """A field that Azure has and this emulator does not; empty, it asks for nothing."""

    def field(value: Any, at: str) -> Any:
        if value:
            raise NotEmulated(f"{what} ({at})")
        return value

    return field


def seconds(value: Any, at: str) -> str:
    """An ISO 8601 duration of days to seconds, above zero."""
    if not duration(text(value, at)):
        raise user_error(f"{at} must be an ISO 8601 duration such as PT30M, above zero; it is {_shown(value)}.", at)
    return str(value)


def duration(value: str) -> float:
    """The seconds of ``P[nD][T[nH][nM][nS]]``; 0 for what is not one."""
    found = DURATION.fullmatch(value)
    if found is None:
        return 0
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def experiment(value: Any, at: str) -> str:
    if not EXPERIMENT.fullmatch(text(value, at)):
        raise user_error(
            f"Experiment name {_shown(value)} is invalid. It must be 1 to 255 letters, digits, underscores and dashes, "
            "and begin with a letter or a digit.",
            at,
        )
    return str(value)


def services(value: Any, at: str) -> dict[str, Any]:
    """Interactive services; what a client sends back of those that every job has is left out."""
    return {name: told for name, told in _SERVICES(value, at).items() if told["jobServiceType"] not in OURS}


def service(value: Any, at: str) -> dict[str, Any]:
    told: dict[str, Any] = _SERVICE(value, at)
    kind = told.get("jobServiceType") or at.rpartition(".")[2]
    if kind not in (*OURS, *INTERACTIVE):
        raise NotEmulated(f"the job service '{at.rpartition('.')[2]}' of type {kind} ({at})")
    return {**told, "jobServiceType": kind}


def _ray(value: Any, at: str) -> Any:
    raise NotEmulated(f"distribution of type Ray ({at})")


_EACH = {"processCountPerInstance": integer(1, LIMIT)}
_OF = {"distributionType": text}
_PATH = refused("a path on the compute of one's own")
ASSET_INPUT = record(
    {"jobInputType": text, "uri": filled}, {"mode": one_of(*INPUT_MODES), "description": text, "pathOnCompute": _PATH}
)
_ASSET_OUT = record(
    {"jobOutputType": text},
    {
        "uri": text,
        "mode": one_of(*OUTPUT_MODES),
        "description": text,
        "assetName": text,
        "assetVersion": text,
        "pathOnCompute": _PATH,
        "autoDeleteSetting": refused("the automatic deletion of outputs"),
    },
)
_IDENTITY = {"identityType": text}
_SERVICE = record(
    {},
    {
        "endpoint": text,
        "errorMessage": text,
        "jobServiceType": text,
        "nodes": record({"nodesValueType": text}, {}),
        "port": integer(1, 65535),
        "properties": mapping(text),
        "status": text,
    },
)
_SERVICES = mapping(service)

# The fields that jobs of several types have, each by its name.
FIELDS: Mapping[str, Field] = {
    "computeId": text,
    "description": text,
    "displayName": text,
    "distribution": by_type(
        "distributionType",
        {
            "PyTorch": record(_OF, _EACH),
            "Mpi": record(_OF, _EACH),
            "TensorFlow": record(_OF, {"workerCount": integer(1, LIMIT), "parameterServerCount": integer(0, LIMIT)}),
            "Ray": _ray,
        },
    ),
    "environmentVariables": mapping(text, *VARIABLE),
    "experimentName": experiment,
    "identity": by_type(
        "identityType",
        {
            "AMLToken": record(_IDENTITY, {}),
            "Managed": record(_IDENTITY, {"clientId": text, "objectId": text, "resourceId": text}),
            "UserIdentity": record(_IDENTITY, {}),
        },
    ),
    "inputs": mapping(
        by_type(
            "jobInputType",
            {
                "literal": record({"jobInputType": text, "value": text}, {"description": text}),
                **{kind: ASSET_INPUT for kind in ASSETS},
            },
        ),
        *NAME,
    ),
    "isArchived": boolean,
    "limits": record({"jobLimitsType": one_of("Command")}, {"timeout": seconds}),
    "notificationSetting": refused("notifications of a job"),
    "outputs": mapping(by_type("jobOutputType", {kind: _ASSET_OUT for kind in ASSETS}), *NAME),
    "parameters": anything,  # read-only: what a client got, it may send back
    "parentJobName": text,
    "properties": mapping(text),
    "queueSettings": record({}, {"jobTier": one_of(*TIERS), "priority": integer(1, 3)}),
    "resources": record(
        {},
        {
            "dockerArgs": text,
            "dockerArgsList": texts,
            "instanceCount": integer(1, LIMIT),
            "instanceType": text,
            "locations": texts,
            "maxInstanceCount": integer(1, LIMIT),
            "properties": mapping(anything),
            "shmSize": matching(r"\d+[bBkKmMgG]", "a number and one of b, k, m, g, such as 2g"),
        },
    ),
    "secretsConfiguration": refused("secrets from a key vault in a job"),
    "services": services,
    "status": anything,
    "tags": mapping(text),
}
COMMAND_JOB = record(
    {"jobType": text, "command": filled, "environmentId": filled},
    {**FIELDS, "codeId": text, "componentId": refused("a command job made from a component's id")},
)


def command_job(properties: Any) -> dict[str, Any]:
    """``properties`` of the request as they are stored; raises ``UserError`` (400) or ``NotImplemented`` (501)."""
    checked: dict[str, Any] = COMMAND_JOB(properties, "properties")
    for computed in ("parameters", "status"):
        checked.pop(computed, None)
    if not checked.get("services"):
        checked.pop("services", None)
    inputs, outputs = checked.setdefault("inputs", {}), checked.setdefault("outputs", {})
    outputs.pop("default", None)  # every job's own folder of logs and outputs: computed, and sent back by clients
    try:
        check(checked["command"], inputs, outputs)
    except UnknownReference as unknown:
        if not unknown.kind:
            raise user_error(
                f"The command has the expression {unknown}; it can have ${{{{inputs.name}}}} and ${{{{outputs.name}}}}.",
                "properties.command",
            ) from None
        known = ", ".join(inputs if unknown.kind == "inputs" else outputs) or "none"
        raise user_error(
            f"The job has no {unknown.kind[:-1]} '{unknown.name}', which its command names as {unknown}. It has: {known}.",
            "properties.command",
        ) from None
    _instances(checked)
    return checked


def _instances(job: dict[str, Any]) -> None:
    resources, distribution = job.get("resources", {}), job.get("distribution", {})
    count = resources.get("instanceCount", 1)
    most = resources.get("maxInstanceCount", count)
    if most < count:
        raise user_error(
            f"properties.resources.maxInstanceCount must be {count} (instanceCount) or more; it is {most}.",
            "properties.resources.maxInstanceCount",
        )
    processes = count * distribution.get("processCountPerInstance", 1)
    if processes > LIMIT:
        raise user_error(
            f"The job has {processes} processes; the emulator runs {LIMIT} at most.", "properties.distribution"
        )


def unheeded(job: Mapping[str, Any]) -> list[str]:
    """What of an accepted job makes no difference here, as sentences for its warnings."""
    resources = job.get("resources", {})
    said = []
    for name in ("dockerArgs", "dockerArgsList", "shmSize", "locations"):
        if resources.get(name):
            said.append(
                f"resources.{name} {_shown(resources[name])} has no effect: jobs run here as processes, not in containers."
            )
    if resources.get("maxInstanceCount", 0) > resources.get("instanceCount", 1):
        said.append(
            f"resources.maxInstanceCount {resources['maxInstanceCount']} has no effect: a job here does not grow."
        )
    said += [service_unheeded(name, told) for name, told in job.get("services", {}).items()]
    return said


def service_unheeded(name: str, told: Mapping[str, Any]) -> str:
    return f"The service '{name}' ({told['jobServiceType']}) is not started: the job's node is this machine."


def _object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise user_error(f"{at} must be an object; it is {_shown(value)}.", at)
    return value


def _shown(value: Any) -> str:
    shown = repr(value) if isinstance(value, (str, int, float, bool)) else type(value).__name__
    return shown if len(shown) <= 120 else f"{shown[:117]}…"

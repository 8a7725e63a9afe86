"""The request for a command job, checked: shape, types, ranges, and what the command line names.

What it says of a wrong request is a 400 ``UserError`` that names the property, its value and what would be right. Fields and
enumerations: https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update. A field that Azure has and this emulator cannot
honour is refused by its name (501), or, where the job's result does not depend on it, accepted and reported by ``unheeded``.

Pure: what a request refers to in the workspace is looked up by ``submission``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulator.errors import NotEmulated, user_error
from emulator.jobs.command import UnknownReference, check
from emulator.jobs.fields import (
    Field,
    anything,
    boolean,
    by_type,
    filled,
    integer,
    mapping,
    matching,
    one_of,
    record,
    refused,
    seconds,
    shown,
    text,
    texts,
    word,
)

# Of inputs and outputs: the SDK's own rule, for they are parts of variables' names. A dot stands between a group and its member.
NAME = (
    re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"),
    "letters, digits and underscores, and not begin with a digit",
)
VARIABLE = (re.compile(r"[^=\0]+"), "at least one character, and hold no equals sign")
EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
ASSETS = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
INPUT_MODES = ("ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload")
OUTPUT_MODES = ("ReadWriteMount", "Upload", "Direct")
TIERS = ("Null", "Spot", "Basic", "Standard", "Premium")
LIMIT = 100  # instances of one job, so that a typing error does not start ten thousand processes
OURS = ("Studio", "Tracking")  # services that every job has; a client sends them back with what it got
INTERACTIVE = ("JupyterLab", "SSH", "TensorBoard", "VSCode")


def experiment(value: Any, at: str) -> str:
    if not EXPERIMENT.fullmatch(text(value, at)):
        raise user_error(
            f"Experiment name {shown(value)} is invalid. It must be 1 to 255 letters, digits, underscores and dashes, "
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
    "environmentVariables": mapping(word, *VARIABLE),
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
    "properties": mapping(word),
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
    "tags": mapping(word),
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
                f"resources.{name} {shown(resources[name])} has no effect: jobs run here as processes, not in containers."
            )
    if resources.get("maxInstanceCount", 0) > resources.get("instanceCount", 1):
        said.append(
            f"resources.maxInstanceCount {resources['maxInstanceCount']} has no effect: a job here does not grow."
        )
    said += [service_unheeded(name, told) for name, told in job.get("services", {}).items()]
    return said


def service_unheeded(name: str, told: Mapping[str, Any]) -> str:
    return f"The service '{name}' ({told['jobServiceType']}) is not started: the job's node is this machine."

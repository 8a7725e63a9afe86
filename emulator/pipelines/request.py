"""The request for a pipeline job, checked: shape and types, of the job and of each of its nodes.

azure-ai-ml sends the job as the REST API has it (https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update#pipelinejob),
and what the API leaves open — ``jobs`` and ``settings`` — in the words of the YAML. Both spellings are read. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.errors import NotEmulated, user_error
from emulator.jobs.fields import Field, anything, by_type, filled, mapping, one_of, record, refused, text
from emulator.jobs.schema import ASSETS, ASSET_INPUT, FIELDS, INPUT_MODES, NAME, OUTPUT_MODES
from emulator.pipelines import parallel
from emulator.pipelines.component import NOT_RUN, TYPES, camel, spelt
from emulator.pipelines.graph import BOUND, Asset, Literal, Value

SETTINGS = (
    *("default_compute", "default_datastore", "continue_on_step_failure", "continue_run_on_failed_optional_input"),
    *("force_rerun", "on_init", "on_finalize"),
)
SHARED = (
    *("computeId", "description", "displayName", "experimentName", "identity", "inputs", "isArchived"),
    *("notificationSetting", "outputs", "parentJobName", "properties", "services", "status", "tags"),
)

_NODE: dict[str, Field] = {
    "name": text,
    "type": text,
    "displayName": text,
    "comment": anything,
    "_source": anything,
    **{
        name: FIELDS[name]
        for name in (
            *("computeId", "description", "distribution", "environmentVariables", "identity", "limits"),
            *("properties", "queueSettings", "resources", "services", "tags"),
        )
    },
    "inputs": mapping(
        by_type(
            "jobInputType",
            {
                # A binding is a literal too, and may say how what it is bound to is to be delivered.
                "literal": record(
                    {"jobInputType": text, "value": text}, {"description": text, "mode": one_of(*INPUT_MODES)}
                ),
                **{kind: ASSET_INPUT for kind in ASSETS},
            },
        ),
        *NAME,
    ),
    "outputs": mapping(
        record(
            {},
            {
                "jobOutputType": text,
                "type": text,
                "value": text,
                "uri": text,
                "mode": one_of(*OUTPUT_MODES),
                "assetName": text,
                "assetVersion": text,
                "description": text,
            },
        ),
        *NAME,
    ),
    "settings": anything,
}
# What a node says of how it runs, which may be bound to its pipeline's inputs: the graph puts their values there (``later``).
_BINDABLE = {"resources": FIELDS["resources"], **parallel.BINDABLE}
_NODES = {
    kind: record({"componentId": filled}, {**_NODE, **(parallel.FIELDS if kind == "parallel" else {})})
    for kind in TYPES
}
_PIPELINE = record(
    {"jobType": text},
    {
        **{name: FIELDS[name] for name in SHARED},
        "componentId": text,
        "jobs": anything,
        "settings": anything,
        "sourceJobId": refused("a pipeline job made from another job's id"),
        "parameters": anything,
    },
)


def pipeline_job(properties: Any) -> dict[str, Any]:
    """``properties`` of the request as they are stored; raises ``UserError`` (400) or ``NotImplemented`` (501)."""
    checked: dict[str, Any] = _PIPELINE(properties, "properties")
    for computed in ("parameters", "services", "status"):
        checked.pop(computed, None)
    for name in ("inputs", "outputs"):
        checked.setdefault(name, {})
    checked["outputs"].pop("default", None)
    settings(checked)
    if not checked.get("componentId") and not checked.get("jobs"):
        raise user_error(
            "A pipeline job must have properties.jobs, or the properties.componentId of a pipeline.", "jobs"
        )
    return checked


def settings(job: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a pipeline job by the YAML's names; those that are not set are left out."""
    told = job.get("settings") or {}
    if not isinstance(told, dict):
        raise user_error("properties.settings must be an object.", "properties.settings")
    known = {name.replace("_", ""): name for name in (*SETTINGS, "_source")}
    found: dict[str, Any] = {}
    for key, value in told.items():
        name = known.get(key.replace("_", "").lower())
        if name is None:
            raise user_error(f"Could not find member '{key}' of properties.settings.", f"properties.settings.{key}")
        if value is None or name == "_source":
            continue
        truth = name.startswith(("continue", "force"))
        if truth and str(value).lower() not in ("true", "false") or not (truth or isinstance(value, str)):
            kind = "true or false" if truth else "a string"
            raise user_error(
                f"properties.settings.{key} must be {kind}; it is {value!r}.", f"properties.settings.{key}"
            )
        found[name] = str(value).lower() == "true" if truth else value
    return found


def nodes(jobs: Any, at: str = "jobs") -> dict[str, dict[str, Any]]:
    """The nodes of a pipeline, in the REST API's spelling. A type that is not run here is 501 by name."""
    if not isinstance(jobs, dict):
        raise user_error(f"{at} must be an object.", at)
    return {name: _node(name, told, f"{at}.{name}") for name, told in jobs.items()}


def values(inputs: Mapping[str, Any]) -> dict[str, Value]:
    """What was sent for a pipeline job's inputs."""
    return {
        name: (
            Literal(told["value"])
            if told["jobInputType"] == "literal"
            else Asset(told["jobInputType"], told["uri"], told.get("mode", ""))
        )
        for name, told in inputs.items()
    }


def _node(name: str, told: Any, at: str) -> dict[str, Any]:
    if not NAME[0].fullmatch(name) or "." in name:
        raise user_error(f"The step '{name}' has an invalid name; it must be {NAME[1]}.", at)
    if not isinstance(told, dict):
        raise user_error(f"{at} must be an object.", at)
    kind = str(told.get("type") or "command").lower()
    if kind in NOT_RUN:
        raise NotEmulated(f"steps of type {kind} (the step '{name}')")
    if kind not in TYPES:
        raise user_error(f"The step '{name}' has the unknown type '{kind}'.", f"{at}.type")
    node: dict[str, Any] = {}
    for key, value in told.items():
        key = spelt(key)
        if value is None:
            continue
        if key in ("inputs", "outputs"):
            node[key] = _each(value, f"{at}.{key}", _output if key == "outputs" else camel)
        else:
            node[key] = value if key in ("environmentVariables", "properties", "tags") else spelled(value)
    later = {key: node.pop(key) for key in _BINDABLE.keys() & node.keys() if BOUND.search(str(node[key]))}
    checked: dict[str, Any] = _NODES[kind](node, at)
    if checked.get("settings"):
        raise NotEmulated(f"settings of a step (the step '{name}')")
    return {**checked, "inputs": checked.get("inputs", {}), "outputs": checked.get("outputs", {}), "later": later}


def late(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A node's ``later``, with the values of what it is bound to, as it would have been kept had it been sent so."""
    return {key: _BINDABLE[key](_numbers(value), key) for key, value in settings.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else value


def distribution(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A component's distribution, whose type the YAML calls ``type``."""
    if not told:
        return None
    found = camel(told)
    return {("distributionType" if key == "type" else key): value for key, value in found.items()}


def spelled(value: Any) -> Any:
    """A member of a node in the REST API's spelling; the ``properties`` of resources have names of their own."""
    found = camel(value)
    if isinstance(found, dict) and isinstance(value, dict) and "properties" in value:
        found["properties"] = value["properties"]
    return found


def _each(value: Any, at: str, how: Callable[[Any], Any]) -> Any:
    if not isinstance(value, dict):
        raise user_error(f"{at} must be an object.", at)
    return {name: how(one) for name, one in value.items()}


def _output(told: Any) -> Any:
    """A node's output: ``name`` and ``version`` are those of the asset that it becomes."""
    names = {"name": "assetName", "version": "assetVersion"}
    return {names.get(key, key): value for key, value in camel(told).items()} if isinstance(told, dict) else told

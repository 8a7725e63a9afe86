"""A parallel step: what its component and its node say of mini-batches becomes the command line of the driver that scores them.

What the node says wins. An mltable in mode direct is its rows, in another mode the files that it names. Pure.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-parallel
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from emulator.errors import NotEmulated, user_error
from emulator.jobs import parallel
from emulator.jobs.fields import Field, filled, integer, one_of, record, refused, text, texts
from emulator.jobs.schema import LIMIT
from emulator.pipelines.component import Component, camel

MAXIMUM = 2**31 - 1
LONGEST = 259_200  # seconds
BINDING = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}(?:/([\w.-]+))?")
UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
# Arguments of Azure ML's driver that change what the pipeline's own run has.
NOT_HEEDED = ("--copy_logs_to_parent", "--metrics_name_prefix", "--push_metrics_to_parent")
# How the files of an mltable get to a step; the driver reads the rows of one in mode direct itself.
EVALUATED = {"": "EvalMount", "ReadOnlyMount": "EvalMount", "Download": "EvalDownload", "Direct": "EvalMount"}


def whole(low: int, high: int) -> Field:
    """An integer, which azure-ai-ml may send as text."""
    field = integer(low, high)

    def read(value: Any, at: str) -> int:
        if isinstance(value, str) and "${{" in value:
            raise NotEmulated(f"bindings in the settings of a parallel step ({at}: {value})")
        return int(field(int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else value, at))

    return read


def size(value: Any, at: str) -> int:
    """So many files; ``10kb`` is a number as azure-ai-ml counts it, 0 that there is none."""
    found = re.fullmatch(r"(\d+)([kmg]b|)", str(value).lower())
    return int(whole(0, MAXIMUM)(int(found[1]) * UNITS[found[2]] if found else value, at))


def keys(value: Any, at: str) -> list[str]:
    """Columns, as a list or as azure-ai-ml sends it: as JSON in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise user_error(f"{at} must be a list of strings; it is '{value}'.", at) from None
    return texts(value, at)


# What a node says of itself and a component of its nodes, in the REST API's spelling.
FIELDS: Mapping[str, Field] = {
    "errorThreshold": whole(-1, MAXIMUM),
    "inputData": filled,
    "loggingLevel": one_of("INFO", "WARNING", "DEBUG"),
    "maxConcurrencyPerInstance": whole(1, LIMIT),
    "miniBatchErrorThreshold": whole(-1, MAXIMUM),
    "miniBatchSize": size,
    "partitionKeys": keys,
    "retrySettings": record({}, {"maxRetries": whole(0, MAXIMUM), "timeout": whole(1, LONGEST)}),
    "task": record(
        {},
        {
            "type": one_of("run_function"),
            "appendRowTo": text,
            "code": text,
            "entryScript": text,
            "environment": text,
            "model": refused("the model of a parallel task"),
            "programArguments": text,
        },
    ),
}
_SETTINGS = record({}, FIELDS)
BINDABLE = {name: field for name, field in FIELDS.items() if name not in ("inputData", "task")}


def command(own: Component, node: Mapping[str, Any], inputs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The specification of a command component that does the same. Of ``inputs``, as the job has them, the one that is cut into
    mini-batches gets the mode in which its files are there. Raises ``UserError`` (400) or ``NotImplemented`` (501)."""
    said = _said(own, node)
    task, retries = said.get("task", {}), said.get("retrySettings", {})
    for needed, value in (("task.entry_script", task.get("entryScript")), ("input_data", said.get("inputData"))):
        if not value:
            raise user_error(f"{needed} is required.", needed)
    name = _input(own, said["inputData"], inputs)
    data = inputs[name]
    table = _delivered(name, data, said.get("partitionKeys"))
    places = {"amlbi_input": f"AZURE_ML_INPUT_{name}"}
    if task.get("appendRowTo"):
        places["append_row_to"] = _output(own, task["appendRowTo"])
    arguments = {
        "scoring_module_name": task["entryScript"],
        "mini_batch_size": said.get("miniBatchSize") or (UNITS["mb"] if table else 1),
        "mini_batch_error_threshold": said.get("miniBatchErrorThreshold", -1),
        "error_threshold": said.get("errorThreshold", -1),
        "output_action": "append_row" if "append_row_to" in places else "summary_only",
        "append_row_file_name": "parallel_run_step.txt",  # in a folder: as the driver of SDK v1 calls it
        "run_max_try": retries.get("maxRetries", 2) + 1,
        "run_invocation_timeout": retries.get("timeout", 60),
        "logging_level": said.get("loggingLevel", "INFO"),
    }
    if "maxConcurrencyPerInstance" in said:  # else as many as the machine has cores
        arguments["process_count_per_node"] = said["maxConcurrencyPerInstance"]
    if data["jobInputType"] == "mltable":
        arguments["amlbi_table" if table else "amlbi_nested"] = True
    if said.get("partitionKeys"):
        arguments["partition_keys"] = json.dumps(said["partitionKeys"])
    rest = _arguments(task.get("programArguments", ""))
    filled_in = {"command": parallel.command(arguments, places, rest)}
    return {**own.spec, **filled_in, "code": task.get("code"), "environment": task.get("environment")}


def _said(own: Component, node: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in camel(dict(own.spec)).items() if name in FIELDS}
    said, changed = (_SETTINGS(told, "") for told in (known, {name: node[name] for name in FIELDS if name in node}))
    merged = {name: {**said.get(name, {}), **changed.get(name, {})} for name in ("retrySettings", "task")}
    return {**said, **changed, **merged}


def _input(own: Component, told: str, inputs: Mapping[str, dict[str, Any]]) -> str:
    """Which input has the data; ``told`` is ``${{inputs.x}}``."""
    found = BINDING.fullmatch(told.strip())
    data = [name for name, port in own.inputs.items() if not port.literal]
    if found is None or found[1] != "inputs" or found[3] or found[2] not in data or found[2] not in inputs:
        raise user_error(
            f"input_data must be ${{{{inputs.<name>}}}} of an input with data; it is '{told}'. There are: "
            f"{', '.join(data) or 'none'}.",
            "input_data",
        )
    return found[2]


def _delivered(name: str, port: dict[str, Any], keys: Any) -> bool:
    """Whether the data is a table's rows; its ``port`` gets the mode in which its files are there."""
    mode, kind = str(port.get("mode", "")), str(port["jobInputType"])
    if kind == "mltable":
        port["mode"] = EVALUATED.get(mode, mode)
    elif keys or mode == "Direct":
        raise NotEmulated(
            f"{'partition_keys' if keys else 'mode direct'} of a parallel step's {kind} (the input '{name}')"
        )
    return kind == "mltable" and mode == "Direct"


def _output(own: Component, told: str) -> str:
    """The variable that has the place of the results, and a file's name below it."""
    found = BINDING.fullmatch(told.strip())
    if found is None or found[1] != "outputs" or found[2] not in own.outputs:
        raise user_error(
            f"append_row_to must be ${{{{outputs.<name>}}}}, and may name a file in it; it is '{told}'. There are: "
            f"{', '.join(own.outputs) or 'none'}.",
            "task.append_row_to",
        )
    return f"AZURE_ML_OUTPUT_{found[2]}{f'/{found[3]}' if found[3] else ''}"


def _arguments(told: str) -> str:
    line = " ".join(told.split("\n")).strip()
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise user_error(f"program_arguments is no command line ({error}): {told}", "task.program_arguments") from None
    unheeded = next((word.partition("=")[0] for word in words if word.startswith(NOT_HEEDED)), None)
    if unheeded is not None:
        raise NotEmulated(f"the argument {unheeded} of a parallel step")
    return line

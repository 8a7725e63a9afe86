"""A parallel step: what its component and its node say of mini-batches becomes the command line of the driver that scores them.

What the node says wins. https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-parallel. Tables in parts (an mltable
in mode direct, ``partition_keys``) are refused by name; an mltable in another mode is the files that it names. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from emulator.errors import NotEmulated, user_error
from emulator.jobs import parallel
from emulator.jobs.fields import Field, filled, integer, one_of, record, refused, text
from emulator.jobs.schema import LIMIT
from emulator.pipelines.component import Component, camel

MAXIMUM = 2**31 - 1
LONGEST = 259_200  # seconds
BINDING = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}(?:/([\w.-]+))?")
UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
# Arguments of Azure ML's driver that change what the pipeline's own run has.
NOT_HEEDED = ("--copy_logs_to_parent", "--metrics_name_prefix", "--push_metrics_to_parent")
EVALUATED = {"": "EvalMount", "ReadOnlyMount": "EvalMount", "Download": "EvalDownload"}


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


# What a node says of itself and a component of its nodes, in the REST API's spelling.
FIELDS: Mapping[str, Field] = {
    "errorThreshold": whole(-1, MAXIMUM),
    "inputData": filled,
    "loggingLevel": one_of("INFO", "WARNING", "DEBUG"),
    "maxConcurrencyPerInstance": whole(1, LIMIT),
    "miniBatchErrorThreshold": whole(-1, MAXIMUM),
    "miniBatchSize": size,
    "partitionKeys": refused("partition_keys of a parallel step"),
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


def command(own: Component, node: Mapping[str, Any], inputs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The specification of a command component that does the same. Of ``inputs``, as the job has them, the one that is cut into
    mini-batches gets the mode in which its files are there. Raises ``UserError`` (400) or ``NotImplemented`` (501)."""
    said = _said(own, node)
    task, retries = said.get("task", {}), said.get("retrySettings", {})
    for needed, value in (("task.entry_script", task.get("entryScript")), ("input_data", said.get("inputData"))):
        if not value:
            raise user_error(f"{needed} is required.", needed)
    places = {"amlbi_input": _input(own, said["inputData"], inputs)}
    if task.get("appendRowTo"):
        places["append_row_to"] = _output(own, task["appendRowTo"])
    arguments = {
        "scoring_module_name": task["entryScript"],
        "mini_batch_size": said.get("miniBatchSize") or 1,
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
    if inputs[places["amlbi_input"].partition("INPUT_")[2]]["jobInputType"] == "mltable":
        arguments["amlbi_nested"] = True
    rest = _arguments(task.get("programArguments", ""))
    filled_in = {"command": parallel.command(arguments, places, rest)}
    return {**own.spec, **filled_in, "code": task.get("code"), "environment": task.get("environment")}


def _said(own: Component, node: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in camel(dict(own.spec)).items() if name in FIELDS}
    said, changed = (_SETTINGS(told, "") for told in (known, {name: node[name] for name in FIELDS if name in node}))
    merged = {name: {**said.get(name, {}), **changed.get(name, {})} for name in ("retrySettings", "task")}
    return {**said, **changed, **merged}


def _input(own: Component, told: str, inputs: Mapping[str, dict[str, Any]]) -> str:
    """The variable that has the place of the data; ``told`` is ``${{inputs.x}}``."""
    found = BINDING.fullmatch(told.strip())
    data = [name for name, port in own.inputs.items() if not port.literal]
    if found is None or found[1] != "inputs" or found[3] or found[2] not in data or found[2] not in inputs:
        raise user_error(
            f"input_data must be ${{{{inputs.<name>}}}} of an input with data; it is '{told}'. There are: "
            f"{', '.join(data) or 'none'}.",
            "input_data",
        )
    name, port = found[2], inputs[found[2]]
    mode = port.get("mode", "")
    if mode == "Direct":
        raise NotEmulated(f"tables in parallel steps (the input '{name}' in mode direct)")
    if port["jobInputType"] == "mltable":
        port["mode"] = EVALUATED.get(mode, mode)
    return f"AZURE_ML_INPUT_{name}"


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

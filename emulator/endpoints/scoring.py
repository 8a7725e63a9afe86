"""What a deployment of a model runs: a pipeline of one step, ``batchscoring``, in which the driver scores the input's files.

https://learn.microsoft.com/azure/machine-learning/how-to-use-batch-model-deployments. The step's component is anonymous and
registered once for each content, as azure-ai-ml does with what a client sends inline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from emulator import durations
from emulator.errors import user_error
from emulator.http import Call
from emulator.jobs import parallel
from emulator.machinelearning import assets, requests
from emulator.management.ids import ResourceId
from emulator.store import Document

STEP, OUTPUT, COMPONENT = "batchscoring", "score", "azureml_anonymous"
INPUTS = ("uri_file", "uri_folder")


async def job(call: Call, workspace: ResourceId, deployment: Document, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of the pipeline job; ``asked`` is the invocation as ``invoke`` reads it."""
    data, output = _input(asked["inputs"]), _output(asked["outputs"])
    said: dict[str, Any] = {**deployment.body["properties"], **asked["overrides"]}
    said["retrySettings"] = {**deployment.body["properties"]["retrySettings"], **said["retrySettings"]}
    model = assets.resolve(call.cloud, workspace, said["model"]["assetId"], "models")
    code = said.get("codeConfiguration") or {}
    spec = {
        "type": "command",
        "is_deterministic": False,
        "command": parallel.command(
            {
                **({"scoring_module_name": code["scoringScript"]} if code else {}),
                "mini_batch_size": said["miniBatchSize"],
                "error_threshold": said["errorThreshold"],
                "output_action": {"AppendRow": "append_row", "SummaryOnly": "summary_only"}[said["outputAction"]],
                "append_row_file_name": said["outputFileName"],
                "run_max_try": said["retrySettings"]["maxRetries"] + 1,
                "run_invocation_timeout": f"{durations.seconds(said['retrySettings']['timeout']):g}",
                "process_count_per_node": said["maxConcurrencyPerInstance"],
                "logging_level": said["loggingLevel"].upper(),
                "amlbi_model_name": str(model.body["properties"]["modelUri"]).rstrip("/").rpartition("/")[2],
                "amlbi_timeout_fails": True,
            },
            {
                "amlbi_input": "AZURE_ML_INPUT_data",
                "amlbi_model": "AZURE_ML_INPUT_model",
                "amlbi_output": f"AZURE_ML_OUTPUT_{OUTPUT}",
            },
        ),
        "environment": said.get("environmentId") or deployment.body["private"]["environmentId"],
        **({"code": code["codeId"]} if code else {}),
        "inputs": {"data": {"type": data["jobInputType"]}, "model": {"type": model.body["properties"]["modelType"]}},
        "outputs": {OUTPUT: {"type": "uri_folder"}},
    }
    return {
        "jobType": "Pipeline",
        "inputs": {"data": data},
        "outputs": {OUTPUT: output},
        "jobs": {
            STEP: {
                "type": "command",
                "componentId": await _component(call, workspace, spec),
                "computeId": said["compute"],
                "environmentVariables": said.get("environmentVariables") or {},
                "resources": {**(said.get("resources") or {}), **asked["resources"]},
                "inputs": {
                    "data": {"jobInputType": "literal", "value": "${{parent.inputs.data}}"},
                    "model": {"jobInputType": model.body["properties"]["modelType"], "uri": model.id},
                },
                "outputs": {OUTPUT: {"type": "literal", "value": f"${{{{parent.outputs.{OUTPUT}}}}}"}},
            }
        },
    }


def _input(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The one input, whatever it is called."""
    if len(inputs) != 1:
        raise user_error(
            f"A deployment of a model takes one input, a file or a folder; {len(inputs)} were given.",
            "properties.inputData",
        )
    ((name, told),) = inputs.items()
    if told["jobInputType"] not in INPUTS:
        raise user_error(
            f"The input '{name}' is of type {told['jobInputType']}; a deployment of a model takes one of {', '.join(INPUTS)}.",
            f"properties.inputData.{name}",
        )
    return dict(told)


def _output(outputs: Mapping[str, Any]) -> dict[str, Any]:
    if len(outputs) > 1:
        raise user_error(f"A deployment of a model has one output; {len(outputs)} were given.", "properties.outputData")
    told = next(iter(outputs.values()), {"jobOutputType": "uri_folder"})
    if told["jobOutputType"] != "uri_folder":
        raise user_error(
            f"The output of a deployment of a model is a uri_folder, not a {told['jobOutputType']}.",
            "properties.outputData",
        )
    return {"mode": "ReadWriteMount", **told}


async def _component(call: Call, workspace: ResourceId, spec: Mapping[str, Any]) -> str:
    version = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]
    id = workspace.child("components", COMPONENT).child("versions", version)
    return await requests.registered(call, id, {"componentSpec": spec, "isAnonymous": True})

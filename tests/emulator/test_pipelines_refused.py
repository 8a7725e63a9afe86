"""Pipelines that cannot run are refused when they are submitted, with the step and the binding."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from azure.ai.ml import MLClient

from emulator import Emulator
from tests.conftest import Arm

Put = Callable[..., Any]
COMMAND = {
    "type": "command",
    "command": "true",
    "environment": "azureml:plain:1",
    "inputs": {
        "data": {"type": "uri_folder", "optional": True},
        "file": {"type": "uri_file", "optional": True},
        "n": {"type": "integer", "default": "1", "min": "1", "max": "5"},
        "kind": {"type": "string", "default": "a", "enum": ["a", "b"]},
    },
    "outputs": {"made": {"type": "uri_folder"}},
}


@pytest.fixture(scope="module")
def put(azure: Emulator, shared: MLClient) -> Put:
    """Puts a job, an environment or a component into the workspace for what is refused."""
    arm, workspace = Arm(azure), str(shared.workspaces.get(shared.workspace_name).id)

    def send(properties: Any, path: str = "") -> Any:
        return arm.put(f"{workspace}/{path or f'jobs/j-{uuid.uuid4().hex}'}", {"properties": properties})

    image = {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}
    assert send(image, "environments/plain/versions/1").status_code in (200, 201)
    for name, spec in {
        "steps": COMMAND,
        "needs": {**COMMAND, "inputs": {"data": {"type": "uri_folder"}}},
        "noenv": {**COMMAND, "environment": "azureml:nowhere:3"},
        "literal": {**COMMAND, "outputs": {"n": {"type": "integer"}}},
    }.items():
        assert send({"componentSpec": spec}, f"components/{name}/versions/1").status_code in (200, 201)
    return send


def node(component: str = "steps", inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    bound = {
        name: {"job_input_type": "literal", "value": value} if isinstance(value, str) else value
        for name, value in (inputs or {}).items()
    }
    promoted = {name: {"value": value, "type": "literal"} for name, value in (outputs or {}).items()}
    return {"type": "command", "componentId": f"azureml:{component}:1", "inputs": bound, "outputs": promoted, **more}


def made(step: str, output: str = "made") -> str:
    return f"${{{{parent.jobs.{step}.outputs.{output}}}}}"


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "a cycle": (
        {"jobs": {"a": node(inputs={"data": made("b")}), "b": node(inputs={"data": made("a")})}},
        400,
        "form a cycle: ",
    ),
    "itself": ({"jobs": {"a": node(inputs={"data": made("a")})}}, 400, "form a cycle: a -> a"),
    "a step that is not there": (
        {"jobs": {"a": node(inputs={"data": made("b")})}},
        400,
        "The step 'a': its input 'data' is bound to the step 'b', which is not in the pipeline. It has a.",
    ),
    "an output that is not there": (
        {"jobs": {"a": node(), "b": node(inputs={"data": made("a", "x")})}},
        400,
        "The step 'b': ${{parent.jobs.a.outputs.x}} names no output of the step 'a', which has made.",
    ),
    "an input of the pipeline that is not there": (
        {"jobs": {"a": node(inputs={"n": "${{parent.inputs.z}}"})}},
        400,
        "The step 'a': ${{parent.inputs.z}} names no input of its pipeline, which has none.",
    ),
    "a required input": ({"jobs": {"a": node("needs")}}, 400, "Required input 'data' of the step 'a' is not provided."),
    "an input that a component has not": (
        {"jobs": {"a": node(inputs={"x": "1"})}},
        400,
        "The step 'a' has no input 'x': its component 'steps' has data, file, n, kind.",
    ),
    "a folder for a file": (
        {"jobs": {"a": node(), "b": node(inputs={"file": made("a")})}},
        400,
        "The input 'file' of the step 'b' is of type uri_file; the output 'made' of the step 'a' is of type uri_folder.",
    ),
    "data for a number": (
        {"jobs": {"a": node(), "b": node(inputs={"n": made("a")})}},
        400,
        "The input 'n' of the step 'b' is of type integer; the output 'made' of the step 'a' is of type uri_folder.",
    ),
    "data in a text": ({"jobs": {"a": node(), "b": node(inputs={"kind": "x" + made("a")})}}, 400, "no part of a text"),
    "a text for a folder": ({"jobs": {"a": node(inputs={"data": "x"})}}, 400, "'x' is a literal."),
    "not a number": ({"jobs": {"a": node(inputs={"n": "x"})}}, 400, "is of type integer; 'x' is no integer."),
    "too large": ({"jobs": {"a": node(inputs={"n": "6"})}}, 400, "'6' is above 5."),
    "not among the choices": ({"jobs": {"a": node(inputs={"kind": "c"})}}, 400, "'c' is not one of a, b."),
    "an output of the pipeline that nothing makes": (
        {"jobs": {"a": node()}, "outputs": {"end": {"jobOutputType": "uri_folder"}}},
        400,
        "No step of the pipeline is bound to its output 'end'.",
    ),
    "an output bound to nothing": (
        {"jobs": {"a": node(outputs={"made": "${{parent.outputs.end}}"})}},
        400,
        "The step 'a': ${{parent.outputs.end}} names no output of its pipeline, which has none.",
    ),
    "a component that is not there": (
        {"jobs": {"a": node("nothing")}},
        404,
        "The step 'a': Not found: component 'nothing' with version '1'",
    ),
    "an environment that is not there": ({"jobs": {"a": node("noenv")}}, 404, "The step 'a': Not found: environment"),
    "a compute that is not there": (
        {"jobs": {"a": node(computeId="azureml:gone")}},
        400,
        "The step 'a': The compute 'gone' was not found in the workspace",
    ),
    "a default compute that is not there": (
        {"jobs": {"a": node()}, "settings": {"default_compute": "gone"}},
        400,
        "The step 'a': The compute 'gone'",
    ),
    "a datastore that is not there": ({"jobs": {"a": node()}, "settings": {"default_datastore": "gone"}}, 404, "gone"),
    "a setting that Azure has not": (
        {"jobs": {"a": node()}, "settings": {"defaults": "x"}},
        400,
        "Could not find member 'defaults' of properties.settings.",
    ),
    "a setting of a wrong type": (
        {"jobs": {"a": node()}, "settings": {"force_rerun": 3}},
        400,
        "properties.settings.force_rerun must be true or false; it is 3.",
    ),
    "a first step that is not there": (
        {"jobs": {"a": node()}, "settings": {"on_init": "b"}},
        400,
        "The step 'b' of settings.on_init is not in the pipeline.",
    ),
    "a last step that takes what another makes": (
        {"jobs": {"a": node(), "b": node(inputs={"data": made("a")})}, "settings": {"on_finalize": "b"}},
        400,
        "The step 'b' of settings.on_finalize must have no connection to other steps: 'b' is bound to 'a'.",
    ),
    "a member of a step that Azure has not": ({"jobs": {"a": node(colour="red")}}, 400, "'colour' of jobs.a."),
    "no steps": ({}, 400, "must have properties.jobs"),
    "a command component as a whole": ({"componentId": "azureml:steps:1"}, 400, "a pipeline job needs one of type"),
    "an output that is a literal": ({"jobs": {"a": node("literal")}}, 501, "outputs of type integer"),
    "a step of another type": (
        {"jobs": {"a": node(type="parallel")}},
        400,
        "The step 'a': it is of type parallel; its component 'steps' is of type command.",
    ),
    "a sweep step": ({"jobs": {"a": node(type="sweep")}}, 501, "steps of type sweep"),
    "a condition": ({"jobs": {"a": {"type": "if_else", "condition": "x"}}}, 501, "steps of type if_else"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_connect_is_refused(put: Put, what: str) -> None:
    told, status, message = REFUSED[what]
    answer = put({"jobType": "Pipeline", **told})
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]["message"]


def test_a_pipeline_component_that_does_not_connect_is_not_registered(put: Put) -> None:
    spec = {
        "type": "pipeline",
        "inputs": {"word": {"type": "string"}, "data": {"type": "uri_folder"}},
        "outputs": {"end": {"type": "uri_folder"}},
        "jobs": {"a": node("needs", {"data": "${{parent.inputs.data}}"}, {"made": "${{parent.outputs.end}}"})},
    }
    path = f"components/c-{uuid.uuid4().hex}/versions/1"
    wrong = node("needs", {"data": "${{parent.inputs.word}}"}, {"made": "${{parent.outputs.end}}"})
    answer = put({"componentSpec": {**spec, "jobs": {"a": wrong}}}, path)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "The input 'data' of the step 'a' is of type uri_folder; its value is of type string."
    )
    assert answer.json()["error"]["target"] == "jobs.a.inputs.data"
    spec["jobs"]["b"] = {**node(), "inputs": None, "comment": None}  # type: ignore[index]
    assert put({"componentSpec": spec}, path).status_code == 201, "null is as if not sent"
    job = {"jobType": "Pipeline", "componentId": path.replace("components/", "azureml:").replace("/versions/", ":")}
    answer = put({**job, "inputs": {"word": {"jobInputType": "literal", "value": "x"}}})
    assert answer.json()["error"]["message"] == "Required input 'data' of the pipeline is not provided."

"""A component as it is written: its version is the hash of its content, and what does not connect is refused. No network."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import component, graph
from runner.component import Component
from runner.errors import Mistake
from tests.runner.conftest import PIPELINE


def pinned(kind: str, name: str, label: str) -> str:
    return {"models": "7", "data": "3", "components": "2"}[kind]


def read(folder: Path, digest: str = "e1") -> Component:
    return component.read(folder / "pipeline.yml", digest, pinned)


def changed(file: Path, *change: str) -> None:
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))


def test_the_version_is_that_of_the_content(pipeline: Path) -> None:
    first = read(pipeline)
    assert first.name == "trial_pipeline" and first.graph.names == ["split", "predict"]
    assert len(first.version) == component.LENGTH

    (pipeline / "pipeline.yml").write_text("# a comment\n" + PIPELINE["pipeline.yml"] + "\nversion: 9\n")
    (pipeline / "code" / "__pycache__").mkdir()
    (pipeline / "code" / "__pycache__" / "split.cpython-310.pyc").write_bytes(b"\0")
    changed(pipeline / "components/split.yml", "azureml:trial-environment:1", "azureml:another:5")
    same = read(pipeline)
    assert same.version == first.version and same.steps["split"].version == first.steps["split"].version

    versions = {first.version, read(pipeline, digest="e2").version}
    changed(pipeline / "code/split.py", "read", "have read")
    versions.add(read(pipeline).version)
    changed(pipeline / "components/predict.yml", "default: 0", "default: 1")
    predict = read(pipeline)
    versions.add(predict.version)
    assert len(versions) == 4
    changed(pipeline / "pipeline.yml", "how: well", "how: badly")
    bound = read(pipeline)
    assert bound.version not in versions and bound.steps["predict"].version == predict.steps["predict"].version


def test_additional_includes_are_part_of_the_code(pipeline: Path) -> None:
    """Azure's own hash leaves them out: https://github.com/Azure/azure-sdk-for-python/issues/40165"""
    (pipeline / "shared").mkdir()
    (pipeline / "shared" / "common.py").write_text("one = 1\n")
    changed(pipeline / "components/split.yml", "code: ../code", "code: ../code\nadditional_includes: [../shared]")
    before = read(pipeline).version
    (pipeline / "shared" / "common.py").write_text("one = 2\n")
    assert read(pipeline).version != before


def test_a_label_is_what_it_was_when_it_was_read(pipeline: Path) -> None:
    changed(pipeline / "pipeline.yml", "how: well", "how: well, model: {type: mlflow_model, path: azureml:iris@latest}")
    changed(pipeline / "components/predict.yml", "inputs:", "inputs:\n  model: {type: mlflow_model}")
    found = read(pipeline)
    assert found.pins == {"azureml:iris@latest": "azureml:iris:7"} and found.models() == [("iris", "7")]
    sent = component.prepared(found, "azureml:trial-environment:1")
    assert sent.version == found.version
    assert sent.jobs["predict"].inputs["model"].path.endswith("iris:7")
    assert sent.jobs["predict"].component.endswith(f"trial_predict:{found.steps['predict'].version}")
    again = component.read(pipeline / "pipeline.yml", "e1", lambda kind, name, label: "8")
    assert again.version != found.version


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("pipeline.yml", ("split.outputs.rest", "splat.outputs.rest"), "there is no step 'splat'. Did you mean 'split'?"),
        ("pipeline.yml", ("split.outputs.rest", "split.outputs.test"), "step 'split' has no output 'test'"),
        ("pipeline.yml", ("parent.inputs.data", "parent.inputs.dat"), "the pipeline has no input 'dat'"),
        ("pipeline.yml", ("data: {type: uri_file}", "data: {type: uri_folder}"), "takes a uri_file, and is given a uri_folder"),
        ("pipeline.yml", ("how: well", "haw: well"), "component 'trial_predict' has no such input"),
        ("pipeline.yml", ("how: well", "data2: 1"), "has no such input"),
        ("pipeline.yml", ("${{parent.inputs.data}}", "${{parent.jobs.predict.outputs.scores}}"), "wait for each other"),
        ("pipeline.yml", ("scores: \"${{parent.outputs.scores}}\", ", ""), "output 'scores' of the pipeline is bound to no"),
        ("pipeline.yml", ("rest: \"${{parent.jobs.split.outputs.rest}}\", ", ""), "gives no input 'rest'"),
        ("pipeline.yml", ("components/split.yml", "components/splat.yml"), "There is no file"),
        ("pipeline.yml", ("name: trial_pipeline", ""), "has no name"),
        ("pipeline.yml", ("components/split.yml", "azureml://registries/r/components/c/labels/latest"), "name a version"),
        ("components/split.yml", ("code: ../code", "code: ../cod"), "does not exist"),
        ("components/split.yml", ("command: python", "commands: python"), "command: Missing data for required field."),
    ],
)  # fmt: skip
def test_what_azure_would_find_out_minutes_later(pipeline: Path, file: str, change: tuple[str, str], said: str) -> None:
    changed(pipeline / file, *change)
    with pytest.raises(Mistake) as caught:
        read(pipeline)
    assert said in "\n".join(caught.value.lines())


def test_what_a_group_has_and_what_is_not_known_may_fit() -> None:
    pipeline = {
        "inputs": {"g": {"type": "group", "values": {"rate": {"type": "integer"}}}},
        "jobs": {"a": {"inputs": {"x": "${{parent.inputs.g.rate}}"}}, "b": {"inputs": {"y": "${{parent.jobs.a.outputs.z}}"}}},
    }  # fmt: skip
    assert graph.broken(pipeline, {"a": {"inputs": {"x": {"type": "number"}}}}) == [
        "step 'b', input 'y': step 'a' has no output 'z'. There are none."
    ]
    assert graph.broken(pipeline, {}) == []
    assert graph.broken(pipeline, {"a": {"inputs": {"x": {"type": "uri_file"}}, "outputs": {"z": {}}}}) == [
        "step 'a', input 'x' takes a uri_file, and is given a integer"
    ]

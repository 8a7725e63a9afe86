"""Parallel steps through ``MLClient``: from YAML, in a component, by ``parallel_run_function``; what fails and what is refused."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import Input, MLClient, Output, dsl, load_component, load_job
from azure.ai.ml.entities import Job
from azure.ai.ml.parallel import RunFunction, parallel_run_function
from azure.core.exceptions import HttpResponseError

from emulator import Emulator
from tests.emulator import batch
from tests.emulator.test_batch_scoring import log
from tests.emulator.jobs import ended

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SCRIPT = """
import argparse, os, pathlib, time

def init():
    global given
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--word", "--side", "--logging_level"):
        parser.add_argument(name)
    given = parser.parse_known_args()[0]
    print("level", given.logging_level, os.environ.get("COLOUR"))

def run(mini_batch):
    texts = [pathlib.Path(path).read_text().strip() for path in mini_batch]
    if "slow" in texts:
        time.sleep(60)
    if "bad" in texts:
        raise ValueError("bad is no good")
    return [f"{given.word} {text} {len(texts)}" for text in texts if text != "empty"]

def shutdown():
    if given.side:
        (pathlib.Path(given.side) / str(os.getpid())).write_text("done")
"""


@pytest.fixture(scope="module")
def client(azure: Emulator) -> MLClient:
    return batch.workspace(azure)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Code, data and a table that names some of the data."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text(SCRIPT)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name, text in {"1.txt": "one", "2.txt": "two", "3.txt": "three", "deep/4.txt": "four"}.items():
        (tmp_path / "data" / name).write_text(text)
    (tmp_path / "data" / "MLTable").write_text("paths:\n  - pattern: ./**/*.txt\n")
    return tmp_path


def step(**changes: Any) -> dict[str, Any]:
    """A parallel component, or an inline step without its bindings."""
    task = {
        "type": "run_function",
        "code": "src",
        "entry_script": "score.py",
        "environment": "azureml:plain:1",
        "program_arguments": "--word ${{inputs.word}}",
        "append_row_to": "${{outputs.scores}}",
    }
    told = {
        "type": "parallel",
        "input_data": "${{inputs.data}}",
        "mini_batch_size": "2",
        "max_concurrency_per_instance": 2,
    }
    return {**told, **changes, "task": {**task, **changes.get("task", {})}}


def pipeline(folder: Path, node: dict[str, Any], kind: str = "uri_folder", **data: str) -> Job:
    inputs = {"data": "${{parent.inputs.data}}", "word": "${{parent.inputs.word}}"}
    told = {
        "type": "pipeline",
        "inputs": {"data": {"type": kind, "path": str(folder / "data"), **data}, "word": "hello"},
        "outputs": {"scores": {"type": "uri_file"}},
        "settings": {"default_compute": f"azureml:{batch.CLUSTER}"},
        "jobs": {"score": {**node, "inputs": inputs, "outputs": {"scores": "${{parent.outputs.scores}}"}}},
    }
    (folder / "pipeline.yml").write_text(yaml.safe_dump(told, sort_keys=False))
    return load_job(folder / "pipeline.yml")


def child(client: MLClient, job: Job) -> Job:
    (found,) = client.jobs.list(parent_job_name=str(job.name))
    return found


def rows(client: MLClient, job: Job, folder: Path, output: str = "scores") -> list[str]:
    client.jobs.download(str(job.name), download_path=folder, output_name=output)
    (file,) = (path for path in (folder / "named-outputs" / output).rglob("*") if path.is_file())
    return file.read_text().splitlines()


def test_a_step_of_yaml_scores_a_folder_in_mini_batches(client: MLClient, folder: Path) -> None:
    (folder / "data" / "MLTable").unlink()
    node = step(logging_level="DEBUG", environment_variables={"COLOUR": "red"}, resources={"instance_count": 2})
    job = ended(client, client.jobs.create_or_update(pipeline(folder, node)))
    assert rows(client, job, folder / "down") == ["hello one 2", "hello two 2", "hello three 1"]
    assert "level DEBUG red" in log(client, str(child(client, job).name), "logs/user/stdout/")
    again = ended(client, client.jobs.create_or_update(pipeline(folder, node)))
    assert child(client, again).properties["azureml.isreused"] == "true"
    changed = ended(client, client.jobs.create_or_update(pipeline(folder, {**node, "mini_batch_size": "3"})))
    assert rows(client, changed, folder / "changed")[0] == "hello one 3"


def test_a_function_scores_the_files_of_a_table_and_shuts_down(
    client: MLClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    score = parallel_run_function(
        name="score",
        inputs={"data": Input(type="mltable"), "word": Input(type="string")},
        outputs={"scores": Output(type="uri_folder"), "side": Output(type="uri_folder")},
        input_data="${{inputs.data}}",
        max_concurrency_per_instance=1,
        retry_settings={"max_retries": 1, "timeout": 30},
        task=RunFunction(
            code="./src",
            entry_script="score.py",
            environment="azureml:plain:1",
            program_arguments="--word ${{inputs.word}} --side ${{outputs.side}} --first_task_creation_timeout 300",
            append_row_to="${{outputs.scores}}",
        ),
    )

    @dsl.pipeline(default_compute=batch.CLUSTER)  # type: ignore[untyped-decorator]
    def whole(data: Input) -> dict[str, Any]:
        done = score(data=data, word="by")
        return {"scores": done.outputs.scores, "side": done.outputs.side}

    job = ended(client, client.jobs.create_or_update(whole(Input(type="mltable", path=str(folder / "data")))))
    # A mini-batch has one file where nothing else is said.
    expected = [f"by {text} 1" for text in ("one", "two", "three", "four")]
    assert rows(client, job, folder / "down") == expected
    client.jobs.download(str(job.name), download_path=folder / "down", output_name="side")
    assert [path.read_text() for path in (folder / "down/named-outputs/side").iterdir()] == ["done"]


ROWS = """
import pandas

def init():
    pass

def run(rows, mini_batch_context):
    assert isinstance(rows, pandas.DataFrame), type(rows)
    told = " ".join(map(str, mini_batch_context.partition_key_value.values())) or "all"
    return [f"{told} {mini_batch_context.minibatch_index} {len(rows)}"]
"""
FILES = """
import pathlib

def init():
    pass

def run(paths, mini_batch_context):
    return [f"{mini_batch_context.partition_key_value} {pathlib.Path(path).name}" for path in paths]
"""


def test_rows_of_a_table_by_size_and_by_key_and_files_by_key(client: MLClient, folder: Path) -> None:
    """As https://github.com/Azure/azureml-examples/tree/main/cli/jobs/parallel/1a_oj_sales_prediction has them."""
    (folder / "src" / "rows.py").write_text(ROWS)
    (folder / "src" / "files.py").write_text(FILES)
    for store, brand in (("1", "a"), ("1", "b"), ("2", "a")):
        place = folder / "sold" / store / brand
        place.mkdir(parents=True)
        (place / "part.csv").write_text("quantity\n" + "5\n" * 10 * int(store))
    table = {
        "type": "mltable",
        "paths": [{"pattern": "./**/*.csv"}],
        "transformations": [
            {
                "read_delimited": {
                    "delimiter": ",",
                    "encoding": "utf8",
                    "header": "all_files_same_headers",
                    "include_path_column": True,
                }
            },
            {"extract_columns_from_partition_format": {"partition_format": "{Store}/{Brand}/{file}.{extension}"}},
            {"drop_columns": ["Path", "file", "extension"]},
        ],
    }
    (folder / "sold" / "MLTable").write_text(yaml.safe_dump(table))
    (folder / "conda.yaml").write_text(f"dependencies:\n  - python={PYTHON}\n  - pip\n  - pip: [mltable, pandas]\n")
    task = {"program_arguments": "", "environment": {"image": batch.IMAGE, "conda_file": "conda.yaml"}}
    nodes = {
        "size": step(mini_batch_size="${{parent.inputs.size}}", task={**task, "entry_script": "rows.py"}),
        "keys": step(
            partition_keys=["Store", "Brand"], mini_batch_error_threshold=0, task={**task, "entry_script": "rows.py"}
        ),
        "files": step(
            partition_keys=["Brand"], task={**task, "environment": "azureml:plain:1", "entry_script": "files.py"}
        ),
    }
    for name, node in nodes.items():
        mode = "ro_mount" if name == "files" else "direct"
        node["inputs"] = {"data": {"type": "mltable", "path": "${{parent.inputs.data}}", "mode": mode}}
        node["outputs"] = {"scores": f"${{{{parent.outputs.{name}}}}}"}
        node["resources"] = {"instance_count": "${{parent.inputs.nodes}}"}
    told = {
        "type": "pipeline",
        "inputs": {"data": {"type": "mltable", "path": str(folder / "sold")}, "nodes": 2, "size": 40},
        "outputs": {name: {"type": "uri_file"} for name in nodes},
        "settings": {"default_compute": f"azureml:{batch.CLUSTER}"},
        "jobs": nodes,
    }
    (folder / "pipeline.yml").write_text(yaml.safe_dump(told, sort_keys=False))
    job = ended(client, client.jobs.create_or_update(load_job(folder / "pipeline.yml")))
    made = {name: rows(client, job, folder / name, name) for name in nodes}
    assert made["keys"] == ["1 a 0 10", "1 b 1 10", "2 a 2 20"]
    assert len(made["size"]) > 1 and all(line.startswith("all ") for line in made["size"])
    assert sum(int(line.rpartition(" ")[2]) for line in made["size"]) == 40
    assert made["files"] == ["{'Brand': 'a'} part.csv", "{'Brand': 'a'} part.csv", "{'Brand': 'b'} part.csv"]


def test_a_registered_component_whose_settings_the_node_changes(client: MLClient, folder: Path) -> None:
    ports = {
        "inputs": {"data": {"type": "uri_folder"}, "word": {"type": "string"}},
        "outputs": {"scores": {"type": "uri_file"}},
    }
    told = {**step(error_threshold=0), **ports, "name": "scorer", "version": "1"}
    (folder / "scorer.yml").write_text(yaml.safe_dump(told, sort_keys=False))
    client.components.create_or_update(load_component(folder / "scorer.yml"))
    (folder / "data" / "MLTable").unlink()
    (folder / "data" / "2.txt").write_text("empty")
    node = {"type": "parallel", "component": "azureml:scorer:1"}
    failed = ended(client, client.jobs.create_or_update(pipeline(folder, node)), "Failed")
    assert "above the error_threshold 0" in log(client, str(child(client, failed).name))
    mild = {**node, "error_threshold": 1, "mini_batch_size": "1"}
    job = ended(client, client.jobs.create_or_update(pipeline(folder, mild)))
    assert rows(client, job, folder / "down") == ["hello one 1", "hello three 1"]


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        (
            "bad",
            {"mini_batch_error_threshold": 0},
            "1 of 2 mini-batches failed, more than the mini_batch_error_threshold 0",
        ),
        (
            "bad",
            {"task": {"program_arguments": "--word x --allowed_failed_percent 40"}},
            "1 of 2 mini-batches failed, more than the allowed_failed_percent 40 allows",
        ),
        (
            "slow",
            {"task": {"program_arguments": "--word x --progress_update_timeout 3"}},
            "No mini-batch ended in 3 seconds",
        ),
        (
            "slow",
            {"mini_batch_error_threshold": 0, "retry_settings": {"max_retries": 0, "timeout": 1}},
            "1 of 2 mini-batches failed",
        ),
    ],
)
def test_a_step_fails_above_its_thresholds(client: MLClient, folder: Path, text: str, changes: Any, said: str) -> None:
    (folder / "data" / "MLTable").unlink()
    (folder / "data" / "3.txt").write_text(text)
    job = ended(client, client.jobs.create_or_update(pipeline(folder, step(**changes))), "Failed")
    assert said in log(client, str(child(client, job).name))


@pytest.mark.parametrize(
    ("changes", "data", "status", "said"),
    [
        ({"partition_keys": ["a"]}, {}, 501, "partition_keys of a parallel step's uri_folder (the input 'data')"),
        ({}, {"mode": "direct"}, 501, "mode direct of a parallel step's uri_folder (the input 'data')"),
        (
            {"mini_batch_error_threshold": "${{parent.inputs.word}}"},
            {},
            400,
            "miniBatchErrorThreshold must be an integer",
        ),
        ({"task": {"program_arguments": "--copy_logs_to_parent True"}}, {}, 501, "the argument --copy_logs_to_parent"),
        ({"task": {"program_arguments": "--word 'x"}}, {}, 400, "program_arguments is no command line"),
        (
            {"input_data": "${{inputs.word}}"},
            {},
            400,
            "of an input with data; it is '${{inputs.word}}'. There are: data.",
        ),
        ({"task": {"append_row_to": "${{outputs.other}}"}}, {}, 400, "it is '${{outputs.other}}'. There are: scores."),
        ({"error_threshold": -2}, {}, 400, "errorThreshold must be an integer from -1"),
        ({"task": {"program_arguments": "--word ${{inputs.no}}"}}, {}, 400, "has no input 'no'"),
    ],
)
def test_what_a_parallel_step_cannot_be(
    client: MLClient, folder: Path, changes: Any, data: Any, status: int, said: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        client.jobs.create_or_update(pipeline(folder, step(**changes), **data))
    message = str(refused.value.message)
    assert refused.value.status_code == status and "score" in message and said in message, message

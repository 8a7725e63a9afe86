"""The request for a command job: what is kept, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import AzureError, NotEmulated
from emulator.jobs.command import UnknownReference, check, fill, program
from emulator.durations import seconds
from emulator.jobs.schema import command_job, unheeded

MINIMAL = {"jobType": "Command", "command": "true", "environmentId": "azureml:e:1"}


def job(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, **fields}


def test_nulls_and_what_is_computed_are_left_out() -> None:
    kept = command_job(
        job(description=None, status="Running", services={"Studio": {"endpoint": "x"}}, inputs={"a": None})
    )
    assert kept == {**MINIMAL, "inputs": {}, "outputs": {}}


def test_numbers_and_truth_values_are_taken_for_their_text() -> None:
    kept = command_job(job(tags={"a": 1, "b": 0.5}, environmentVariables={"C": True}))
    assert (kept["tags"], kept["environmentVariables"]) == ({"a": "1", "b": "0.5"}, {"C": "true"})


def test_enumerations_are_kept_as_azure_spells_them() -> None:
    kept = command_job(job(inputs={"a": {"jobInputType": "URI_FILE", "mode": "download", "uri": "https://h/x"}}))
    assert kept["inputs"]["a"] == {"jobInputType": "uri_file", "mode": "Download", "uri": "https://h/x"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ([], "properties must be an object; it is list."),
        ({"jobType": "Command"}, "properties.command is required."),
        (job(command=" "), "properties.command is required and must not be empty."),
        (job(comand="x"), "Could not find member 'comand' of properties."),
        (job(tags={"a": [1]}), "properties.tags.a must be a string; it is list."),
        (
            job(inputs={"a": {"jobInputType": "uri_file", "uri": "azureml:x:1", "mode": "Upload"}}),
            "properties.inputs.a.mode must be one of ReadOnlyMount, ReadWriteMount, Download, Direct, EvalMount, "
            "EvalDownload; it is 'Upload'.",
        ),
        (
            job(command="echo ${{inputs.x}}"),
            "The job has no input 'x', which its command names as ${{inputs.x}}. It has: none.",
        ),
        (
            job(command="echo ${{outputs.x}}", outputs={"y": {"jobOutputType": "uri_file"}}),
            "The job has no output 'x', which its command names as ${{outputs.x}}. It has: y.",
        ),
        (
            job(command="echo ${{search_space.x}}"),
            "The command has the expression ${{search_space.x}}; it can have ${{inputs.name}} and ${{outputs.name}}.",
        ),
        (
            job(inputs={"1a": {"jobInputType": "literal", "value": "1"}}),
            "properties.inputs has the name '1a'; it must be letters, digits and underscores, and not begin with a digit.",
        ),
        (
            job(inputs={"a": {"jobInputType": "literal", "value": 1}}),
            "properties.inputs.a.value must be a string; it is 1.",
        ),
        (job(inputs={"a": {"value": "1"}}), "properties.inputs.a.jobInputType is required."),
        (
            job(inputs={"a": {"jobInputType": "uri_file", "uri": ""}}),
            "properties.inputs.a.uri is required and must not be empty.",
        ),
        (
            job(limits={"jobLimitsType": "Command", "timeout": "ten minutes"}),
            "properties.limits.timeout must be an ISO 8601 duration such as PT30M, above zero; it is 'ten minutes'.",
        ),
        (
            job(resources={"instanceCount": 0}),
            "properties.resources.instanceCount must be an integer from 1 to 100; it is 0.",
        ),
        (
            job(resources={"instanceCount": True}),
            "properties.resources.instanceCount must be an integer from 1 to 100; it is True.",
        ),
        (
            job(resources={"shmSize": "2 gigabytes"}),
            "properties.resources.shmSize must be a number and one of b, k, m, g, such as 2g; it is '2 gigabytes'.",
        ),
        (
            job(environmentVariables={"A=B": "1"}),
            "properties.environmentVariables has the name 'A=B'; it must be at least one character, and hold no equals sign.",
        ),
        (
            job(experimentName="a/b"),
            "Experiment name 'a/b' is invalid. It must be 1 to 255 letters, digits, underscores and dashes, "
            "and begin with a letter or a digit.",
        ),
        (
            job(distribution={"distributionType": "Horovod"}),
            "properties.distribution.distributionType must be one of PyTorch, Mpi, TensorFlow, Ray; it is 'Horovod'.",
        ),
        (
            job(
                resources={"instanceCount": 20}, distribution={"distributionType": "Mpi", "processCountPerInstance": 20}
            ),
            "The job has 400 processes; the emulator runs 100 at most.",
        ),
    ],
)
def test_refused_in_words(properties: Any, said: str) -> None:
    with pytest.raises(AzureError) as refused:
        command_job(properties)
    assert (refused.value.status, refused.value.code, refused.value.message) == (400, "UserError", said)


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ({"services": {"mine": {"jobServiceType": "Custom"}}}, "the job service 'mine' of type Custom"),
        ({"distribution": {"distributionType": "Ray", "port": 1}}, "distribution of type Ray"),
        ({"notificationSetting": {"emails": ["a@b.c"]}}, "notifications of a job"),
        ({"secretsConfiguration": {"a": {"uri": "x"}}}, "secrets from a key vault"),
    ],
)
def test_not_emulated_by_name(field: dict[str, Any], named: str) -> None:
    with pytest.raises(NotEmulated, match=named):
        command_job(job(**field))


def test_what_makes_no_difference_is_told() -> None:
    kept = command_job(job(resources={"shmSize": "2g", "dockerArgs": "--ipc=host"}))
    assert [sentence.split(" has ")[0] for sentence in unheeded(kept)] == [
        "resources.dockerArgs '--ipc=host'",
        "resources.shmSize '2g'",
    ]
    assert unheeded(command_job(job())) == []


def test_durations() -> None:
    assert [seconds(text) for text in ("PT1S", "PT1H30M", "P1DT0.5S", "PT0S")] == [1, 5400, 86400.5, 0]
    for text in ("PT", "P", "1 day", "PT1H1"):
        with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
            seconds(text)


def test_values_in_the_command() -> None:
    command = "python run.py --a ${{inputs.a}} $[[--b ${{ inputs.b }}]] $[[--c ${{inputs.c}}]] --o ${{outputs.o}}"
    check(command, ["a", "b"], ["o"])
    values = {"inputs.a": "1 2", "inputs.b": "x", "outputs.o": "/out"}
    assert fill(command, values) == "python run.py --a 1 2 --b x  --o /out"
    with pytest.raises(UnknownReference):
        check(command, ["b"], ["o"])


def test_the_program_of_a_command() -> None:
    plain = ["python run.py --x 1", "A=1 python x", "python x ${{inputs.a}} $[[--b ${{inputs.b}}]]"]
    assert [program(command) for command in plain] == ["python"] * 3
    assert [program(command) for command in ("cd src && python x", "echo 'a", "")] == ["/bin/bash"] * 3

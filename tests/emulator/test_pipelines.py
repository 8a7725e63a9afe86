"""Pipeline jobs through ``MLClient``: YAML files and the ``dsl`` decorator, what runs, what is listed, what goes wrong."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import Input, MLClient, command, dsl, load_component, load_job
from azure.ai.ml.dsl._group_decorator import group
from azure.ai.ml.entities import AmlCompute, Job
from azure.ai.ml.exceptions import JobException, PipelineChildJobError
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.jobs import details, ended, log_of
from tests.waiting import until


def step(command: str, inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    """A command in line, in the default environment."""
    told = {"type": "command", "command": command, "environment": "azureml:plain:1"}
    return {**told, "inputs": inputs or {}, "outputs": outputs or {}, **more}


def pipeline(folder: Path, jobs: dict[str, Any], **more: Any) -> Job:
    """A pipeline job from a YAML file."""
    path = folder / f"{uuid.uuid4().hex}.yml"
    told = {"type": "pipeline", "settings": {"default_compute": "azureml:serverless"}, "jobs": jobs, **more}
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return load_job(path)


def component(client: MLClient, folder: Path, name: str, **told: Any) -> Any:
    """A registered component, version 1."""
    told = {"type": "command", "environment": "azureml:plain:1", **told, "name": name, "version": "1"}
    if told["type"] == "pipeline":
        del told["environment"]
    (folder / f"{name}.yml").write_text(yaml.safe_dump(told, sort_keys=False))
    return client.components.create_or_update(load_component(folder / f"{name}.yml"))


def children(client: MLClient, job: Job) -> dict[str, Job]:
    return {str(child.display_name): child for child in client.jobs.list(parent_job_name=str(job.name))}


def test_two_steps_run_in_their_order(client: MLClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.jobs.create_or_update(
        pipeline(
            tmp_path,
            {
                "second": step(
                    "cat ${{inputs.made}}/x > ${{outputs.end}}/y; echo $AZUREML_ROOT_RUN_ID",
                    {"made": "${{parent.jobs.first.outputs.made}}"},
                    {"end": "${{parent.outputs.end}}"},
                ),
                "first": step(
                    "echo ${{inputs.word}} > ${{outputs.made}}/x",
                    {"word": "${{parent.inputs.word}}-2"},
                    {"made": {"type": "uri_folder"}},
                ),
            },
            inputs={"word": "hello"},
            outputs={"end": {"type": "uri_folder", "name": f"end-{tmp_path.name}"}},
            experiment_name="e-pipe",
            tags={"a": "b"},
        )
    )
    assert job.status == "Preparing"
    client.jobs.stream(str(job.name))
    printed = capsys.readouterr().out
    assert "Streaming logs/azureml/executionlogs.txt" in printed and "Execution Summary" in printed
    job = ended(client, job)
    assert (job.type, job.tags, job.experiment_name) == ("pipeline", {"a": "b"}, "e-pipe")
    assert list(job.jobs) == ["second", "first"]  # type: ignore[attr-defined]
    steps = children(client, job)
    assert {name: one.status for name, one in steps.items()} == {"first": "Completed", "second": "Completed"}
    assert steps["second"].properties["azureml.moduleName"] == "second"
    assert steps["second"].properties["azureml.pipelinerunid"] == job.name
    assert client.jobs.get(str(steps["first"].name)).status == "Completed"
    assert log_of(client, steps["second"]) == f"{job.name}\n"
    client.jobs.download(str(job.name), download_path=tmp_path / "down", output_name="end")
    assert (tmp_path / "down/named-outputs/end/y").read_text() == "hello-2\n"
    made = details(client, steps["first"]).outputs["made"].asset_id
    client.jobs.download(str(steps["first"].name), download_path=tmp_path / "first", output_name="made")
    assert (tmp_path / "first/named-outputs/made/x").read_text() == "hello-2\n" and made
    assert f"/azureml/{steps['second'].name}/end/" in str(client.data.get(f"end-{tmp_path.name}", "1").path)
    with pytest.raises(PipelineChildJobError):
        client.jobs.stream(str(steps["first"].name))


def test_a_step_that_fails_fails_the_pipeline(client: MLClient, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(
        pipeline(
            tmp_path,
            {
                "bad": step("echo oh no; exit 3", outputs={"o": {"type": "uri_folder"}}),
                "after": step("ls ${{inputs.i}}", {"i": "${{parent.jobs.bad.outputs.o}}"}),
            },
        )
    )
    writes_nothing = {
        "first": step("true", outputs={"o": {"type": "uri_folder"}}),
        "after": step("ls ${{inputs.i}}", {"i": "${{parent.jobs.first.outputs.o}}"}),
    }
    empty = client.jobs.create_or_update(pipeline(tmp_path, writes_nothing))
    with pytest.raises(JobException, match="Failed nodes: /bad.*status code 3.*oh no"):
        client.jobs.stream(str(job.name))
    steps = children(client, ended(client, job, "Failed"))
    assert {name: one.status for name, one in steps.items()} == {"bad": "Failed", "after": "Canceled"}
    error = details(client, ended(client, empty, "Failed")).error.error.message
    assert (
        "Failed nodes: /after." in error and "the output 'o' of the step 'first', which wrote nothing there." in error
    )


def test_a_failure_leaves_what_does_not_need_it(client: MLClient, tmp_path: Path) -> None:
    """Continued or not; an optional input of a step that failed is left out; what opens and what closes a pipeline."""
    made = {"o": {"type": "uri_folder"}}
    sleeping = "for i in $(seq 600); do sleep 0.1; done"

    def jobs(slow: str) -> dict[str, Any]:
        takes = component(
            client,
            tmp_path,
            f"takes_{uuid.uuid4().hex[:8]}",
            inputs={"i": {"type": "uri_folder", "optional": True}},
            command="echo got $[[${{inputs.i}}]]",
        )
        return {
            "opens": step("date +%s.%N"),
            "closes": step("date +%s.%N;"),
            "bad": step("sleep 0.5; exit 1", outputs=made),
            "other": step(slow),
            "needs": step("true", {"i": "${{parent.jobs.bad.outputs.o}}"}, made),
            "never": step("true", {"i": "${{parent.jobs.needs.outputs.o}}"}),
            "can": {
                "type": "command",
                "component": f"azureml:{takes.name}:1",
                "inputs": {"i": "${{parent.jobs.bad.outputs.o}}"},
            },
        }

    stops = client.jobs.create_or_update(pipeline(tmp_path, jobs(sleeping)))
    goes_on = {"continue_on_step_failure": True, "default_compute": "azureml:serverless"}
    more = {"on_init": "opens", "on_finalize": "closes"}
    goes = pipeline(tmp_path, jobs("true"), settings={**goes_on, "force_rerun": True})
    for name, value in more.items():
        setattr(goes.settings, name, value)
    goes = client.jobs.create_or_update(goes)

    steps = children(client, ended(client, stops, "Failed"))
    told = {name: one.status for name, one in steps.items() if name not in ("opens", "closes")}
    assert told.pop("bad") == "Failed" and set(told.values()) == {"Canceled"}
    steps = children(client, ended(client, goes, "Failed"))
    assert {name: one.status for name, one in steps.items()} == {
        **{name: "Completed" for name in ("opens", "closes", "other", "can")},
        **{"bad": "Failed", "needs": "Canceled", "never": "Canceled"},
    }
    assert log_of(client, steps["can"]) == "got\n"
    assert float(log_of(client, steps["opens"])) < float(log_of(client, steps["closes"]))
    assert "Failed nodes: /bad." in details(client, goes).error.error.message


def test_independent_steps_run_at_once_and_a_node_runs_one(client: MLClient, tmp_path: Path) -> None:
    client.compute.begin_create_or_update(AmlCompute(name="one", size="Standard_DS3_v2", max_instances=1)).result()
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    meet = f"touch {meeting}/%s; for i in $(seq 100); do test -e {meeting}/%s && exit 0; sleep 0.1; done; exit 1"
    together = client.jobs.create_or_update(
        pipeline(tmp_path, {"a": step(meet % ("a", "b")), "b": step(meet % ("b", "a"))})
    )
    alone = f"mkdir {meeting}/taken && sleep 0.3 && rmdir {meeting}/taken"
    settings = {"default_compute": "azureml:one"}
    apart = client.jobs.create_or_update(
        pipeline(tmp_path, {name: step(f"{alone} # {name}") for name in "abcd"}, settings=settings)
    )
    ended(client, together)
    ended(client, apart)


def test_a_pipeline_that_is_canceled(client: MLClient, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(
        pipeline(
            tmp_path,
            {
                "runs": step("echo up; sleep 600", outputs={"o": {"type": "uri_folder"}}),
                "waits": step("true", {"i": "${{parent.jobs.runs.outputs.o}}"}),
            },
        )
    )
    until(lambda: (runs := children(client, job).get("runs")) and runs.status == "Running")
    assert children(client, job)["waits"].status == "NotStarted"
    with pytest.raises(HttpResponseError, match="is Running. Cancel it"):
        client.jobs.begin_delete(str(job.name)).result()
    asked = time.monotonic()
    client.jobs.begin_cancel(str(job.name)).result()
    ended(client, job, "Canceled")
    assert time.monotonic() - asked < 5
    steps = children(client, job)
    assert {one.status for one in steps.values()} == {"Canceled"}
    client.jobs.begin_delete(str(job.name)).result()
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(str(steps["runs"].name))


def test_what_closes_a_pipeline_runs_however_it_ends(client: MLClient, tmp_path: Path) -> None:
    """``on_finalize`` runs when the pipeline completed, failed or was canceled, as azure-ai-ml's dsl/_settings.py has it."""

    def run(opens: str, middle: str) -> Job:
        told = {"opens": step(opens), "middle": step(middle), "closes": step("echo closed")}
        job: Any = pipeline(tmp_path, told)
        job.settings.on_init, job.settings.on_finalize, job.settings.force_rerun = "opens", "closes", True
        return client.jobs.create_or_update(job)

    def told(job: Job, status: str) -> dict[str, str]:
        return {name: str(one.status) for name, one in children(client, ended(client, job, status)).items()}

    stopped, failed, unopened = run("true", "echo up; sleep 600"), run("true", "exit 1"), run("exit 1", "true")
    until(lambda: (middle := children(client, stopped).get("middle")) and middle.status == "Running")
    client.jobs.begin_cancel(str(stopped.name)).result()
    assert told(stopped, "Canceled") == {"opens": "Completed", "middle": "Canceled", "closes": "Completed"}
    assert told(failed, "Failed") == {"opens": "Completed", "middle": "Failed", "closes": "Completed"}
    assert told(unopened, "Failed") == {"opens": "Failed", "middle": "Canceled", "closes": "Completed"}

    held = run("true", "true")
    client.jobs.begin_cancel(str(held.name)).result()
    ended(client, held, "Canceled")


def test_inputs_in_groups_and_an_optional_one_that_is_not_given(client: MLClient, tmp_path: Path) -> None:
    """``@group``: a group's members are inputs with a dot in their names, at any depth. An optional input of the pipeline that has
    no value is not sent, and what is bound to it is."""

    @group
    class Inner:
        rate: float
        word: str = "said"

    @group
    class Outer:
        inner: Inner
        last: bool

    print_all = command(
        command="echo ${{inputs.rate}} ${{inputs.word}} ${{inputs.last}}$[[ ${{inputs.more}}]]",
        environment="plain@latest",
        inputs={
            **{"rate": Input(type="number"), "word": Input(type="string"), "last": Input(type="boolean")},
            "more": Input(type="string", optional=True),
        },
    )

    @dsl.pipeline()  # type: ignore[untyped-decorator]
    def inside(given: Outer) -> None:
        step = print_all(rate=given.inner.rate, word=given.inner.word, last=given.last)
        step.name = "within"

    optional = Input(type="string", optional=True)

    @dsl.pipeline(default_compute="serverless")  # type: ignore[untyped-decorator]
    def whole(given: Outer, number: int, more: optional = None) -> None:  # type: ignore[valid-type]
        direct = print_all(rate=number, word=given.inner.word, last=given.last, more=more)
        direct.name = "direct"
        nested = inside(given=given)
        nested.name = "nested"

    job = whole(given=Outer(inner=Inner(rate=0.5), last=True), number=7)  # type: ignore[call-arg]
    job = ended(client, client.jobs.create_or_update(job))
    steps = children(client, job)
    assert log_of(client, steps["direct"]) == "7 said True\n"
    assert log_of(client, children(client, steps["nested"])["within"]) == "0.5 said True\n"
    given = client.jobs.get(str(job.name)).inputs["given"]  # type: ignore[attr-defined]
    assert given["inner"]["rate"]._data == "0.5"


def test_a_step_that_is_canceled_fails_its_pipeline(client: MLClient, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(pipeline(tmp_path, {"one": step("sleep 600"), "two": step("sleep 601")}))
    one = until(lambda: (one := children(client, job).get("one")) and one.status == "Running" and one)
    client.jobs.begin_cancel(str(one.name)).result()
    steps = children(client, ended(client, job, "Failed"))
    assert {one.status for one in steps.values()} == {"Canceled"}
    assert "Failed nodes: /one" in details(client, job).error.error.message

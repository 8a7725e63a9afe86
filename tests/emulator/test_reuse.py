"""Steps that are not run again: registered and nested components, and what makes a step another one."""

import uuid
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, Output, command, dsl
from azure.ai.ml.entities import Job, PipelineJob, PipelineJobSettings
from azure.identity import EnvironmentCredential
from azure.storage.blob import BlobClient
from mlflow import MlflowClient

from tests.emulator.jobs import ended
from tests.emulator.test_pipelines import children, component, pipeline, step


def lineage(client: MLClient, root: Job) -> dict[str, tuple[str, str]]:
    """The runs in MLflow of all steps of a pipeline, by their names: the tags that say the parent and the root."""
    tracking = MlflowClient(client.workspaces.get(client.workspace_name).mlflow_tracking_uri)
    experiment = tracking.get_experiment_by_name(str(root.experiment_name))
    assert experiment is not None
    found = tracking.search_runs([experiment.experiment_id], f"tags.mlflow.rootRunId = '{root.name}'")
    assert {run.info.status for run in found} == {"FINISHED"}
    return {
        str(run.info.run_name): (run.data.tags["mlflow.parentRunId"], run.data.tags["mlflow.rootRunId"])
        for run in found
    }


def test_registered_components_nested_and_reused(client: MLClient, tmp_path: Path) -> None:
    suffix = uuid.uuid4().hex[:6]
    (tmp_path / "src").mkdir()
    (tmp_path / "src/make.py").write_text(
        "import sys, pathlib; pathlib.Path(sys.argv[1], 'n').write_text(sys.argv[2])\n"
    )
    make = component(
        client,
        tmp_path,
        f"make_{suffix}",
        inputs={
            "n": {"type": "integer", "default": 3, "min": 1, "max": 9},
            "more": {"type": "string", "optional": True},
        },
        outputs={"made": {"type": "uri_folder"}},
        code=str(tmp_path / "src"),
        command="python make.py ${{outputs.made}} ${{inputs.n}}$[[-${{inputs.more}}]]; echo ran > outputs/ran",
    )
    inner = component(
        client,
        tmp_path,
        f"inner_{suffix}",
        type="pipeline",
        inputs={"n": {"type": "integer", "default": 5}},
        outputs={"out": {"type": "uri_folder"}},
        jobs={
            "deep": {
                "type": "command",
                "component": f"azureml:{make.name}:1",
                "inputs": {"n": "${{parent.inputs.n}}"},
                "outputs": {"made": "${{parent.outputs.out}}"},
            }
        },
    )
    assert list(client.components.get(inner.name, "1").jobs) == ["deep"]

    @dsl.pipeline(name=f"dsl-{suffix}", default_compute="serverless")  # type: ignore[untyped-decorator]
    def whole(n: int, extra: str = "x") -> dict[str, Any]:
        first = make(n=n, more=extra)
        second = client.components.get(inner.name, label="latest")()
        second.name = "second"
        last = command(
            command="cat ${{inputs.a}}/n ${{inputs.b}}/n > ${{outputs.both}}/n; test ${{inputs.n}} = 4",
            environment="plain@latest",
            inputs={"a": Input(type="uri_folder"), "b": Input(type="uri_folder"), "n": Input(type="integer")},
            outputs={"both": Output(type="uri_folder")},
        )(a=first.outputs.made, b=second.outputs.out, n=n)
        return {"both": last.outputs.both, "inner": second.outputs.out}

    def run(**settings: Any) -> tuple[Job, dict[str, Job]]:
        job = whole(n=4)
        for name, value in settings.items():
            setattr(job.settings, name, value)
        job = ended(client, client.jobs.create_or_update(job))
        steps = children(client, job)
        return job, {**steps, **children(client, steps["second"])}

    job, steps = run()
    assert {name: one.status for name, one in steps.items()} == {
        name: "Completed" for name in ("first", "second", "deep", "last")
    }
    assert steps["first"].properties["azureml.moduleName"] == make.name
    client.jobs.download(str(job.name), download_path=tmp_path / "down", all=True)
    assert (tmp_path / "down/named-outputs/both/n").read_text() == "4-x5"
    assert (tmp_path / "down/named-outputs/inner/n").read_text() == "5"
    run_of_inner = client.jobs._runs_operations.get_run(steps["deep"].name)
    assert (run_of_inner.parent_run_id, run_of_inner.root_run_id) == (steps["second"].name, job.name)
    family = {name: (steps["second"].name if name == "deep" else job.name, job.name) for name in steps}
    assert lineage(client, job) == family

    again, same = run()
    for name in ("first", "deep", "last"):
        told = same[name].properties
        assert (told["azureml.isreused"], told["azureml.reusedrunid"]) == ("true", steps[name].name), name
        assert told["azureml.reusedpipelinerunid"] == job.name
    client.jobs.download(str(again.name), download_path=tmp_path / "again", output_name="both")
    assert (tmp_path / "again/named-outputs/both/n").read_text() == "4-x5"
    client.jobs.download(str(same["first"].name), download_path=tmp_path / "reused")
    assert (tmp_path / "reused/artifacts/outputs/ran").read_text() == "ran\n"
    assert set(lineage(client, again)) == set(same), "those that were reused have a run, too"
    _, other = run(force_rerun=True)
    assert not [name for name, one in other.items() if "azureml.isreused" in one.properties]

    # As a batch endpoint makes it, and as ``component: pipeline.yml`` does.
    one = client.jobs.create_or_update(
        PipelineJob(component=inner.id, inputs={"n": 5}, settings=PipelineJobSettings(default_compute="serverless"))
    )
    one = ended(client, one)
    assert children(client, one)["deep"].properties["azureml.reusedrunid"] == other["deep"].name
    client.jobs.download(str(one.name), download_path=tmp_path / "one", output_name="out")
    assert (tmp_path / "one/named-outputs/out/n").read_text() == "5"
    client.jobs.archive(str(one.name))
    assert str(one.name) not in [job.name for job in client.jobs.list()]


def test_what_changed_runs_again(client: MLClient, tmp_path: Path) -> None:
    """Data that was written anew, another code, a component that says that it is not deterministic."""
    src = tmp_path / "src"
    src.mkdir()
    place = f"azureml://datastores/workspaceblobstore/paths/{tmp_path.name}-{uuid.uuid4().hex}/data.txt"

    def run() -> dict[str, bool]:
        told = {
            "data": step("cat ${{inputs.d}}", {"d": {"type": "uri_file", "path": place}}),
            "code": step("cat a.txt", code=str(src)),
        }
        job = pipeline(tmp_path, told)
        steps = children(client, ended(client, client.jobs.create_or_update(job)))
        return {name: "azureml.isreused" in one.properties for name, one in steps.items()}

    def write(text: str) -> None:
        account: Any = client.datastores.get_default()
        url = f"https://{account.account_name}.blob.core.windows.net"
        with BlobClient(
            url, account.container_name, place.partition("/paths/")[2], credential=EnvironmentCredential()
        ) as blob:
            blob.upload_blob(text, overwrite=True)

    write("one")
    (src / "a.txt").write_text("one")
    assert run() == {"data": False, "code": False}
    assert run() == {"data": True, "code": True}
    write("two")
    assert run() == {"data": False, "code": True}
    (src / "a.txt").write_text("two")
    assert run() == {"data": True, "code": False}

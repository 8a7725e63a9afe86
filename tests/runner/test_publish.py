"""The whole story of a release, on one small pipeline: published, broken, rolled back, promoted; and its twins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobLeaseClient

from runner import publishing, release, settings
from runner.endpoint import Endpoint
from runner.lease import Lease
from runner.settings import Settings
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.runner.conftest import PIPELINE, Aml, Said, made, put


class Cut(BaseException):
    """The process ends here."""


@pytest.fixture
def flowers(aml: Aml, place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("id,length\n1,5.1\n2,4.9\n3,4.7\n")
    assert aml("data", "upload", tmp_path / "flowers.csv", "/data/").code == 0


@pytest.fixture
def endpoint(place: dict[str, str]) -> Endpoint:
    return Endpoint(Workspace(Settings(place, {})))


@pytest.fixture(autouse=True)
def name_of_its_own(place: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint's name is taken for the whole region."""
    place[settings.ENDPOINT] = f"e-{place[settings.WORKSPACE].partition('-')[2]}"
    put(monkeypatch, place)


def how(pipeline: Path, word: str) -> None:
    (pipeline / "pipeline.yml").write_text(PIPELINE["pipeline.yml"].replace("how: well", f"how: {word}"))


def test_published_broken_rolled_back(
    aml: Aml, place: dict[str, str], flowers: None, pipeline: Path, endpoint: Endpoint, arm: Arm, tmp_path: Path
) -> None:
    def publish(*args: str | Path) -> Said:
        return aml("publish", "--job-folder", pipeline, *args)

    missing = aml("invoke", "--input", "/data/flowers.csv")
    assert missing.code == 1 and "There is no batch endpoint" in missing.err and "aml publish" in missing.err

    # Two at once: the second is told, and nothing happens to the first.
    with aml.start("publish", "--job-folder", str(pipeline)) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("deployment "):
                break
        for told in (publish(), aml("rollback")):
            assert told.code == 1 and "Something else is at work: publishing " in told.err, told.err
        out, rest = process.communicate()
    first = Said(process.returncode, out, "".join(lines) + rest)
    assert first.code == 0, first.err
    one = release.Release.model_validate_json(first.out)
    assert endpoint.serving() == one.deployment and one.smoke.rows == 2
    assert one.smoke.metrics == {"accuracy": 0.5} and one.who
    assert "smoke test: 2 rows, as they must be" in first.err and "step predict · Completed" in first.err
    data = arm.get(f"{Settings(place, {}).workspace_id}/data/{one.endpoint}-release/versions/{one.version}").json()
    assert data["properties"]["dataUri"].endswith(f"/paths/releases/{one.endpoint}/{one.version}.json")

    again = publish()
    assert again.code == 0 and json.loads(again.out) == json.loads(first.out) and "serves already" in again.err
    versions = f"{Settings(place, {}).workspace_id}/components/trial_pipeline/versions"
    assert len(arm.get(versions).json()["value"]) == 1

    # Broken code, a model below its gate, scores that are not what they must be: the first release serves on, and it is said why.
    broken_ones = {
        "badly": "the rows are not good",
        "weakly": "did not pass its gate: accuracy 0.5 is below the floor 0.9",
        "oddly": "column 'prediction' has 'rose'",
    }
    for word, said in broken_ones.items():
        how(pipeline, word)
        broken = publish(*(["--keep-failed"] if word == "oddly" else []))
        assert broken.code == 3 and said in broken.err and broken.out == "", broken.err
        assert f"Not published. {one.deployment} still serves." in broken.err and "Traceback" not in broken.err
        assert "  next: aml jobs " in broken.err
        assert endpoint.serving() == one.deployment
        assert len(endpoint.deployments()) == (2 if word == "oddly" else 1)

    (failed,) = set(endpoint.deployments()) - {one.deployment}
    never = aml("rollback", "--to", failed)
    assert never.code == 1 and f"'{failed}' did not pass its smoke test" in never.err

    # A second release; what was kept of the failed one goes.
    how(pipeline, "well, seed: 2")
    second = publish("--keep", "1")
    assert second.code == 0, second.err
    two = release.Release.model_validate_json(second.out)
    assert endpoint.history().served == (two.deployment, one.deployment)
    assert set(endpoint.deployments()) == {two.deployment, one.deployment}
    assert [one["state"] for one in aml("releases", "--json").json] == ["serves", "kept"]

    scored = aml("invoke", "--wait", "--input", "/data/flowers.csv", "--output", "/scored", "--json")
    assert scored.code == 0 and scored.json["deployment"] == two.deployment, scored.err
    assert scored.json["scores"] == [{"id": str(number), "prediction": "setosa"} for number in (1, 2, 3)]
    assert [entry["path"] for entry in aml("data", "list", "/scored", "--json").json] == ["/scored/scores.csv"]
    by_name = aml("invoke", "--input", "/data/flowers.csv", "--deployment", one.deployment, "--json")
    assert by_name.code == 0 and by_name.json["deployment"] == one.deployment
    refused = aml("invoke", "--input", "/data/Flowers.csv")
    assert refused.code == 1 and "only the case differs" in refused.err
    assert "has no deployment" in aml("invoke", "--input", "/data/flowers.csv", "--deployment", "v-nothing").err

    back = aml("rollback")
    assert back.code == 0 and back.out.strip() == one.version and endpoint.serving() == one.deployment
    nothing = aml("rollback")
    assert nothing.code == 1 and "There is no release to go back to" in nothing.err
    assert f"aml rollback --to {two.version}" in nothing.err
    gone = aml("rollback", "--to", "nothing").err
    assert "Release 'nothing' has no deployment any more" in gone and "aml releases nothing > release.json && " in gone

    # What was rolled back from stays while the release that serves again is published again, which changes nothing, and is one of
    # those that --keep counts.
    how(pipeline, "well")
    assert "serves already" in publish("--keep", "1").err and two.deployment in endpoint.deployments()
    assert aml("rollback", "--to", two.version).code == 0
    assert endpoint.history().served == (two.deployment, one.deployment) and not endpoint.history().left

    assert aml("releases", one.version).out == first.out
    listed = aml("releases").out.splitlines()
    assert len(listed) == 4 and "serves" in listed[2] and two.version in listed[2]

    how(pipeline, "well, seed: 2")
    assert publish("--keep", "0").code == 0 and list(endpoint.deployments()) == [two.deployment]


STAGES = [
    (publishing.component, "register"),
    (Endpoint, "make"),
    (Endpoint, "deploy"),
    (publishing.steps, "follow"),
    (publishing.release, "put"),
    (Endpoint, "switch"),
    (publishing, "_tidy"),
]


def test_interrupted_after_each_stage_it_goes_on(
    aml: Aml, place: dict[str, str], pipeline: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt gets one stage further and is cut right after it; then one goes through, and there is one of everything."""

    def cut_after(stage: Any) -> Any:
        def cut(*args: Any, **kwargs: Any) -> Any:
            stage(*args, **kwargs)
            raise Cut

        return cut

    for where, name in STAGES:
        with monkeypatch.context() as patch, pytest.raises(Cut):
            patch.setattr(where, name, cut_after(getattr(where, name)))
            aml("publish", "--job-folder", pipeline)
    done = aml("publish", "--job-folder", pipeline)
    assert done.code == 0, done.err
    last = release.Release.model_validate_json(done.out)
    assert endpoint.history().served == (last.deployment,) and list(endpoint.deployments()) == [last.deployment]
    assert [one["state"] for one in aml("releases", "--json").json] == ["serves"]


def test_promoted_as_it_is(
    aml: Aml,
    place: dict[str, str],
    pipeline: Path,
    endpoint: Endpoint,
    arm: Arm,
    group: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The manifest of one workspace, published in another: the same component, the same model, nothing by label."""
    from azure.ai.ml.entities import Model

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "MLmodel").write_text("flavors: {}\n")
    here = Workspace(Settings(place, {}))
    flowers = Model(
        name="flowers", version="3", type="mlflow_model", path=tmp_path / "weights", tags={"accuracy": "0.97"}
    )
    here.client.models.create_or_update(flowers)
    bound = "how: well, model: {type: mlflow_model, path: azureml:flowers@latest}"
    (pipeline / "pipeline.yml").write_text(PIPELINE["pipeline.yml"].replace("how: well", bound))
    (pipeline / "components/predict.yml").write_text(
        PIPELINE["components/predict.yml"].replace("inputs:\n", "inputs:\n  model: {type: mlflow_model}\n")
    )

    follow = publishing.steps.follow

    def follow_and_withdraw(*args: Any) -> Any:
        ended = follow(*args)
        assert arm.delete(f"{Settings(place, {}).workspace_id}/models/flowers/versions/3").status_code in (200, 202)
        return ended

    with monkeypatch.context() as patch:
        patch.setattr(publishing.steps, "follow", follow_and_withdraw)
        gone = aml("publish", "--job-folder", pipeline)
    assert gone.code == 3 and "Model 'flowers:3' was withdrawn while the release was tried" in gone.err, gone.err
    assert endpoint.serving() is None and not endpoint.deployments()
    here.client.models.create_or_update(flowers)

    manifest = tmp_path / "release.json"
    said = aml("publish", "--job-folder", pipeline)
    assert said.code == 0 and "flowers@latest is version 3" in said.err, said.err
    manifest.write_text(said.out)
    first = release.read(manifest)
    assert first.models[0].tags == {"accuracy": "0.97"} and first.component.pins == {
        "azureml:flowers@latest": "azureml:flowers:3"
    }

    put(monkeypatch, {settings.ENDPOINT: "elsewhere"})
    elsewhere = aml("publish", "--job-folder", pipeline, "--manifest", manifest)
    own = place[settings.ENDPOINT]
    assert elsewhere.code == 1 and f"of endpoint '{own}', not of 'elsewhere': this workspace has both" in elsewhere.err

    # The production workspace: everything is new there but the storage account, whose containers are the workspace's own.
    original = arm.get(Settings(place, {}).workspace_id).json()
    bound_to = {key: original["properties"][key] for key in ("storageAccount", "keyVault")}
    name = f"prod-{place[settings.WORKSPACE][-8:]}"
    made(
        arm,
        f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}",
        {"identity": {"type": "SystemAssigned"}, "properties": bound_to},
    )
    prod = {**place, settings.WORKSPACE: name, settings.ENDPOINT: f"p-{name[-8:]}"}
    put(monkeypatch, prod)

    labelled = tmp_path / "labelled.json"
    labelled.write_text(said.out.replace('"azureml:flowers:3"', '"azureml:flowers@latest"'))
    refused = aml("publish", "--job-folder", pipeline, "--manifest", labelled)
    assert refused.code == 1 and "names a label" in refused.err and "azureml:flowers@latest" in refused.err
    another = tmp_path / "another.json"
    another.write_text(said.out.replace('"trial_pipeline"', '"roses"'))
    refused = aml("publish", "--job-folder", pipeline, "--manifest", another)
    assert refused.code == 1 and "its component is 'roses', and 'pipeline.yml' here is 'trial_pipeline'" in refused.err
    code = (pipeline / "code/predict.py").read_text()
    (pipeline / "code/predict.py").write_text(code + "# another\n")
    other = aml("publish", "--job-folder", pipeline, "--manifest", manifest)
    assert other.code == 1 and "This checkout makes trial_pipeline:" in other.err, other.err
    (pipeline / "code/predict.py").write_text(code)

    promoted = aml("publish", "--job-folder", pipeline, "--manifest", manifest)
    assert promoted.code == 0 and "model flowers:3: copying it" in promoted.err, promoted.err
    there = release.Release.model_validate_json(promoted.out)
    assert (there.version, there.component, there.models) == (first.version, first.component, first.models)
    assert there.endpoint == prod[settings.ENDPOINT] and there.workspace == first.workspace


def test_a_manifest_that_is_none(aml: Aml, place: dict[str, str], pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text('{"endpoint": "x"}')
    said = aml("publish", "--job-folder", pipeline, "--manifest", tmp_path / "release.json")
    assert said.code == 1 and "is not a release's manifest" in said.err and "component: Field required" in said.err
    both = aml("publish", "--manifest", tmp_path / "release.json", "--component", "score.yml")
    assert both.code == 1 and "A manifest names its component; 'score.yml' is given, too." in both.err
    none = aml("publish", "--job-folder", pipeline, "--component", "pipelin.yml")
    assert none.code == 1 and "There is no component 'pipelin.yml'" in none.err and "'pipeline.yml'" in none.err
    assert "There is no manifest" in aml("publish", "--job-folder", pipeline, "--manifest", tmp_path / "none.json").err


def test_a_name_that_another_workspace_has_or_that_is_none(
    aml: Aml, place: dict[str, str], pipeline: Path, endpoint: Endpoint, arm: Arm, group: str
) -> None:
    none = aml("publish", "--job-folder", pipeline, "--endpoint", "my_endpoint")
    assert none.code == 1 and "'my_endpoint'" in none.err and "3 to 32 letters, digits and '-'" in none.err
    other = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/other-{place[settings.WORKSPACE][-8:]}"
    bound = arm.get(Settings(place, {}).workspace_id).json()["properties"]
    bound = {key: bound[key] for key in ("storageAccount", "keyVault")}
    made(arm, other, {"identity": {"type": "SystemAssigned"}, "properties": bound})
    made(arm, f"{other}/batchEndpoints/{endpoint.name}", {"properties": {"authMode": "AADToken"}})
    said = aml("publish", "--job-folder", pipeline)
    assert said.code == 1 and said.out == "" and "Traceback" not in said.err
    assert (
        f"The name '{endpoint.name}' for an endpoint is taken in westeurope" in said.err
        and "--endpoint NAME" in said.err
    )
    assert aml("rollback").code == 1, "there is none of that name here"


@pytest.fixture
def lease(place: dict[str, str]) -> Iterator[Lease]:
    store = publishing.Datastore.open(Workspace(Settings(place, {})), place[settings.DATASTORE])
    with Lease(store, "releases/x/lease", "a test", "me") as held:
        yield held


def test_a_lease_that_was_lost_is_noticed(lease: Lease) -> None:
    lease.check()
    BlobLeaseClient(lease._blob).break_lease(0)
    with pytest.raises(Exception, match="The lease for a test was lost"):
        lease.check()

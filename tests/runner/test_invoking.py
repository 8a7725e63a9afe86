"""What an invocation is given by itself, and what is fetched of a job: on a pipeline that asks for the commit and makes a model."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from azure.ai.ml.operations._model_dataplane_operations import ModelDataplaneOperations

from runner import outputs, settings
from runner.settings import Settings
from runner.workspace import Workspace
from tests.runner.conftest import PIPELINE, Aml, put


@pytest.fixture
def asks(pipeline: Path) -> Path:
    """The pipeline in a repository; it takes the commit, prints it, and makes a model and a large file beside its scores."""
    whole = PIPELINE["pipeline.yml"].replace(
        "  data: {type: uri_file}\n", "  data: {type: uri_file}\n  git_commit: {type: string, optional: true}\n", 1
    )
    whole = whole.replace("  gate: {type: uri_file}\n", "  gate: {type: uri_file}\n  model: {type: custom_model}\n")
    whole = whole.replace("how: well}", 'how: well, git_commit: "${{parent.inputs.git_commit}}"}')
    whole = whole.replace(
        'gate: "${{parent.outputs.gate}}"}', 'gate: "${{parent.outputs.gate}}", model: "${{parent.outputs.model}}"}'
    )
    step = PIPELINE["components/predict.yml"].replace(
        "inputs:\n", "inputs:\n  git_commit: {type: string, optional: true}\n"
    )
    step = step.replace("outputs:\n", "outputs:\n  model: {type: custom_model}\n")
    step = (
        step.rstrip()
        + " && echo $[[${{inputs.git_commit}}]] > ${{outputs.model}}/commit && touch ${{outputs.scores}}/other.png\n"
    )
    for name, text in {"pipeline.yml": whole, "components/predict.yml": step}.items():
        (pipeline / name).write_text(text)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init",), ("add", "."), (*who, "commit", "-m", "first")):
        subprocess.run(["git", *words], cwd=pipeline, check=True, capture_output=True)
    return pipeline


def test_the_released_commit_is_given_and_only_the_scores_are_fetched(
    aml: Aml, place: dict[str, str], asks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place[settings.ENDPOINT] = f"e-{place[settings.WORKSPACE].partition('-')[2]}"
    put(monkeypatch, place)
    (tmp_path / "flowers.csv").write_text("id,length\n1,5.1\n")
    assert aml("data", "upload", tmp_path / "flowers.csv", "/data/").code == 0
    fetched: list[str] = []

    class Seen(outputs.Output):
        def fetch(self, name: str, folder: Path) -> Path:
            fetched.append(name)
            return super().fetch(name, folder)

    monkeypatch.setattr(outputs, "Output", Seen)
    said = aml("publish", "--job-folder", asks)
    assert said.code == 0, said.err
    assert fetched == ["gate", "scores.csv"], "other.png stays where it is"

    scored = aml("invoke", "--wait", "--input", "/data/flowers.csv", "--json")
    assert scored.code == 0 and len(scored.json["scores"]) == 1, scored.err
    where = tmp_path / "down"
    assert aml("jobs", "download", scored.json["name"], "--output", "model", "--to", where).code == 0
    assert (where / "named-outputs/model/commit").read_text().strip() == said.json["commit"]
    given = aml("invoke", "--wait", "--input", "/data/flowers.csv", "--input", "git_commit=mine", "--json")
    whole = aml("jobs", "download", given.json["name"], "--to", tmp_path / "given")
    assert whole.code == 0 and {"scores", "gate", "model"} == {
        path.name for path in (tmp_path / "given/named-outputs").iterdir()
    }
    assert (tmp_path / "given/named-outputs/model/commit").read_text() == "mine\n"
    missing = outputs.find(Workspace(Settings(place, {})), given.json["name"], "nothing")
    assert missing is None


def test_azure_ai_ml_cannot_fetch_a_model() -> None:
    """In Azure as here: it fails before it sends anything. When it no longer does, pipeline.yml can give its model."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'values'"):
        ModelDataplaneOperations.get_batch_model_uris(None, ["id"])  # type: ignore[arg-type]

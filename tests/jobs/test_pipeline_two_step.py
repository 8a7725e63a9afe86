"""The four steps of the training pipeline as programs, without Azure."""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas
import pytest
import yaml
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from runner import scores, smoke

FOLDER = Path(__file__).parents[2] / "jobs" / "pipeline_two_step"
JOB = FOLDER / "job"
IRIS = FOLDER.parent / "data" / "iris_dataset.csv"
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
HEADER = ",".join([*FEATURES, "species"])
CLASSES = ["setosa", "versicolor", "virginica"]
CONFIG = JOB / "cfg" / "train_config.yaml"
STEPS = ("ingest", "split", "train", "predict")
pytestmark = pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType", "ignore::FutureWarning:mlflow")


def run(work, script, *options):
    """A step as a person starts it: no Azure, no MLflow."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "MLFLOW"))}
    arguments = [sys.executable, str(JOB / script), *map(str, options)]
    return subprocess.run(arguments, cwd=work, env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("two-step")


@pytest.fixture(scope="module")
def steps(work):
    """The steps' modules by name, imported as they import each other; MLflow's store is in ``work``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(JOB)
        for name in ("TRACKING_URI", "REGISTRY_URI", "RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME"):
            patch.delenv(f"MLFLOW_{name}", raising=False)
        patch.chdir(work)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{work / 'mlflow.db'}")
        mlflow.set_experiment(experiment_id="0")  # MLflow keeps the one that another test set
        yield __import__
        mlflow.set_tracking_uri(before)
    for name in [name for name in sys.modules if name.partition(".")[0] in (*STEPS, "utils")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def done(work, steps):
    """What the four steps leave on the whole data set, one after the other; and what each printed."""
    said = {}
    for name, options in (
        ("ingest", f"--input-data {IRIS} --data data --report report"),
        ("split", "--data data --train train --test test"),
        ("train", "--train train --test test --report report --model model --gate gate --git-commit c0ffee"),
        ("predict", "--data test --model model --scores scores"),
    ):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            steps(name).main(options.split())
        said[name] = printed.getvalue()
    return said


def config(folder, **changes):
    """The configuration in ``folder``, with ``section__key`` changed."""
    written = yaml.safe_load(CONFIG.read_text())
    for key, value in changes.items():
        *path, last = key.split("__")
        section = written
        for part in path:
            section = section[part]
        section[last] = value
    file = folder / "train_config.yaml"
    file.write_text(yaml.safe_dump(written))
    return file


def read(file):
    return json.loads(file.read_text())


# The four, one after the other


def test_ingest_hands_on_what_it_was_given_and_reports_it(done, work):
    assert (work / "data" / IRIS.name).read_bytes() == IRIS.read_bytes()
    report = read(work / "report" / "report.json")
    assert report["sha256"] == hashlib.sha256(IRIS.read_bytes()).hexdigest() and report["rows"] == 150
    assert report["problems"] == [] and report["classes"] == dict.fromkeys(CLASSES, 50)
    assert report["ranges"]["petal_width"] == {"minimum": 0.1, "maximum": 2.5}


def test_split_is_stratified_whole_and_the_same_for_the_same_seed(done, work, steps, tmp_path):
    train, test = (pandas.read_csv(work / name / "data.csv") for name in ("train", "test"))
    assert dict(train.species.value_counts()) == dict.fromkeys(CLASSES, 35)
    assert dict(test.species.value_counts()) == dict.fromkeys(CLASSES, 15)
    both = pandas.concat([train, test]).sort_values([*FEATURES, "species"], ignore_index=True)
    assert both.equals(pandas.read_csv(IRIS).sort_values([*FEATURES, "species"], ignore_index=True))
    for seed in (42, 43):
        where = ["--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")]
        steps("split").main(["--data", str(work / "data"), "--config", str(config(tmp_path, seed=seed)), *where])
        same = (tmp_path / "test" / "data.csv").read_bytes() == (work / "test" / "data.csv").read_bytes()
        assert same == (seed == 42)


def test_the_model_has_signature_and_example_and_is_registered_with_its_origin(done, work, steps):
    model = mlflow.pyfunc.load_model(str(work / "model"))
    assert model.metadata.signature.inputs.input_names() == FEATURES
    assert len(model.predict(model.metadata.load_input_example(str(work / "model")))) == 5

    gate = read(work / "gate" / "gate.json")
    assert gate["passed"] and gate["registered"] == {"name": "iris-classifier", "version": "1"} and not gate["before"]
    client = mlflow.MlflowClient()
    version = client.get_model_version("iris-classifier", "1")
    assert (
        version.tags["git_commit"] == "c0ffee"
        and version.tags["data_sha256"] == read(work / "report" / "report.json")["sha256"]
    )
    assert float(version.tags["accuracy"]) == pytest.approx(gate["metrics"]["accuracy"], abs=1e-6)
    logged = client.get_run(version.run_id).data
    assert logged.metrics == pytest.approx(gate["metrics"]) and logged.tags["gate"] == "passed"
    assert logged.params["C"] == "1.0" and logged.params["rows_test"] == "45"
    assert mlflow.sklearn.load_model("models:/iris-classifier/1").classes_.tolist() == CLASSES
    assert "registered: iris-classifier:1" in done["train"]


def test_scores_metrics_and_pictures_agree_with_scikit_learns(done, work, steps):
    made = pandas.read_csv(work / "scores" / "scores.csv")
    chances = made[[f"probability_{name}" for name in CLASSES]]
    assert made[[*FEATURES, "species"]].equals(pandas.read_csv(work / "test" / "data.csv"))
    assert chances.sum(axis=1).between(1 - 1e-5, 1 + 1e-5).all()
    metrics = read(work / "scores" / "metrics.json")
    assert metrics == pytest.approx(read(work / "gate" / "gate.json")["metrics"])
    even = chances.div(chances.sum(axis=1), axis=0)
    assert metrics == pytest.approx(
        {
            "accuracy": accuracy_score(made.species, made.prediction),
            "f1": f1_score(made.species, made.prediction, average="macro"),
            "log_loss": log_loss(made.species, even),
            "roc_auc": roc_auc_score(made.species, even, multi_class="ovr"),
        },
        abs=1e-4,
    )
    (run_id,) = {found.info.run_id for found in mlflow.MlflowClient().search_runs(["0"]) if not found.data.params}
    for picture in ("confusion_matrix.png", "roc.png"):
        content = (work / "scores" / picture).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5000
        assert Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=picture)).read_bytes() == content


# Data that cannot be used

ROW, OTHER = "5.1,3.5,1.4,0.2,setosa\n", "7.0,3.2,4.7,1.4,versicolor\n"
UNUSABLE = {
    "empty": ("", [("", "is empty", 0, None)]),
    "no rows": (f"{HEADER}\n", [("", "has no rows below its header", 0, None)]),
    "missing columns": (
        "sepal_length,petal_length,species\n1,2,setosa\n",
        [("sepal_width", "is missing", 0, None), ("petal_width", "is missing", 0, None)],
    ),
    "a name twice": (f"species,{HEADER}\nsetosa,{ROW}", [("species", "is there 2 times", 0, None)]),
    "all at once": (
        f"{HEADER}\n{ROW}4.9,wide,99,,rose\n-1,inf,nan,0.2,\nTrue,,1,1,setosa\n",
        [
            ("sepal_length", "is below 0.1", 1, 3),
            ("sepal_length", "is not a number", 1, 4),
            ("sepal_width", "is not a number", 2, 2),
            ("sepal_width", "is empty", 1, 4),
            ("petal_length", "is not a number", 1, 3),
            ("petal_length", "is above 30", 1, 2),
            ("petal_width", "is empty", 1, 2),
            ("species", "is empty", 1, 3),
            ("species", "is not one of setosa, versicolor, virginica", 1, 2),
        ],
    ),
    "only true": (f"{HEADER}\nTrue,1,1,1,setosa\n", [("sepal_length", "is not a number", 1, 1)]),
    "short line": (f"{HEADER}\n{ROW}5,3,1,1\n", [("species", "is empty", 1, 2)]),
    "long line": (
        f"{HEADER}\n{ROW}{ROW.strip()},x\n",
        [("", r"is not CSV \(Expected 5 fields in line 3, saw 6\)", 0, None)],
    ),
    "long lines": (f"{HEADER}\n{ROW.strip()},x\n", [("", "is not CSV .*", 0, None)]),
    "open quote": (f'{HEADER}\n"5,3,1,1,setosa\n', [("", "is not CSV .*", 0, None)]),
    "not UTF-8": (
        f"{HEADER}\n{ROW}5,3,1,1,sétosa\n".encode("latin-1"),
        [("", r"line 3 is not UTF-8 \(byte 0xe9\)", 0, None)],
    ),
    "binary": (b"\x00\x01\xff", [("", r"line 1 is not UTF-8 \(byte 0xff\)", 0, None)]),
}


@pytest.mark.parametrize("chunk", [2, 100_000])
@pytest.mark.parametrize("case", UNUSABLE)
def test_all_that_is_wrong_with_data_is_told_at_once(case, chunk, steps, tmp_path, monkeypatch):
    content, expected = UNUSABLE[case]
    source = tmp_path / "some.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    ingest = steps("ingest")
    monkeypatch.setattr(ingest.table, "CHUNK", chunk)
    options = ["--data", str(tmp_path / "data"), "--report", str(tmp_path / "report")]
    with pytest.raises(ingest.step.Refused) as refused:
        ingest.main(["--input-data", str(source), *options])
    problems = read(tmp_path / "report" / "report.json")["problems"]
    assert len(problems) == len(expected)
    for column, problem, rows, first in expected:
        (found,) = [one for one in problems if one["column"] == column and re.fullmatch(problem, one["problem"])]
        assert (found["rows"], found["first"]) == (rows, first)
        assert found["problem"] in str(refused.value)
    assert str(refused.value).isprintable() or str(refused.value).replace("\n", "").isprintable()
    assert not (tmp_path / "data").exists()


def test_refused_data_ends_the_process_with_a_table_and_without_a_traceback(work):
    bad = work / "bad.csv"
    bad.write_text(f"{HEADER}\n{ROW}4.9,wide,99,1,rose\n")
    finished = run(work, "ingest.py", "--input-data", bad, "--data", "none", "--report", "bad")
    assert finished.returncode == 1 and "Traceback" not in finished.stderr
    assert re.search(r"^file +column +what is wrong +rows +first +there$", finished.stderr, re.MULTILINE)
    assert re.search(r"^bad\.csv +sepal_width +is not a number +1 +2 +wide$", finished.stderr, re.MULTILINE)
    assert len(read(work / "bad" / "report.json")["problems"]) == 3 and not (work / "none").exists()


def test_labels_are_optional_where_only_scores_are_wanted(steps, tmp_path):
    ingest = steps("ingest")
    source = tmp_path / "many"
    source.mkdir()
    (source / "a.csv").write_bytes(
        b"\xef\xbb\xbfid, " + ",".join(FEATURES).encode() + b"\r\n007,5,3,1,1\r\n\r\n008,5,3,1,1\r\n"
    )
    (source / "b.CSV").write_text(f"{HEADER}\n{ROW}5,3,1,1,\n")
    options = ["--data", str(tmp_path / "data"), "--report", str(tmp_path / "report")]
    ingest.main(["--input-data", str(source), "--labels", "optional", *options])
    report = read(tmp_path / "report" / "report.json")
    assert (report["rows"], report["classes"], report["ignored"]) == (4, {"setosa": 1}, ["id"])
    with pytest.raises(ingest.step.Refused, match="species +is missing"):
        ingest.main(["--input-data", str(source), *options])
    for place, words in ((tmp_path / "gone.csv", "no such file"), (tmp_path / "empty", "has nothing")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ingest.step.Refused, match=words):
            ingest.main(["--input-data", str(place), *options])


@pytest.mark.parametrize(
    ("rows", "words"),
    [(ROW * 5, "every row has the species 'setosa'"), (ROW * 9 + OTHER, "versicolor: 1 rows, 1 rows, 0")],
)
def test_a_split_needs_each_class_on_both_sides(rows, words, steps, tmp_path):
    (tmp_path / "some.csv").write_text(f"{HEADER}\n{rows}")
    split = steps("split")
    with pytest.raises(split.step.Refused, match=words):
        split.main(["--data", str(tmp_path), "--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")])
    assert not (tmp_path / "train").exists()


# The configuration


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split__test_size": 1}, "split.test_size: .* less than 1, not 1"),
        ({"gate__metric": "log_loss"}, "gate.metric: .* 'accuracy', 'f1' or 'roc_auc', not 'log_loss'"),
        ({"gate__flor": 1}, "gate.flor: Extra"),
        ({"seed": "x"}, "seed: .* integer, not 'x'"),
        ({"data__features": {}}, "data.features: .* at least 1"),
        ({"data__target__name": "sepal_width"}, "'sepal_width' is a feature too"),
        ({"model__estimator": "sklearn.nothing.Classifier"}, "there is no 'sklearn.nothing.Classifier'"),
        ({"model__estimator": "sklearn.svm.LinearSVC", "model__parameters": {}}, "has no predict_proba"),
        ({"model__parameters": {"D": 1}}, "unexpected keyword argument 'D'"),
        ({"model__parameters": {"C": -1.0}}, "cannot be fitted: The 'C' parameter"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told_by_its_key(changes, words, done, work, steps, tmp_path):
    with pytest.raises(steps("train").step.Refused, match=words):
        train(work, steps, tmp_path, **changes)
    assert not (tmp_path / "model").exists()


def train(work, steps, folder, *options, **changes):
    """What ``gate.json`` says after a training in this process."""
    given = {name: str(work / name) for name in ("train", "test")}
    made = {"report": str(work / "report"), "model": str(folder / "model"), "gate": str(folder / "gate")}
    arguments = [part for name, value in {**given, **made}.items() for part in (f"--{name}", value)]
    steps("train").main([*arguments, "--config", str(config(folder, **changes)), *options])
    return read(folder / "gate" / "gate.json")


# The gate


def test_only_what_passes_the_gate_is_registered(done, work, steps, tmp_path, capsys):
    name, client = "gated", mlflow.MlflowClient()
    for made in ("1", "2"):  # as good as the one before is good enough
        first = train(work, steps, tmp_path, model__name=name)
        assert first["registered"] == {"name": name, "version": made}
        shutil.rmtree(tmp_path / "model")
    weak = {"model__name": name, "model__parameters": {"C": 1e-6}, "gate__floor": 0.0}
    refused = train(work, steps, tmp_path, **weak)
    value = refused["metrics"]["accuracy"]
    assert refused["reason"] == f"accuracy {value:.4f} is worse than version 2's {first['metrics']['accuracy']:.4f}"
    assert refused["before"]["version"] == "2" and (tmp_path / "model" / "MLmodel").is_file()
    assert f"not registered: {refused['reason']}" in capsys.readouterr().out

    shutil.rmtree(tmp_path / "model")
    assert train(work, steps, tmp_path, **weak, gate__tolerance=1.0)["registered"]["version"] == "3"
    shutil.rmtree(tmp_path / "model")
    assert "is below the floor 1.5000" in train(work, steps, tmp_path, model__name=name, gate__floor=1.5)["reason"]
    shutil.rmtree(tmp_path / "model")
    tried = train(work, steps, tmp_path, "--register", "False", model__name=name)
    assert tried["passed"] and tried["registered"] is None
    assert len(client.search_model_versions(f"name = '{name}'")) == 3


def test_of_two_trainings_at_once_the_later_passes_the_gate_again(done, work, steps, tmp_path, monkeypatch):
    """Another registers between this one's gate and its registering: a worse one makes no difference, a better one does."""
    client, register = mlflow.MlflowClient(), steps("utils.registry").registry.register
    name = "raced"

    def raced(*given):
        model = {**client.get_model_version(*before).tags, "accuracy": str(other)}
        client.create_model_version(name, str(work / "model"), tags=model)
        return register(*given)

    before = name, train(work, steps, tmp_path, model__name=name)["registered"]["version"]
    monkeypatch.setattr(steps("utils.registry").registry, "register", raced)
    for other, version in ((0.5, "3"), (1.0, None)):
        shutil.rmtree(tmp_path / "model")
        told = train(work, steps, tmp_path, model__name=name)
        assert (told["registered"] or {}).get("version") == version and told["passed"] == (version is not None)
    value = told["metrics"]["accuracy"]
    assert told["reason"] == (
        f"accuracy {value:.4f} is worse than version 4's 1.0000, which another training registered meanwhile"
    )
    assert sorted(int(one.version) for one in client.search_model_versions(f"name = '{name}'")) == [1, 2, 3, 4]


# Scoring


def predict(steps, data, model, folder):
    steps("predict").main(["--data", str(data), "--model", str(model), "--scores", str(folder)])
    return (folder / "scores.csv").read_text()


def test_chunks_make_no_difference_and_columns_stay_as_they_are(done, work, steps, tmp_path, monkeypatch):
    for name, text in (("a.csv", "007,,x"), ("b.csv", "8,setosa,y")):
        head, *rows = IRIS.read_text().splitlines()
        number, species, note = text.split(",")
        lines = [f"{row.rpartition(',')[0]},{species},{number},{note}" for row in rows[:20]]
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text("\n".join([f"{head},id,note", *lines]) + "\n")
    whole = predict(steps, tmp_path / "data", work / "model", tmp_path / "whole")
    monkeypatch.setattr(steps("predict").table, "CHUNK", 7)
    assert predict(steps, tmp_path / "data", work / "model", tmp_path / "chunks") == whole
    assert whole.count("\n") == 41 and ",007,x,setosa,0.9" in whole
    metrics = [read(tmp_path / name / "metrics.json") for name in ("whole", "chunks")]
    assert metrics[0] == pytest.approx(metrics[1]) and metrics[0]["accuracy"] == 1 and "roc_auc" not in metrics[0]


def test_what_cannot_be_scored_is_told(done, work, steps, tmp_path):
    refused = steps("predict").step.Refused
    for content, model, words in (
        ("sepal_length\n1\n", work / "model", "needs the columns sepal_width, petal_length, petal_width"),
        (f"{HEADER}\n1,1,1,1,rose\n", work / "model", "classes that the model does not know: rose"),
        (f"{HEADER}\n{ROW}", work / "train", "is not a model of scikit-learn"),
    ):
        (tmp_path / "data.csv").write_text(content)
        with pytest.raises(refused, match=words):
            predict(steps, tmp_path / "data.csv", model, tmp_path / "scores")


def test_the_smoke_tests_can_be_met_and_are_broken_by_bad_scores(done, work, steps, tmp_path):
    whole, some = (smoke.read(FOLDER / "smoke" / f"{name}.yml") for name in ("pipeline", "score"))
    assert (FOLDER / "smoke" / whole.inputs["input_data"]).resolve() == IRIS.resolve()
    assert whole.inputs["register"] is False and whole.scores.broken(scores.read(work / "scores" / "scores.csv")) == []
    assert smoke.Gate.read(work / "gate" / "gate.json", whole.gate).passed

    sample = FOLDER / "smoke" / some.inputs["input_data"]
    options = ["--data", str(tmp_path / "data"), "--report", str(tmp_path / "report")]
    steps("ingest").main(["--input-data", str(sample), "--labels", "optional", *options])
    predict(steps, tmp_path / "data", work / "model", tmp_path / "scores")
    made = scores.read(tmp_path / "scores" / "scores.csv")
    assert some.scores.broken(made, scores.count(sample)) == []
    assert whole.scores.broken(made) and some.scores.broken(scores.read(work / "scores" / "scores.csv"))
    assert [file.name for file in (tmp_path / "scores").iterdir()] == ["scores.csv"], "there is nothing to measure"

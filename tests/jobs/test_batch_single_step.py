"""The Iris job as a program: what it leaves, and what it says about data that it cannot use."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas
import pytest
import yaml
from azure.ai.ml import load_job

FOLDER = Path(__file__).parents[2] / "jobs" / "batch_single_step"
IRIS = FOLDER.parent / "data" / "iris_dataset.csv"
HEADER = "sepal_length,sepal_width,petal_length,petal_width,species"


def run(work: Path, source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``run.py`` as a person starts it: no Azure, its MLflow store in ``work``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "MLFLOW"))}
    return subprocess.run(
        [sys.executable, str(FOLDER / "job" / "run.py"), "--input-data", source, "--output-data", target, *options],
        cwd=work,
        env={**environment, "MLFLOW_TRACKING_URI": f"sqlite:///{work / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("iris")


@pytest.fixture(scope="module")
def done(work):
    """One run over an output folder that has files of an earlier run in it."""
    target = work / "results"
    (target / "model").mkdir(parents=True)
    (target / "model" / "stale.pkl").write_text("an earlier model")
    (target / "metrics.json").write_text("{}")
    (target / "iris_dataset.csv").write_text("not ours")
    finished = run(work, IRIS, target)
    assert finished.returncode == 0, finished.stderr
    return finished, target


def test_outputs_are_complete_and_agree(done):
    finished, target = done
    metrics = json.loads((target / "metrics.json").read_text())
    assert set(metrics) == {"accuracy", "f1", "log_loss"} and metrics["accuracy"] > 0.9
    assert f"accuracy: {metrics['accuracy']:.4f}" in finished.stdout

    with (target / "predictions.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 45
    right = sum(row["species"] == row["prediction"] for row in predictions)
    assert right / 45 == pytest.approx(metrics["accuracy"])
    source = IRIS.read_text().splitlines()
    for row in predictions:
        assert source[int(row["line"]) - 1] == ",".join(row[name] for name in HEADER.split(","))
        assert sum(float(value) for name, value in row.items() if name.startswith("probability_")) == pytest.approx(1)


def test_an_earlier_run_leaves_nothing_in_the_model_and_other_files_stay(done):
    _, target = done
    assert not (target / "model" / "stale.pkl").exists()
    assert (target / "iris_dataset.csv").read_text() == "not ours"
    assert not [file for file in target.rglob(".*")], "drafts must be gone"


@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType")  # MLflow's own classes, on their first import
def test_the_model_loads_with_signature_and_example(done):
    _, target = done
    model = mlflow.pyfunc.load_model(str(target / "model"))
    assert model.metadata.signature.inputs.input_names() == HEADER.split(",")[:4]
    example = model.metadata.load_input_example(str(target / "model"))
    assert len(model.predict(example)) == len(example) == 5
    predictions = pandas.read_csv(target / "predictions.csv")
    assert list(model.predict(predictions[HEADER.split(",")[:4]])) == list(predictions["prediction"])


def test_mlflow_has_params_metrics_and_pictures(done, work):
    _, target = done
    client = mlflow.MlflowClient(f"sqlite:///{work / 'mlflow.db'}")
    (found,) = client.search_runs(["0"])
    assert found.info.status == "FINISHED"
    assert found.data.metrics == pytest.approx(json.loads((target / "metrics.json").read_text()))
    assert found.data.params["seed"] == "42" and found.data.params["rows_test"] == "45"
    pictures = [file.path for file in client.list_artifacts(found.info.run_id)]
    assert pictures == ["confusion_matrix.png", "features.png"]
    folder = Path(found.info.artifact_uri.removeprefix("file://"))
    for picture in pictures:
        content = (folder / picture if folder.is_absolute() else work / folder / picture).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5000


ROW = "5.1,3.5,1.4,0.2,setosa\n"
OTHER = "7.0,3.2,4.7,1.4,versicolor\n"
UNUSABLE = {
    "missing columns": (b"sepal_length,sepal_width,species\n1,2,setosa\n", "petal_length, petal_width"),
    "no rows": (f"{HEADER}\n".encode(), "no rows"),
    "empty": (b"", "empty"),
    "wrong type": (f"{HEADER}\n{ROW}4.9,wide,1.4,0.2,setosa\n".encode(), "line 3, column sepal_width: 'wide'"),
    "missing value": (f"{HEADER}\n{ROW}4.9,,1.4,0.2,setosa\n".encode(), "line 3, column sepal_width: ''"),
    "infinite": (f"{HEADER}\n{ROW}4.9,inf,1.4,0.2,setosa\n".encode(), "'inf' is not a number"),
    "no name": (f"{HEADER}\n4.9,3.0,1.4,0.2,\n".encode(), "line 2, column species"),
    "not UTF-8": (f"{HEADER}\n{ROW}4.9,3.0,1.4,0.2,sétosa\n".encode("latin-1"), "line 3 is not UTF-8 (byte 0xe9"),
    "binary": (b"\x00\x01\x02", "binary"),
    "short line": (f"{HEADER}\n{ROW}4.9,3.0\n".encode(), "line 3 has 2 values"),
    "open quote": (f'{HEADER}\n"4.9,3.0,1.4,0.2,setosa\n'.encode(), "not CSV"),
    "one species": (f"{HEADER}\n{ROW * 5}".encode(), "'setosa'. A classifier needs two"),
    "a single row": (f"{HEADER}\n{ROW * 9}{OTHER}".encode(), "versicolor (1)"),
    "too few rows": (f"{HEADER}\n{ROW * 2}{OTHER * 2}".encode(), "--test-size 0.1"),
    "a name twice": (f"species,{HEADER}\nx,{ROW}".encode(), "more than one column is named species"),
}


@pytest.fixture
def program(monkeypatch):
    """The job's modules, imported as the program imports them."""
    monkeypatch.syspath_prepend(FOLDER / "job")
    import run as module

    yield module
    for name in ("run", "dataset"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_data_is_told_and_nothing_is_written(case, program, tmp_path, capsys):
    content, words = UNUSABLE[case]
    source = tmp_path / "some.csv"
    source.write_bytes(content)
    code = program.main(["--input-data", str(source), "--output-data", str(tmp_path / "out"), "--test-size", "0.1"])
    said = capsys.readouterr().err
    assert code == 1 and words in said and str(source) in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == [source]


def test_a_folder_with_one_file_is_read_and_with_two_refused(program, tmp_path, capsys):
    from dataset import InvalidData, read

    (tmp_path / "one.csv").write_bytes(b"\xef\xbb\xbf" + IRIS.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "notes.txt").write_text("no data")
    table = read(tmp_path, test_size=0.3)
    assert len(table.features) == 150 and table.classes == ["setosa", "versicolor", "virginica"]
    (tmp_path / "two.csv").write_text("")
    with pytest.raises(InvalidData, match=r"found: one\.csv, two\.csv"):
        read(tmp_path, test_size=0.3)


def test_a_path_that_is_not_there_is_named(program, tmp_path, capsys):
    assert program.main(["--input-data", str(tmp_path / "gone.csv"), "--output-data", str(tmp_path / "out")]) == 1
    assert "gone.csv: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--test-size", "1"], ["--test-size", "x"], ["--regularization", "0"], ["--seed", "1.5"]]
)
def test_arguments_out_of_range_are_refused(options, program, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        program.main(["--input-data", str(IRIS), "--output-data", str(tmp_path), *options])
    assert exit.value.code == 2 and options[0] in capsys.readouterr().err


def test_the_job_file_is_a_command_job_that_the_sdk_takes():
    job = load_job(FOLDER / "job.yml")
    assert job.type == "command"
    assert (FOLDER / job.code / "run.py").is_file()
    assert set(job.inputs) == {"input_data", "test_size", "regularization", "seed"} and set(job.outputs) == {
        "output_data"
    }
    for name in (*job.inputs, *job.outputs):
        kind = "inputs" if name in job.inputs else "outputs"
        assert f"${{{{{kind}.{name}}}}}" in job.command


def test_every_package_of_the_conda_file_is_pinned():
    conda = yaml.safe_load((FOLDER / "environment" / "conda.yaml").read_text())
    assert conda["dependencies"][0] == "python>=3.10,<3.14"
    assert all("==" in package for package in conda["dependencies"][-1]["pip"])


def test_the_configuration_names_a_conda_file_that_is_there():
    config = yaml.safe_load((FOLDER / "cfg" / "config.yaml").read_text())
    assert set(config) == {"compute", "environment"}
    assert (FOLDER / "cfg" / config["environment"]["conda_file"]).is_file()

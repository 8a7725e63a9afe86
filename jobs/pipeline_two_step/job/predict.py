"""Score data with a model, in chunks; where the data has labels, measure and draw what the scores are worth.

    python predict.py --data work/test --model work/model --scores work/scores

``scores.csv`` has the data's columns, ``prediction``, and ``probability_CLASS`` to six decimals. With labels ``metrics.json``,
``confusion_matrix.png`` and ``roc.png`` are beside it, and in the run in MLflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from utils import config, step, table

if TYPE_CHECKING:
    from utils.evaluation import Evaluation

SCORES = "scores.csv"


def main(argv: list[str]) -> None:
    parser = step.parser(__file__, __doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder from ingest.py or split.py")
    parser.add_argument("--model", type=Path, required=True, help="a model in MLflow's format, of scikit-learn")
    parser.add_argument("--scores", type=Path, required=True, help="the folder to write to")
    arguments = parser.parse_args(argv)
    settings = config.read(arguments.config)
    files = table.files(arguments.data)

    import mlflow.sklearn
    from mlflow.exceptions import MlflowException
    from utils.evaluation import Evaluation

    try:
        model = mlflow.sklearn.load_model(str(arguments.model))
    except (MlflowException, OSError) as error:
        raise step.Refused(f"{arguments.model} is not a model of scikit-learn in MLflow's format: {error}") from None
    features = [str(name) for name in model.feature_names_in_]
    classes = [str(name) for name in model.classes_]
    target = settings.data.target.name
    evaluation = Evaluation(classes)
    arguments.scores.mkdir(parents=True, exist_ok=True)
    rows = 0
    with (arguments.scores / SCORES).open("w", encoding="utf-8", newline="") as scores:
        for file in files:
            missing = [name for name in features if name not in table.header(file)]
            if missing:
                raise step.Refused(f"{file}: the model needs the columns {', '.join(missing)}, which are not there.")
            for chunk in table.chunks(file, numbers=settings.data.named("number")):
                chances = model.predict_proba(chunk[features])
                if target in chunk:
                    labelled = chunk[target].ne("").to_numpy()
                    evaluation.add(chunk[target][labelled].tolist(), chances[labelled])
                found = {f"probability_{name}": chances[:, place].round(6) for place, name in enumerate(classes)}
                prediction = model.classes_[chances.argmax(axis=1)]
                chunk.assign(prediction=prediction, **found).to_csv(
                    scores, index=False, header=not rows, lineterminator="\n"
                )
                rows += len(chunk)
    print(f"{rows} rows scored")
    if evaluation.rows:
        _evaluate(evaluation, arguments.scores)


def _evaluate(evaluation: Evaluation, folder: Path) -> None:
    import mlflow
    from utils import plots

    metrics = evaluation.metrics()
    step.write_json(folder / "metrics.json", metrics)
    pictures = {"confusion_matrix.png": plots.confusion_matrix(evaluation)}
    if evaluation.roc():
        pictures["roc.png"] = plots.roc(evaluation)
    with mlflow.start_run():
        mlflow.log_metrics(metrics)
        for name, figure in pictures.items():
            figure.savefig(folder / name)
            mlflow.log_artifact(str(folder / name))
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    step.run(main)

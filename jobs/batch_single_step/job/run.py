"""Train and evaluate a classifier of Iris flowers: the job of Azure ML, and a program of its own.

    python run.py --input-data iris_dataset.csv --output-data results

Knows its arguments and MLflow, and nothing of Azure. What goes wrong with the data is said on stderr, with exit code 1,
before anything is written; the outputs are ``predictions.csv``, ``metrics.json`` and ``model/`` in MLflow's format.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dataset import InvalidData, read

MODEL, METRICS, PREDICTIONS = "model", "metrics.json", "predictions.csv"


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    try:
        table = read(arguments.input_data, test_size=arguments.test_size)
        arguments.output_data.mkdir(parents=True, exist_ok=True)
    except (InvalidData, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    print(f"{table.path.name}: {len(table.features)} rows, species {', '.join(table.classes)}", flush=True)
    if table.ignored:
        print(f"columns that are not used: {', '.join(table.ignored)}", flush=True)

    # Only now: data that cannot be used is told without waiting for a second of imports.
    import mlflow
    import outputs
    import plots
    import training

    with mlflow.start_run():
        parameters = {
            "test_size": arguments.test_size,
            "regularization": arguments.regularization,
            "max_iterations": arguments.max_iterations,
            "seed": arguments.seed,
        }
        result = training.train(table, **parameters)
        mlflow.log_params(
            {
                **parameters,
                "model": "logistic regression",
                "rows_train": result.rows_train,
                "rows_test": result.rows_test,
            }
        )
        mlflow.log_metrics(result.metrics)
        mlflow.log_figure(plots.confusion_matrix(result), "confusion_matrix.png")
        mlflow.log_figure(plots.features(table), "features.png")
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder)
            outputs.write(made, result, metrics=METRICS, predictions=PREDICTIONS, model=MODEL)
            outputs.publish(made, arguments.output_data, replaced=MODEL)
    for name, value in result.metrics.items():
        print(f"{name}: {value:.4f}", flush=True)
    print(f"outputs: {', '.join((PREDICTIONS, METRICS, f'{MODEL}/'))} in {arguments.output_data}", flush=True)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description="Train and evaluate a classifier of Iris flowers.")
    parser.add_argument("--input-data", type=Path, required=True, help="a CSV file, or a folder that holds one")
    parser.add_argument("--output-data", type=Path, required=True, help="the folder to write to; made when missing")
    parser.add_argument("--test-size", type=_fraction, default=0.3, help="part of the rows kept for testing (0.3)")
    parser.add_argument("--regularization", type=_positive, default=1.0, help="inverse strength, above 0 (1.0)")
    parser.add_argument("--max-iterations", type=int, default=1000, help="the solver's limit (1000)")
    parser.add_argument("--seed", type=int, default=42, help="of the split and the solver (42)")
    return parser.parse_args(argv)


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())

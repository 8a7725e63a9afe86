"""Train the model of cfg/train_config.yaml, test it, and register it when it passes the gate.

    python train.py --train work/train --test work/test --report work/report --model work/model --gate work/gate

The run in MLflow has parameters and metrics. ``--model`` is a model in MLflow's format, whether or not it passed; ``gate.json``
has what was measured, what was asked for, and what was registered. A version has the metrics, the data's SHA-256 and the Git
commit in its tags.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utils import config, step, table

ARTIFACT = "model"
# What scoring needs; without the list MLflow would start a process that loads the model to find out.
PACKAGES = ("cloudpickle", "mlflow-skinny", "numpy", "pandas", "scikit-learn")


def main(argv: list[str]) -> None:
    parser = step.parser(__file__, __doc__)
    parser.add_argument("--train", type=Path, required=True, help="the folder from split.py with the rows to train on")
    parser.add_argument("--test", type=Path, required=True, help="the folder from split.py with the rows to test on")
    parser.add_argument("--report", type=Path, required=True, help="the folder from ingest.py with report.json")
    parser.add_argument("--model", type=Path, required=True, help="the folder for the model")
    parser.add_argument("--gate", type=Path, required=True, help="the folder for gate.json")
    parser.add_argument("--register", type=step.boolean, default=True, help="false: measure and tell only (true)")
    parser.add_argument("--git-commit", help="of this code; what MLflow knows of the run by default")
    arguments = parser.parse_args(argv)
    settings = config.read(arguments.config)
    report = json.loads((arguments.report / step.REPORT).read_text("utf-8"))
    train, test = _rows(arguments.train, settings), _rows(arguments.test, settings)

    # Only now: what cannot be used is told without waiting for seconds of imports.
    from utils import preprocessing
    from utils.evaluation import Evaluation

    target = settings.data.target.name
    features = list(settings.data.features)
    model = preprocessing.pipeline(settings)
    try:
        model.fit(train[features], train[target])
    except ValueError as error:
        raise step.Refused(f"{settings.model.estimator} cannot be fitted: {error}") from None
    evaluation = Evaluation([str(name) for name in model.classes_])
    evaluation.add(test[target].tolist(), model.predict_proba(test[features]))
    metrics = evaluation.metrics()

    import mlflow
    from utils import registry

    with mlflow.start_run() as run:
        mlflow.log_params({**_parameters(settings), "rows_train": len(train), "rows_test": len(test)})
        mlflow.log_metrics(metrics)
        _save(model, train[features].head(5).reset_index(drop=True), arguments.model)
        name, gate = settings.model.name, settings.gate
        commit = arguments.git_commit or run.data.tags.get("mlflow.source.git.commit")
        before = registry.newest(name, gate.metric)
        reason = registry.refusal(gate, metrics[gate.metric], before)
        facts = {"data_sha256": report["sha256"], **({"git_commit": commit} if commit else {})}
        made = None
        if reason is None and arguments.register:
            mlflow.log_artifacts(str(arguments.model), ARTIFACT)
            # In full: rounded up, a number would be better than itself the next time.
            tags = {**facts, **{key: str(value) for key, value in metrics.items()}}
            made = registry.register(name, run.info.run_id, ARTIFACT, tags)
            # Nothing keeps another training from registering since the gate was asked: of two, the later has to pass it again.
            before = registry.newest(name, gate.metric, before=made)
            reason = registry.refusal(gate, metrics[gate.metric], before)
            if reason is not None:
                registry.withdraw(name, made)
                made, reason = None, f"{reason}, which another training registered meanwhile"
        mlflow.set_tags({**facts, "gate": reason or "passed", **({"registered": f"{name}:{made}"} if made else {})})
    outcome = {
        "passed": reason is None,
        "reason": reason,
        **gate.model_dump(),
        "metrics": metrics,
        "before": {"version": before.version, gate.metric: before.value} if before else None,
        "registered": {"name": name, "version": made} if made else None,
        **facts,
    }
    step.write_json(arguments.gate / "gate.json", outcome)
    for key, value in metrics.items():
        print(f"{key}: {value:.4f}")
    if reason:
        print(f"not registered: {reason}")
    else:
        print(f"registered: {name}:{made}" if made else "passed the gate; not registered, as --register false says")


def _rows(path: Path, settings: config.Config) -> Any:
    numbers = settings.data.named("number")
    return table.whole(path, numbers=numbers).astype(dict.fromkeys(numbers, float))


def _parameters(settings: config.Config) -> dict[str, Any]:
    return {
        "estimator": settings.model.estimator,
        **settings.model.parameters,
        "seed": settings.seed,
        "test_size": settings.split.test_size,
    }


def _save(model: Any, sample: Any, folder: Path) -> None:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format="cloudpickle",
        signature=infer_signature(sample, model.predict(sample)),
        input_example=sample,
        pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
    )


if __name__ == "__main__":
    step.run(main)

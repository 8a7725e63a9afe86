"""The model as it is trained and kept: preprocessing and classifier in one pipeline of scikit-learn's own parts.

Whoever loads it needs none of this code.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from utils.config import Config
from utils.step import Refused


def pipeline(config: Config) -> Pipeline:
    """What ``config.model`` names, not yet fitted, on the columns of ``config.data``. Raises ``Refused``."""
    numbers, texts = config.data.named("number"), config.data.named("text")
    parts = [("number", StandardScaler(), numbers), ("text", OneHotEncoder(handle_unknown="ignore"), texts)]
    return Pipeline(
        [
            ("preprocess", ColumnTransformer([part for part in parts if part[2]], verbose_feature_names_out=False)),
            ("classify", _classifier(config)),
        ]
    )


def _classifier(config: Config) -> Any:
    name, parameters = config.model.estimator, config.model.parameters
    module, _, kind = name.rpartition(".")
    try:
        classifier = getattr(import_module(module), kind)(**parameters)
    except (ImportError, AttributeError, ValueError):
        raise Refused(
            f"model.estimator: there is no '{name}'. Write it with its module: sklearn.linear_model.LogisticRegression."
        ) from None
    except TypeError as error:
        raise Refused(f"model.parameters: {error}.") from None
    if not hasattr(classifier, "predict_proba"):
        raise Refused(
            f"model.estimator: '{name}' has no predict_proba, which the scores need. Choose another classifier."
        )
    if "random_state" in classifier.get_params() and "random_state" not in parameters:
        classifier.set_params(random_state=config.seed)
    return classifier

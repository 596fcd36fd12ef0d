"""The MLflow pyfunc flavor of a bundle: a model from code, so that nothing is pickled.

MLflow runs this file when it logs and when it loads a model; the bundle is an artifact of it.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd  # noqa: TC002  (MLflow reads the annotation)

from churnkit.bundle.model import RetentionModel


class BundleModel(mlflow.pyfunc.PythonModel):
    """A bundle with MLflow's ``predict``."""

    def load_context(self, context: Any) -> None:
        """Load the bundle; its digests are verified."""
        self.model: RetentionModel = RetentionModel.load(context.artifacts["bundle"])

    # With this type hint MLflow passes any input through; the contract is the signature.
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:  # noqa: ARG002
        """Score a table as `RetentionModel.predict` does."""
        return self.model.predict(model_input)


mlflow.models.set_model(BundleModel())

"""What MLflow runs to serve a bundle: a model made from code, so that nothing is pickled.

MLflow executes this file when it logs and when it loads a model; the bundle lies beside it as
an artefact.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd  # noqa: TC002  (MLflow reads the annotation)

from churnkit.bundle.model import RetentionModel


class BundleModel(mlflow.pyfunc.PythonModel):
    """A bundle behind MLflow's ``predict``."""

    def load_context(self, context: Any) -> None:
        """Load the bundle; its digests are verified first."""
        self.model = RetentionModel.load(context.artifacts["bundle"])

    # MLflow reads the hint: with this one it hands on what it was given, whatever it is. The
    # contract is the signature.
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:  # noqa: ARG002
        """Score a table; the same frame as `RetentionModel.predict`."""
        return self.model.predict(model_input)


mlflow.models.set_model(BundleModel())

"""A service as in BentoML's documentation: JSON in, pandas inside."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serve_peers import pandas_answer


@bentoml.service(name="pandas_pipeline")
class PandasPipeline:
    """A scikit-learn pipeline behind a BentoML endpoint."""

    def __init__(self) -> None:
        self.answer = pandas_answer()

    @bentoml.api(route="/v1/predict")
    def predict(self, customers: list[dict[str, Any]]) -> dict[str, Any]:
        """Return each customer's churn probability."""
        return self.answer(customers)  # type: ignore[no-any-return]

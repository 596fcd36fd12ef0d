"""BentoML's own manner: an endpoint that takes JSON and answers through pandas."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serve_peers import pandas_answer


@bentoml.service(name="pandas_pipeline")
class PandasPipeline:
    """A scikit-learn pipeline as BentoML's documentation serves it."""

    def __init__(self) -> None:
        self.answer = pandas_answer()

    @bentoml.api(route="/v1/predict")
    def predict(self, customers: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer with each customer's probability."""
        return self.answer(customers)  # type: ignore[no-any-return]

"""Bases of the estimators: scikit-learn's, with types, as scikit-learn has none."""

# ruff: noqa: D102  (scikit-learn documents the methods)

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "OneToOneFeatureMixin",
    "RegressorMixin",
    "TransformerMixin",
]

if TYPE_CHECKING:
    from typing import Any, Self

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    class BaseEstimator:
        """Parameters by name, and the columns of the training rows."""

        n_features_in_: int
        feature_names_in_: NDArray[np.object_]

        def get_params(self, deep: bool = ...) -> dict[str, Any]: ...  # noqa: FBT001
        def set_params(self, **params: Any) -> Self: ...
        def __getstate__(self) -> dict[str, Any]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def __sklearn_tags__(self) -> Any: ...
        def set_fit_request(self, **requests: bool | str | None) -> Self: ...
        def set_score_request(self, **requests: bool | str | None) -> Self: ...

    class ClassifierMixin:
        """Accuracy as the score."""

        def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = ...) -> float: ...

    class RegressorMixin:
        """The coefficient of determination as the score."""

        def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = ...) -> float: ...

    class TransformerMixin:
        """Fit and transform in one call, and the kind of the output."""

        def fit_transform(self, X: Any, y: Any = ..., **fit_params: Any) -> Any: ...
        def set_output(self, *, transform: str | None = ...) -> Self: ...

    class OneToOneFeatureMixin:
        """Names of the output, which are those of the input."""

        def get_feature_names_out(self, input_features: Any = ...) -> NDArray[np.object_]: ...

else:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        OneToOneFeatureMixin,
        RegressorMixin,
        TransformerMixin,
    )

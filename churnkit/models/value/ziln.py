"""Two-part model of customer spend from many features: probability and amount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from churnkit.core.autologging import without_autologging
from churnkit.errors import BundleError
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.errors import ModelDataError, redact_values
from churnkit.models.frame_columns import array_of_series
from churnkit.models.frame_encoder import encode_input
from churnkit.models.scikit_base import BaseEstimator, RegressorMixin
from churnkit.models.scorers.serialization import read_integer, read_number
from churnkit.models.training_rows import categorical_columns, check_features
from churnkit.models.value.purchase.purchase_history import check_rows
from churnkit.trees import CompiledTrees, compile_booster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ZeroInflatedLognormalValue"]

_FORMAT = 1
_MIN_SPENDERS = 30
_MAX_LOG = 700.0  # exp overflows a float beyond


class ZeroInflatedLognormalValue(RegressorMixin, BaseEstimator):
    """Probability of any spend, times the mean of a log-normal spend, both from LightGBM.

    The spend of most customers is zero, and the rest has a heavy tail: a squared loss would
    follow a few large values. One set of trees predicts the probability of any spend, another the
    logarithm of positive spend. The retransformation is estimated on held-out spenders, so that
    predictions sum to the observed total.

    Parameters
    ----------
    learning_rate, num_leaves, min_child_samples
        As in LightGBM, for both sets of trees.
    max_rounds, patience
        Early stopping ends after `max_rounds`, or `patience` rounds without improvement.
    cv
        Number of folds.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    num_threads
        Number of threads of LightGBM.
    seed
        The same rows, settings and seed give the same model.

    Attributes
    ----------
    spends_ : churnkit.trees.CompiledTrees
        Log-odds of any spend.
    amount_ : churnkit.trees.CompiledTrees
        Expected logarithm of positive spend.
    sigma_ : float
        Standard deviation of that logarithm around its expectation, on held-out spenders.
    log_factor_ : float
        Retransformation, added to the logarithm: ``sigma_ ** 2 / 2`` for exactly log-normal spend.
    n_features_in_ : int

    References
    ----------
    Wang, Liu, Miao (2019). A deep probabilistic model for customer lifetime value prediction.
    arXiv:1912.07753

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> spend = np.where(X[:, 0] + rng.normal(size=400) > 0, np.exp(X[:, 1]), 0.0)
    >>> model = ZeroInflatedLognormalValue(cv=3, max_rounds=50).fit(X, spend)
    >>> low, high = model.predict([[-2.0, -1.0], [2.0, 1.0]])
    >>> bool(high > 5 * low)
    True
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.05,
        num_leaves: int = 15,
        min_child_samples: int = 20,
        max_rounds: int = 1000,
        patience: int = 30,
        cv: int = 5,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        num_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.max_rounds = max_rounds
        self.patience = patience
        self.cv = cv
        self.categorical_features = categorical_features
        self.num_threads = num_threads
        self.seed = seed

    @without_autologging()
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit both parts.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        y : (n,) spend of each customer, 0 or more

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            Spend is missing or negative, or too few customers have zero or positive spend.
        """
        matrix, spend = self._check_training(X, y)
        has_spend = spend > 0
        trees = LightGBMTrees(
            learning_rate=self.learning_rate,
            num_leaves=self.num_leaves,
            min_child_samples=self.min_child_samples,
            max_rounds=self.max_rounds,
            patience=self.patience,
            cv=self.cv,
            categorical_features=categorical_columns(self, matrix) or None,
            num_threads=self.num_threads,
            seed=self.seed,
        )
        trees.fit(matrix, has_spend)
        self.spends_: CompiledTrees = compile_booster(trees.booster_)
        logs = np.log(spend[has_spend])
        held_out = self._fit_amount(matrix[has_spend], logs)
        self.sigma_: float = float(np.sqrt(np.mean((logs - held_out) ** 2)))
        # Matching totals instead of the log-normal formula, which is biased for other tails.
        highest = held_out.max()
        self.log_factor_: float = float(
            np.log(spend[has_spend].sum()) - np.log(np.exp(held_out - highest).sum()) - highest
        )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the expected spend (n,) of customers X (n, f)."""
        matrix = self._matrix(X)
        amount = self.amount_.predict(matrix, raw_score=True) + self.log_factor_
        expected: NDArray[np.float64] = self.predict_probability(X) * np.exp(
            np.minimum(amount, _MAX_LOG)
        )
        return expected

    def predict_probability(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (n,) that customers X (n, f) spend anything."""
        raw = self.spends_.predict(self._matrix(X), raw_score=True)
        probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(raw, -_MAX_LOG, _MAX_LOG)))
        return probability

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the fitted model."""
        check_is_fitted(self)
        settings: dict[str, Any] = {
            "format": _FORMAT,
            "sigma": self.sigma_,
            "log_factor": self.log_factor_,
        }
        arrays: dict[str, NDArray[Any]] = {}
        for part in ("spends", "amount"):
            settings[part], tree_arrays = getattr(self, f"{part}_").to_arrays()
            arrays |= {f"{part}/{name}": array for name, array in tree_arrays.items()}
        return settings, arrays

    @classmethod
    def from_arrays(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> ZeroInflatedLognormalValue:
        """Restore a fitted model from the result of `to_arrays`.

        Raises
        ------
        BundleError
            A part is missing or invalid.
        """
        read_integer(settings, "format", low=1, high=_FORMAT)
        model = cls()
        model.sigma_ = read_number(settings, "sigma")
        model.log_factor_ = read_number(settings, "log_factor")
        for part in ("spends", "amount"):
            tree_settings = settings.get(part)
            if not isinstance(tree_settings, dict):
                raise BundleError(f"the saved setting {part!r} is missing")
            prefix = f"{part}/"
            tree_arrays = {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            setattr(model, f"{part}_", CompiledTrees.from_arrays(tree_settings, tree_arrays))
        if model.spends_.n_features != model.amount_.n_features:
            raise BundleError("the saved parts read different numbers of columns")
        model.n_features_in_ = model.spends_.n_features
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the trees as settings and arrays."""
        state: dict[str, Any] = dict(super().__getstate__())
        for part in ("spends_", "amount_"):
            if part in state:
                state[part] = state[part].to_arrays()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        for part in ("spends_", "amount_"):
            if part in state:
                state = state | {part: CompiledTrees.from_arrays(*state[part])}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.positive_only = True
        return tags

    def _check_training(
        self, X: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        X = encode_input(self, X, reset=True)
        try:
            matrix, spend = validate_data(
                self,
                X,
                array_of_series(y),
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                y_numeric=True,
            )
        except ValueError as error:
            raise ModelDataError(redact_values(str(error))) from None
        spend = np.asarray(spend, dtype=np.float64)
        check_rows(
            spend < 0,
            "spend is negative in {} rows: subtract refunds from purchases, and set negative "
            "totals to 0",
        )
        spenders = int(np.count_nonzero(spend))
        if spenders < _MIN_SPENDERS or len(spend) - spenders < self.cv:
            raise ModelDataError(
                f"{spenders} of {len(spend)} customers have positive spend: a two-part model needs "
                f"at least {_MIN_SPENDERS} with positive and {self.cv} with zero spend"
            )
        return np.asarray(matrix, dtype=np.float64), spend

    def _matrix(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        return check_features(self, X, reset=False)

    def _fit_amount(
        self, matrix: NDArray[np.float64], logs: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Fit the logarithm of spend; return the predictions of trees fitted without each row."""
        import lightgbm
        from sklearn.model_selection import KFold

        rows = lightgbm.Dataset(
            matrix,
            label=logs,
            categorical_feature=list(categorical_columns(self, matrix)),
            params={"verbosity": -1, "feature_pre_filter": False},
            free_raw_data=False,
        )
        folds = list(KFold(self.cv, shuffle=True, random_state=self.seed).split(matrix))
        result: dict[str, Any] = lightgbm.cv(
            self._params(),
            rows,
            num_boost_round=self.max_rounds,
            folds=folds,
            callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
            return_cvbooster=True,
        )
        rounds = len(result["valid l2-mean"])
        held_out = np.empty(len(logs))
        for booster, (_, test) in zip(result["cvbooster"].boosters, folds, strict=True):
            held_out[test] = booster.predict(matrix[test], num_iteration=rounds)
        self.amount_: CompiledTrees = compile_booster(
            lightgbm.train(self._params(), rows, num_boost_round=rounds)
        )
        return held_out

    def _params(self) -> dict[str, Any]:
        return {
            "objective": "regression",
            "metric": "l2",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": 10.0,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.num_threads,
            "feature_pre_filter": False,
            "verbosity": -1,
        }

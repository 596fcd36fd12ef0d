"""Discrete-time hazard model: churn probabilities for all horizons from censored durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from churnkit.core.autologging import without_autologging
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.survival.person_period import FollowUp, expand_periods
from churnkit.models.survival.scorer import HazardScorer
from churnkit.models.survival.time_varying import TimeVaryingColumns
from churnkit.models.survival.validation import (
    check_follow_up,
    check_horizon,
    check_intervals,
    check_number,
    check_width,
    number_customers,
)
from churnkit.models.training_rows import categorical_columns, check_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightgbm
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HazardModel"]

_NUMERIC = (
    "learning_rate", "num_leaves", "min_child_samples", "l2", "feature_fraction", "row_fraction",
    "rounds", "max_rounds", "patience", "cv", "max_rows", "num_threads", "seed",
)  # fmt: skip


class HazardModel(BaseEstimator):
    """Discrete-time hazard model: additive effects and LightGBM on customers' periods at risk.

    In each period a customer churns with a probability (the hazard) that depends on the
    customer's columns and the period. Survival is the product over periods, so one model covers
    all horizons and survival never increases. Right censoring and late entry (left truncation)
    are supported: a customer counts for the time under observation.

    The log-odds are a baseline by period, plus additive effects of the columns (logistic
    regression on linear splines), plus boosted trees for what these leave. Trees alone would
    overestimate the lowest risks, where few customers churn.

    Fitting is deterministic: the same rows, settings and seed give the same model.

    Parameters
    ----------
    width
        Length of a period, in the unit of the durations: 1.0 for durations in whole months, 30.0
        for durations in days. The hazard is constant within a period.
    horizon
        `predict` is the expected time until this horizon, and `contributions` explains churn
        within it. The longest follow-up if not given.
    learning_rate, num_leaves, min_child_samples
        As in LightGBM; the last counts person-periods.
    l2
        Penalty on leaf values.
    feature_fraction, row_fraction
        Share of the columns considered at each split, and of the person-periods in each tree.
    rounds
        Number of boosted trees; chosen by early stopping over `cv` folds if not given. The
        decay of the features' effect with time is then fitted on the same held-out rows.
    max_rounds, patience
        Early stopping ends after `max_rounds`, or `patience` rounds without a better loss.
    cv
        Number of folds.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    time_varying
        Columns with a known change: for each its index, the change per period, and the cycle
        after which it restarts from zero, or None. ``(7, -1.0, 12.0)`` is the months to a yearly
        renewal, with periods of a month.
    max_rows
        With more person-periods than this, those without churn are sampled and weighted.
    num_threads
        Number of threads of LightGBM.
    seed
        The same seed gives the same model.

    Attributes
    ----------
    scorer_ : HazardScorer
        The fitted model, as stored in a bundle; needs numpy alone.
    booster_ : lightgbm.Booster
    rounds_ : int
        Number of boosted trees; those that reproduce the additive effects do not count.
    baseline_ : (periods + 1,)
        Log-odds of churn in each period over all customers, and after the longest follow-up.
    max_follow_up_ : float
        The longest follow-up. Later survival is an extrapolation with the hazard of the last
        periods.
    person_periods_ : int
        Number of rows that the trees were trained on.
    sampling_fraction_ : float
        Share of the rows without churn that was sampled; 1.0 if all.
    n_features_in_ : int

    Notes
    -----
    The likelihood of person-periods under a logistic link is that of Singer and Willett
    (1993), J. Educ. Stat. 18(2), doi:10.3102/10769986018002155. A survived period that was
    observed in part has the observed part as its weight; the relative bias is of the order of
    the hazard of one period, so choose `width` such that it is small.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> risky = rng.integers(0, 2, 400)
    >>> churn_time = rng.exponential(np.where(risky, 5.0, 20.0))
    >>> duration = np.minimum(churn_time, 12.0)
    >>> model = HazardModel(rounds=200).fit(risky[:, None], duration, churn_time <= 12.0)
    >>> model.predict_survival([[0], [1]], [0.0, 6.0, 12.0]).round(1)
    array([[1. , 0.8, 0.6],
           [1. , 0.3, 0.1]])
    """

    scorer_: HazardScorer
    n_features_in_: int

    def __init__(
        self,
        *,
        width: float = 1.0,
        horizon: float | None = None,
        learning_rate: float = 0.05,
        num_leaves: int = 8,
        min_child_samples: int = 50,
        l2: float = 10.0,
        feature_fraction: float = 0.5,
        row_fraction: float = 0.8,
        rounds: int | None = None,
        max_rounds: int = 1000,
        patience: int = 30,
        cv: int = 3,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        time_varying: tuple[tuple[int, float, float | None], ...] | None = None,
        max_rows: int = 4_000_000,
        num_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.horizon = horizon
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.l2 = l2
        self.feature_fraction = feature_fraction
        self.row_fraction = row_fraction
        self.rounds = rounds
        self.max_rounds = max_rounds
        self.patience = patience
        self.cv = cv
        self.categorical_features = categorical_features
        self.time_varying = time_varying
        self.max_rows = max_rows
        self.num_threads = num_threads
        self.seed = seed

    @without_autologging()
    def fit(
        self,
        X: ArrayLike,
        duration: ArrayLike,
        event: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        customer: ArrayLike | None = None,
    ) -> Self:
        """Fit from one row per customer, or per customer and date.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        duration : (n,) time from the start until churn, or until the end of the observation
        event : (n,) 1 if the customer churned at `duration`, 0 if still active; all churned if
            not given. Include active customers: without them survival is underestimated.
        entry : (n,) time at which the observation of the customer began; 0 if not given
        sample_weight : (n,) weights of the rows
        customer : (n,) ids, if customers have several rows, each with a time of its own: early
            stopping then keeps a customer's rows in one fold

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            The rows cannot be trained on; the message says why and what to do.
        """
        matrix = check_features(self, X, reset=True)
        follow_up = check_follow_up(
            duration, event, entry, sample_weight, rows=len(matrix), width=check_width(self.width)
        )
        return self._fit(matrix, follow_up, number_customers(customer, len(matrix)))

    def fit_intervals(
        self,
        X: ArrayLike,
        start: ArrayLike,
        stop: ArrayLike,
        event: ArrayLike,
        *,
        customer: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit from features that change with time: one row per interval of a customer.

        Each row holds the customer's features from `start` to `stop`. Early stopping keeps all
        rows of a customer in one fold.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        start, stop : (n,) the interval, in time since the customer's start
        event : (n,) 1 if the customer churned at `stop`; only in a customer's last row
        customer : (n,) ids, numbers or strings
        sample_weight : (n,) weights of the rows

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            Intervals of a customer overlap or continue after churn, or as `fit`.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> customer, start = np.repeat(np.arange(200), 2), np.tile([0.0, 1.0], 200)
        >>> event = (start == 1) & (rng.random(400) < 0.3)
        >>> model = HazardModel(rounds=5)
        >>> model = model.fit_intervals(start[:, None], start, start + 1, event, customer=customer)
        >>> model.person_periods_
        400
        """
        matrix = check_features(self, X, reset=True)
        follow_up = check_follow_up(
            stop, event, start, sample_weight, rows=len(matrix), width=check_width(self.width)
        )
        return self._fit(matrix, follow_up, check_intervals(customer, follow_up))

    def predict_survival(
        self, X: ArrayLike, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of being active at each time.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        times : (t,) zero or more, in the unit of the durations
        age : (n,) or number
            Time that each active customer has already survived: the result is conditional on
            it, and `times` count from now. 0 if not given.

        Returns
        -------
        (n, t) probabilities, not increasing in time

        Raises
        ------
        ModelDataError
            Shapes differ, or a time is negative, missing or too large.
        """
        check_is_fitted(self)
        return self.scorer_.survival(check_features(self, X, reset=False), times, age=age)

    def predict_hazard(self, X: ArrayLike, periods: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of churn in each period, given survival until then.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        periods : (p,) numbers of periods, from 0

        Returns
        -------
        (n, p)
        """
        check_is_fitted(self)
        return self.scorer_.hazard(check_features(self, X, reset=False), periods)

    def predict_lifetime(
        self, X: ArrayLike, *, horizon: float | None = None, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the expected time until churn or the horizon, whichever is first (n,).

        The restricted mean survival time: the area under the survival curve up to the horizon.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        horizon
            In the unit of the durations; the model's horizon if not given.
        age
            As `predict_survival`.

        Returns
        -------
        (n,) in the unit of the durations
        """
        check_is_fitted(self)
        matrix = check_features(self, X, reset=False)
        return self.scorer_.lifetime(matrix, horizon=horizon, age=age)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return `predict_lifetime` with its default horizon, (n,)."""
        return self.predict_lifetime(X)

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the contribution of each column to the log-odds of churn within the horizon.

        Returns
        -------
        (n, f + 1), the last column for the base value, including the effect of time
        """
        check_is_fitted(self)
        return self.scorer_.contributions(check_features(self, X, reset=False))

    def score(self, X: ArrayLike, y: ArrayLike, event: ArrayLike | None = None) -> float:
        """Return Harrell's concordance of the expected lifetimes: 0.5 for chance, 1 for perfect.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        y, event : (n,) durations and events, as for `fit`

        Returns
        -------
        float
        """
        from churnkit.evaluation.survival.concordance import concordance

        events = np.ones(np.shape(y)) if event is None else event
        return concordance(y, events, -self.predict(X))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as settings and arrays, as in a bundle."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            state["scorer_"] = self.scorer_.to_arrays()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        if "scorer_" in state:
            state = state | {"scorer_": HazardScorer.from_arrays(*state["scorer_"])}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        return tags

    def _fit(
        self, matrix: NDArray[np.float64], follow_up: FollowUp, customer: NDArray[np.int64]
    ) -> Self:
        import lightgbm

        from churnkit.models.survival import lightgbm_fit as fitting
        from churnkit.trees import compile_booster
        from churnkit.trees.parsing.merge_boosters import average_trees

        for name in _NUMERIC:
            if not (name == "rounds" and self.rounds is None):
                check_number(name, getattr(self, name))
        longest = float(follow_up.exit.max()) * self.width
        horizon = check_horizon(self.horizon, longest=longest, width=self.width)
        categories = categorical_columns(self, matrix)
        time_varying = TimeVaryingColumns.check(
            self.time_varying, columns=matrix.shape[1], categories=categories
        )
        person_periods = expand_periods(follow_up, max_rows=self.max_rows, seed=self.seed)
        self.baseline_: NDArray[np.float64] = fitting.baseline_log_odds(*follow_up.totals())
        baseline = self.baseline_
        slope = np.ones(len(baseline))
        rows = fitting.PersonPeriodRows(
            matrix,
            person_periods,
            len(baseline) - 1,
            time_varying=time_varying,
            first=follow_up.first,
        )
        dataset = fitting.person_period_dataset(rows, person_periods, categories=categories)
        params, rounds = self._params(), self.rounds
        if rounds is None:
            fold = fitting.customer_folds(
                customer, follow_up.churned, folds=self.cv, seed=self.seed
            )
            rounds, raw = fitting.cross_fit(
                rows,
                person_periods,
                dataset,
                baseline,
                fold[person_periods.row],
                categories=categories,
                params=params,
                max_rounds=self.max_rounds,
                patience=self.patience,
            )
            baseline, slope = fitting.fit_time_decay(raw, person_periods, baseline)
        additive = fitting.fit_additive(
            rows, person_periods, self.baseline_, categories=categories, params=params
        )
        dataset.set_init_score(self.baseline_[rows.period] + rows.predict(additive))
        self.booster_: lightgbm.Booster = lightgbm.train(params, dataset, num_boost_round=rounds)
        self.rounds_: int = self.booster_.num_trees()
        self.max_follow_up_: float = float(follow_up.exit.max()) * self.width
        self.person_periods_: int = len(person_periods.row)
        self.sampling_fraction_: float = person_periods.sampling_fraction
        self.scorer_ = HazardScorer(
            average_trees([compile_booster(additive), compile_booster(self.booster_)]),
            baseline,
            2 * slope,  # the sum of both
            width=float(self.width),
            horizon=horizon,
            time_varying=time_varying,
        )
        return self

    def _params(self) -> dict[str, Any]:
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.l2,
            # Per node, so that a tree that splits by the period can also split by a column.
            "feature_fraction_bynode": self.feature_fraction,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1 if self.row_fraction < 1 else 0,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.num_threads,
            "feature_pre_filter": False,
            "verbosity": -1,
        }

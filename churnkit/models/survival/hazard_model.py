"""When customers leave: one model for all horizons, from durations that are not all over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.survival.person_period import MAX_PERIODS, FollowUp, person_periods
from churnkit.models.survival.scorer import HazardScorer
from churnkit.models.survival.time_varying import TimeVaryingColumns
from churnkit.models.survival.validation import check_follow_up, check_intervals, checked_matrix
from churnkit.models.training_rows import check_categories

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HazardModel"]


class HazardModel(BaseEstimator):
    """Discrete-time hazard: LightGBM on one row for each customer and period under risk.

    In each period a customer leaves with a probability (the hazard) that depends on the
    customer's columns and the period; survival is the product over periods, so every horizon
    comes from one model and no curve rises. Customers whose end is not known count for as long
    as they were watched (right censoring), those who were there before the watching began from
    then on (late entry).

    Fitting is deterministic: the same rows, settings and seed give the same model.

    Parameters
    ----------
    width
        Length of a period, in the unit of the durations: 1.0 for durations in months that are
        whole numbers, 30.0 for durations in days. The hazard is level within a period.
    horizon
        Where `predict` stops counting, and what `contributions` explains: leaving within so
        much time. The longest follow-up if not given.
    learning_rate, num_leaves, min_child_samples
        As in LightGBM; the last counts person-periods.
    l2
        Penalty on leaf values.
    feature_fraction, row_fraction
        Share of the columns that each split may choose from, and of the person-periods that
        each tree may see.
    rounds
        How many trees; if not given, early stopping over `cv` folds of customers finds it, and
        how the pull of the features fades with time is learnt on the same held-out rows.
    max_rounds, patience
        Early stopping ends after `max_rounds`, or `patience` rounds without a better loss.
    cv
        How many folds.
    categorical_features
        Indices of the columns that hold category codes.
    time_varying
        Columns that move as everybody knows beforehand: for each its index, what it gains in a
        period, and the cycle that it begins anew after, or None. ``(7, -1.0, 12.0)`` is the
        months to a yearly renewal, in periods of a month.
    max_rows
        Of more person-periods than these, those without leaving are sampled and weighted.
    num_threads
        How many threads LightGBM may use.
    seed
        The same seed gives the same model.

    Attributes
    ----------
    scorer_ : HazardScorer
        All that a saved model needs; numpy alone.
    booster_ : lightgbm.Booster
    rounds_ : int
        How many trees there are.
    baseline_ : (periods,)
        Each period's log-odds of leaving over all customers, before the trees.
    max_follow_up_ : float
        The longest follow-up. Later than that nobody was seen, and the curve goes on with the
        hazard of the last periods: an assumption.
    person_periods_ : int
        How many rows the trees were trained on.
    sampling_fraction_ : float
        Which share of the rows without leaving they were; 1.0 if all.
    n_features_in_ : int

    Notes
    -----
    The likelihood of person-periods under a logistic link is that of Singer and Willett
    (1993), J. Educ. Stat. 18(2), doi:10.3102/10769986018002155. A period that was watched in
    part and survived weighs the part that was watched; the relative bias of this is of the
    order of the hazard of one period, so choose `width` such that it is small.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> risky = rng.integers(0, 2, 400)
    >>> leaves_at = rng.exponential(np.where(risky, 5.0, 20.0))
    >>> watched = np.minimum(leaves_at, 12.0)
    >>> model = HazardModel(rounds=200).fit(risky[:, None], watched, leaves_at <= 12.0)
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
        categorical_features: tuple[int, ...] | None = None,
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

    def fit(
        self,
        X: ArrayLike,
        duration: ArrayLike,
        event: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit from one row a customer.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        duration : (n,) time from the start until leaving, or until the watching ended
        event : (n,) whether the customer left at `duration`; if not given, all of them did,
            which is hardly ever so: customers who are still there belong in the table
        entry : (n,) time at which the watching of the customer began; 0 if not given
        sample_weight : (n,) weights of the rows

        Raises
        ------
        ModelDataError
            The rows cannot be trained on; the message says why and what to do.
        """
        matrix = checked_matrix(self, X, reset=True)
        watched = check_follow_up(
            duration,
            event,
            entry,
            sample_weight,
            rows=len(matrix),
            width=self._checked_width(),
        )
        return self._fit(matrix, watched, np.arange(len(matrix)))

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
        """Fit from features that change with time: one row for each stretch of a customer.

        Each row says what was true of the customer from `start` to `stop`. Early stopping
        keeps all rows of a customer on one side.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        start, stop : (n,) the stretch, on the customer's own clock
        event : (n,) whether the customer left at `stop`; only in a customer's last row
        customer : (n,) whose row it is; numbers or texts
        sample_weight : (n,) weights of the rows

        Raises
        ------
        ModelDataError
            Stretches of a customer overlap, or go on after leaving, or as `fit`.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> customer, start = np.repeat(np.arange(200), 2), np.tile([0.0, 1.0], 200)
        >>> left = (start == 1) & (rng.random(400) < 0.3)
        >>> model = HazardModel(rounds=5)
        >>> model = model.fit_intervals(start[:, None], start, start + 1, left, customer=customer)
        >>> model.person_periods_
        400
        """
        matrix = checked_matrix(self, X, reset=True)
        watched = check_follow_up(
            stop, event, start, sample_weight, rows=len(matrix), width=self._checked_width()
        )
        return self._fit(matrix, watched, check_intervals(customer, watched))

    def predict_survival(
        self, X: ArrayLike, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of still being there at each time.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        times : (t,) zero or more, in the unit of the durations
        age : (n,) or number
            How long each customer has already been there, for customers who are: the result
            is then conditional on that, and `times` count from now. 0 if not given.

        Returns
        -------
        (n, t) probabilities; never rising from a time to a later one

        Raises
        ------
        ModelDataError
            A shape does not fit, or a time is negative, missing or too far away.
        """
        check_is_fitted(self)
        return self.scorer_.survival(checked_matrix(self, X, reset=False), times, age=age)

    def predict_hazard(self, X: ArrayLike, periods: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of leaving in each period, if still there, (n, len(periods)).

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        periods : (p,) numbers of periods; 0 is the first
        """
        check_is_fitted(self)
        return self.scorer_.hazard(checked_matrix(self, X, reset=False), periods)

    def predict_lifetime(
        self, X: ArrayLike, *, horizon: float | None = None, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the expected remaining time until leaving or the horizon, (n,).

        The restricted mean: the area under the survival curve up to the horizon.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        horizon
            In the unit of the durations; the model's own if not given.
        age
            As `predict_survival`.
        """
        check_is_fitted(self)
        matrix = checked_matrix(self, X, reset=False)
        return self.scorer_.lifetime(matrix, horizon=horizon, age=age)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return `predict_lifetime` with its defaults, (n,)."""
        return self.predict_lifetime(X)

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what each column adds to the log-odds of leaving within the horizon.

        Returns
        -------
        (n, f + 1), the last column for what no feature explains, time among it
        """
        check_is_fitted(self)
        return self.scorer_.contributions(checked_matrix(self, X, reset=False))

    def score(self, X: ArrayLike, y: ArrayLike, event: ArrayLike | None = None) -> float:
        """Return Harrell's concordance of expected lifetimes: 0.5 for chance, 1 for perfect.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        y : (n,) durations, and `event`, as in `fit`
        """
        from churnkit.evaluation.survival.concordance import concordance

        expected = self.predict(X)
        left = np.ones(np.shape(y)) if event is None else event
        return concordance(y, left, -expected)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as plain settings and arrays, as a bundle has it."""
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
        self, matrix: NDArray[np.float64], watched: FollowUp, customer: NDArray[np.int64]
    ) -> Self:
        import lightgbm

        from churnkit.models.survival import lightgbm_fit as fitting
        from churnkit.trees import compile_booster

        horizon = self._checked_horizon(float(watched.exit.max()) * self.width)
        categories = check_categories(self.categorical_features, matrix)
        time_varying = TimeVaryingColumns.checked(
            self.time_varying, columns=matrix.shape[1], categories=categories
        )
        made = person_periods(watched, max_rows=self.max_rows, seed=self.seed)
        self.baseline_: NDArray[np.float64] = fitting.baseline_log_odds(*watched.totals())
        baseline = self.baseline_
        slope = np.ones(len(baseline))
        rows = fitting.PersonPeriodRows(
            matrix, made, len(baseline) - 1, time_varying=time_varying, first=watched.first
        )
        dataset = fitting.person_period_dataset(
            rows, made, baseline, categories=categories, seed=self.seed
        )
        settings, rounds = fitting.booster_settings(self), self.rounds
        if rounds is None:
            fold = fitting.customer_folds(customer, watched.left, folds=self.cv, seed=self.seed)
            rounds, raw = fitting.cross_fit(
                dataset,
                rows,
                settings,
                fold[made.row],
                max_rounds=self.max_rounds,
                patience=self.patience,
            )
            baseline, slope = fitting.fit_time_decay(raw, made, baseline)
        self.booster_: lightgbm.Booster = lightgbm.train(settings, dataset, num_boost_round=rounds)
        self.rounds_ = self.booster_.num_trees()
        self.max_follow_up_ = float(watched.exit.max()) * self.width
        self.person_periods_ = len(made.row)
        self.sampling_fraction_ = made.share
        self.scorer_ = HazardScorer(
            compile_booster(self.booster_),
            baseline,
            slope,
            width=float(self.width),
            horizon=horizon,
            time_varying=time_varying,
        )
        return self

    def _checked_width(self) -> float:
        if not (np.isfinite(self.width) and self.width > 0):
            raise ModelDataError("width must be a number above zero: the length of a period")
        return float(self.width)

    def _checked_horizon(self, longest: float) -> float:
        horizon = longest if self.horizon is None else float(self.horizon)
        if not 0 < horizon <= MAX_PERIODS * self.width:
            raise ModelDataError(
                f"horizon must lie above zero and within {MAX_PERIODS:,} periods of the width"
            )
        return horizon

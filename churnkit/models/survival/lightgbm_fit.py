"""Training of a hazard with LightGBM on person-periods read in batches.

LightGBM stores one byte per value (its bin), so the memory is about ``rows * (columns + 1)`` bytes
plus the customers' matrix.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from churnkit.core.stats.newton_logistic import Block, newton_logistic
from churnkit.models.classifiers.logistic_encoding import encode_columns
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.survival.person_period import PersonPeriods
    from churnkit.models.survival.time_varying import TimeVaryingColumns

__all__ = [
    "PersonPeriodRows",
    "baseline_log_odds",
    "cross_fit",
    "customer_folds",
    "fit_additive",
    "fit_time_decay",
    "person_period_dataset",
]

_METRIC = "binary_logloss"
# Bounds of the number of churned customers with the mean hazard that are added to each period,
# and the minimum number of churned customers from which the hazard after the follow-up is taken.
_MIN_PRIOR_EVENTS, _MAX_PRIOR_EVENTS = 0.01, 10.0
_TAIL_EVENTS = 25.0
_MIN_HAZARD = 1e-6
# Prior precision of the four coefficients of the time decay: standard deviation one half.
_PRIOR = 4.0
_NEWTON_STEPS = 25
# Additive effects are fitted on at most this many person-periods.
_ADDITIVE_ROWS = 100_000
_ADDITIVE_KNOTS = 3
# Bins are found on at most this many person-periods. LightGBM would read a sample row by row.
_BIN_ROWS = 200_000
_SLOPES = (0.2, 5.0)


class PersonPeriodRows(lightgbm.Sequence):
    """Person-periods as LightGBM reads them: a customer's columns, then the period.

    Parameters
    ----------
    matrix : (n, f) the customers
    person_periods
        Their person-periods.
    last
        Number of the pooled last period.
    time_varying
        Columns with a known change per period.
    first : (n,) the period to which each customer's columns refer
    """

    def __init__(
        self,
        matrix: NDArray[np.float64],
        person_periods: PersonPeriods,
        last: int,
        *,
        time_varying: TimeVaryingColumns,
        first: NDArray[np.int64],
    ) -> None:
        self.matrix = matrix
        self.row: NDArray[np.int64] = person_periods.row
        self.period: NDArray[np.int64] = np.minimum(person_periods.period, last)
        self.time_varying = time_varying
        self.elapsed: NDArray[np.signedinteger[Any]] = person_periods.period
        if time_varying:
            self.elapsed = person_periods.period - first[person_periods.row]
        self.batch_size: int = max(1, 2_000_000 // (matrix.shape[1] + 1))

    def take(self, rows: NDArray[np.intp]) -> PersonPeriodRows:
        """Return a selection of the rows."""
        selected = copy(self)
        for name in ("row", "period", "elapsed"):
            setattr(selected, name, getattr(self, name)[rows])
        return selected

    def __getitem__(self, index: int | slice | list[int]) -> NDArray[np.float64]:
        return self.read(np.asarray(index) if isinstance(index, list) else index)

    def read(self, index: int | slice | NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row, (f + 1,), or rows, (k, f + 1)."""
        row, period = np.atleast_1d(self.row[index]), np.atleast_1d(self.period[index])
        rows = np.column_stack([self.matrix[row], period])
        self.time_varying.advance(rows, np.atleast_1d(self.elapsed[index]))
        return rows[0] if np.ndim(self.row[index]) == 0 else rows

    def __len__(self) -> int:
        return len(self.row)

    def predict(self, booster: lightgbm.Booster, **settings: Any) -> NDArray[np.float64]:
        """Return the raw scores of a booster, (rows,), batch by batch."""
        raw = np.empty(len(self))
        for start in range(0, len(self), self.batch_size):
            batch = slice(start, start + self.batch_size)
            raw[batch] = booster.predict(self.read(batch), raw_score=True, **settings)
        return raw


def person_period_dataset(
    rows: PersonPeriodRows, person_periods: PersonPeriods, *, categories: Sequence[int]
) -> lightgbm.Dataset:
    """Return the binned rows, without initial scores.

    Parameters
    ----------
    rows, person_periods
        The person-periods, as a sequence of rows and as columns.
    categories
        Indices of the columns that hold codes.
    """
    count = min(len(rows), _BIN_ROWS)
    settings: dict[str, Any] = {
        "label": person_periods.churned,
        "weight": person_periods.weight,
        "categorical_feature": list(categories),
        "params": {
            "verbosity": -1,
            "feature_pre_filter": False,
            "bin_construct_sample_cnt": _BIN_ROWS,
        },
    }
    sample = rows.read(np.arange(count) * len(rows) // count)
    if count == len(rows):
        return lightgbm.Dataset(sample, **settings).construct()
    labels = {"label": np.zeros(count), "weight": None}
    bins = lightgbm.Dataset(sample, **settings | labels).construct()
    return lightgbm.Dataset(rows, reference=bins, **settings).construct()


def baseline_log_odds(
    churned: NDArray[np.float64], at_risk: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-odds of churn over all customers in each period and beyond, (periods + 1,).

    Each period has its own hazard, shrunk to the mean as far as the hazards of the periods are
    alike (empirical Bayes with a gamma prior): spikes, such as churn at a yearly renewal, stay.
    The last entry is for periods after the longest follow-up: the hazard of the last periods
    with at least 25 churned customers together.

    Parameters
    ----------
    churned, at_risk : (periods,) weights

    Examples
    --------
    >>> baseline_log_odds(np.array([50.0, 50.0]), np.array([500.0, 500.0])).round(3)
    array([-2.197, -2.197, -2.197])
    """
    remaining = np.cumsum(churned[::-1])[::-1]
    tail = max(0, int(np.count_nonzero(remaining >= _TAIL_EVENTS)) - 1)
    mean = churned.sum() / at_risk.sum()
    tail_mean = churned[tail:].sum() / at_risk[tail:].sum()
    events = _prior_events(churned, at_risk, mean)
    prior_mean = np.where(np.arange(len(churned)) < tail, mean, tail_mean)
    hazard = (churned + events) / (at_risk + events / prior_mean)
    hazard = np.clip(np.append(hazard, tail_mean), _MIN_HAZARD, 1.0 - _MIN_HAZARD)
    return np.asarray(np.log(hazard) - np.log1p(-hazard))


def _prior_events(churned: NDArray[np.float64], at_risk: NDArray[np.float64], mean: float) -> float:
    """Estimate the shape of a gamma prior of the periods' hazards by the method of moments."""
    observed = at_risk > 0
    churned, at_risk = churned[observed], at_risk[observed]
    squares = float(at_risk @ (churned / at_risk - mean) ** 2)
    excess = squares - (len(churned) - 1) * mean * (1 - mean)
    effective = float(at_risk.sum() - at_risk @ at_risk / at_risk.sum())
    if effective <= 0 or excess <= 0:
        return _MAX_PRIOR_EVENTS
    return float(np.clip(mean**2 * effective / excess, _MIN_PRIOR_EVENTS, _MAX_PRIOR_EVENTS))


def customer_folds(
    customer: NDArray[np.int64], churned: NDArray[np.bool_], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """Return the fold of each row, (n,), grouped by customer and stratified by churn.

    Parameters
    ----------
    customer : (n,) numbers 0, 1, ... of the customers
    churned : (n,) True if the customer churned in this row
    folds
        Number of folds.
    seed
        The same seed gives the same folds.

    Raises
    ------
    ModelDataError
        Fewer customers churned than there are folds.

    Examples
    --------
    >>> customer_folds(np.array([0, 0, 1]), np.array([False, True, True]), folds=2, seed=0)
    array([1, 1, 0])
    """
    if folds < 2:
        raise ModelDataError(f"cv must be at least 2, got {folds}")
    has_churned = np.bincount(customer[churned], minlength=int(customer.max()) + 1) > 0
    if has_churned.sum() < folds:
        raise ModelDataError(
            f"{int(has_churned.sum())} churned customers (n_samples = {len(customer)}) are too few "
            f"for {folds} folds: use more customers or a longer follow-up, or set rounds"
        )
    order = np.random.default_rng(seed).permutation(len(has_churned))
    order = order[np.argsort(has_churned[order], kind="stable")]
    fold = np.empty(len(has_churned), dtype=np.int64)
    fold[order[::-1]] = np.arange(len(has_churned)) % folds
    return fold[customer]


def fit_additive(
    rows: PersonPeriodRows,
    person_periods: PersonPeriods,
    baseline: NDArray[np.float64],
    *,
    categories: Sequence[int],
    params: dict[str, Any],
) -> lightgbm.Booster:
    """Fit additive effects of the columns, and return trees that reproduce them.

    Trees alone level off at the ends: with few churned customers the lowest tenth of the
    predictions is up to twice too high. Logistic regression with a ridge penalty on linear
    splines reaches further; the boosted trees then start from it.

    Parameters
    ----------
    rows, person_periods
        The person-periods, as a sequence of rows and as columns.
    baseline : (periods,) log-odds by period
    categories
        Indices of the columns that hold codes.
    params
        LightGBM's parameters.

    Returns
    -------
    lightgbm.Booster
        Log-odds beyond the baseline; each tree splits by one column.
    """
    count = min(len(rows), _ADDITIVE_ROWS)
    sample = np.arange(count) * len(rows) // count
    table, weight = rows.read(sample), person_periods.weight[sample].astype(np.float64)
    encodings = encode_columns(
        table[:, :-1], weight, categories=categories, n_knots=_ADDITIVE_KNOTS, max_levels=64
    )
    columns = [encoding.design(table[:, column]) for column, encoding in enumerate(encodings)]
    design = np.column_stack([np.ones(count), *columns])
    block = Block(
        design,
        person_periods.churned[sample].astype(np.float64),
        weight,
        baseline[rows.period[sample]],
    )
    penalty = np.append(1e-3, np.ones(design.shape[1] - 1))
    coefficients = newton_logistic(lambda: [block], penalty).coefficients
    settings = params | {
        "objective": "regression",
        "learning_rate": 0.5,
        "num_leaves": 16,
        "min_data_in_leaf": max(5, count // 200),
        "lambda_l2": 0.0,
        "feature_fraction_bynode": 1.0,
        "bagging_freq": 0,
        "interaction_constraints": [[column] for column in range(table.shape[1])],
    }
    target = lightgbm.Dataset(
        table,
        design @ coefficients,
        categorical_feature=list(categories),
        params={"verbosity": -1, "feature_pre_filter": False},
    )
    return lightgbm.train(settings, target, min(200, 8 * len(encodings)))


def cross_fit(
    rows: PersonPeriodRows,
    person_periods: PersonPeriods,
    dataset: lightgbm.Dataset,
    baseline: NDArray[np.float64],
    fold: NDArray[np.int64],
    *,
    categories: Sequence[int],
    params: dict[str, Any],
    max_rounds: int,
    patience: int,
) -> tuple[int, NDArray[np.float64]]:
    """Choose the number of rounds on held-out customers, and score them.

    Parameters
    ----------
    rows, person_periods, dataset
        The person-periods, as a sequence of rows, as columns, and binned.
    baseline : (periods,) log-odds by period
    fold : (rows,)
    categories
        Indices of the columns that hold codes.
    params
        LightGBM's parameters.
    max_rounds, patience
        Early stopping.

    Returns
    -------
    rounds : int
    raw : (rows,) log-odds beyond the baseline, by models fitted without the row
    """
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
    additive = [
        rows.predict(
            fit_additive(
                rows.take(train),
                person_periods.take(train),
                baseline,
                categories=categories,
                params=params,
            )
        )
        for train, _ in splits
    ]
    remaining = zip(splits, additive, strict=True)

    def start_from_additive(
        train_set: lightgbm.Dataset, test_set: lightgbm.Dataset, settings: dict[str, Any]
    ) -> tuple[lightgbm.Dataset, lightgbm.Dataset, dict[str, Any]]:
        parts, effect = next(remaining)
        initial = baseline[rows.period] + effect
        for part, part_set in zip(parts, (train_set, test_set), strict=True):
            part_set.construct().set_init_score(initial[part])
        return train_set, test_set, settings

    result: dict[str, Any] = lightgbm.cv(
        params | {"metric": _METRIC},
        dataset,
        num_boost_round=max_rounds,
        folds=splits,
        fpreproc=start_from_additive,
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
        return_cvbooster=True,
    )
    rounds = len(result[f"valid {_METRIC}-mean"])
    raw = np.empty(len(rows))
    for booster, effect, (_, test) in zip(
        result["cvbooster"].boosters, additive, splits, strict=True
    ):
        raw[test] = effect[test] + rows.take(test).predict(booster, num_iteration=rounds)
    return rounds, raw


def fit_time_decay(
    raw: NDArray[np.float64], person_periods: PersonPeriods, baseline: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the decay of the trees' effect with time on held-out customers.

    Current features predict the next month better than the next year. Trees learn that slowly:
    it takes a split by period below every other split. The held-out log-odds are therefore
    refitted as ``logit h = baseline + c0 + c1 u + (s0 + s1 u) trees`` with
    ``u = log(1 + period)``, by logistic regression with a prior at ``s0 = 1`` and zero otherwise.

    Parameters
    ----------
    raw : (m,) log-odds by trees fitted without the row
    person_periods
        The person-periods.
    baseline : (periods,) log-odds by period

    Returns
    -------
    baseline : (periods,) plus ``c0 + c1 u``
    slope : (periods,) ``s0 + s1 u``, the factor of the trees

    Examples
    --------
    >>> from churnkit.models.survival.person_period import FollowUp, expand_periods
    >>> rng = np.random.default_rng(0)
    >>> raw = rng.normal(size=4000)
    >>> churned = rng.random(4000) < 1 / (1 + np.exp(-raw / 2))
    >>> follow_up = FollowUp.from_times(np.ones(4000), churned, width=1.0)
    >>> rows = expand_periods(follow_up, max_rows=9999, seed=0)
    >>> fit_time_decay(raw, rows, np.zeros(1))[1].round(1)
    array([0.5])
    """
    log_period = np.log1p(np.arange(len(baseline)))
    period = np.minimum(person_periods.period, len(baseline) - 1)
    weight = person_periods.weight
    u = log_period[period]
    design = np.column_stack([np.ones(len(raw)), u, raw, raw * u])
    prior_mean = np.array([0.0, 0.0, 1.0, 0.0])
    coefficients = prior_mean.copy()
    for _ in range(_NEWTON_STEPS):
        log_odds = baseline[period] + design @ coefficients
        probability = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))
        gradient = design.T @ (weight * (person_periods.churned - probability))
        gradient -= _PRIOR * (coefficients - prior_mean)
        curvature = (design * (weight * probability * (1.0 - probability))[:, None]).T @ design
        step = np.linalg.solve(curvature + _PRIOR * np.eye(4), gradient)
        coefficients += step / max(1.0, float(np.abs(step).max()))
    c0, c1, s0, s1 = coefficients
    return baseline + c0 + c1 * log_period, np.clip(s0 + s1 * log_period, *_SLOPES)

"""Training a hazard with LightGBM on person-periods that are never held as one matrix.

LightGBM reads the rows in batches and keeps one byte for each value (its bin), so the memory
is about ``rows * (columns + 1)`` bytes, and the customers' own matrix is there once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.survival.hazard_model import HazardModel
    from churnkit.models.survival.person_period import PersonPeriods
    from churnkit.models.survival.time_varying import TimeVaryingColumns

__all__ = [
    "PersonPeriodRows",
    "baseline_log_odds",
    "booster_settings",
    "cross_fit",
    "customer_folds",
    "fit_time_decay",
    "person_period_dataset",
]

_METRIC = "binary_logloss"
# So many who left are taken on trust from the mean hazard in each period, and so many must
# have left in the pooled last one.
_PRIOR_LEAVERS = 10.0
_TAIL_LEAVERS = 25.0
_LEAST_HAZARD = 1e-6
# Of the four figures of the fading: as if each were known to within a half.
_PRIOR = 4.0
_NEWTON_STEPS = 25
_SLOPES = (0.2, 5.0)


class PersonPeriodRows(lightgbm.Sequence):
    """Person-periods as LightGBM asks for them: a customer's columns, then the period.

    Parameters
    ----------
    matrix : (n, f) the customers
    made
        Their person-periods.
    last
        Later periods count as this one.
    time_varying
        Columns that move with time.
    first : (n,) the period that each customer's columns speak of
    """

    def __init__(
        self,
        matrix: NDArray[np.float64],
        made: PersonPeriods,
        last: int,
        *,
        time_varying: TimeVaryingColumns,
        first: NDArray[np.int64],
    ) -> None:
        self.matrix = matrix
        self.row = made.row
        self.period = np.minimum(made.period, last)
        self.time_varying = time_varying
        self.elapsed = made.period - first[made.row] if time_varying else made.period
        self.batch_size = max(1, 2_000_000 // (matrix.shape[1] + 1))

    def __getitem__(self, at: int | slice | list[int]) -> NDArray[np.float64]:
        return self.read(np.asarray(at) if isinstance(at, list) else at)

    def read(self, at: int | slice | NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row, (f + 1,), or rows, (k, f + 1)."""
        row, period = np.atleast_1d(self.row[at]), np.atleast_1d(self.period[at])
        read = np.column_stack([self.matrix[row], period])
        self.time_varying.move(read, np.atleast_1d(self.elapsed[at]))
        return read[0] if np.ndim(self.row[at]) == 0 else read

    def __len__(self) -> int:
        return len(self.row)


def booster_settings(model: HazardModel) -> dict[str, Any]:
    """Return LightGBM's settings from a model's."""
    return {
        "objective": "binary",
        "learning_rate": model.learning_rate,
        "num_leaves": model.num_leaves,
        "min_data_in_leaf": model.min_child_samples,
        "lambda_l2": model.l2,
        # By node, so that a tree which splits by the period can split by a column as well.
        "feature_fraction_bynode": model.feature_fraction,
        "bagging_fraction": model.row_fraction,
        "bagging_freq": 1 if model.row_fraction < 1 else 0,
        "seed": model.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": model.num_threads,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def person_period_dataset(
    rows: PersonPeriodRows,
    made: PersonPeriods,
    baseline: NDArray[np.float64],
    *,
    categories: Sequence[int],
    seed: int,
) -> lightgbm.Dataset:
    """Return the rows binned, with the baseline as the score that the trees start from.

    Parameters
    ----------
    rows, made
        The person-periods, to read and as columns.
    baseline : (periods,) log-odds by period
    categories
        Which columns hold codes.
    seed
        For the sample that LightGBM finds the bins from.
    """
    last = len(baseline) - 1
    return lightgbm.Dataset(
        rows,
        label=made.left,
        weight=made.weight,
        init_score=baseline[np.minimum(made.period, last)],
        categorical_feature=list(categories),
        params={"verbosity": -1, "feature_pre_filter": False, "data_random_seed": seed},
    )


def baseline_log_odds(
    left: NDArray[np.float64], at_risk: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each period's log-odds of leaving over all customers, (periods,), smoothed.

    Thin periods lean on the mean hazard, and the last ones are pooled until enough customers
    left in them.

    Parameters
    ----------
    left, at_risk : (periods,) weights

    Examples
    --------
    >>> baseline_log_odds(np.array([50.0, 50.0]), np.array([500.0, 500.0])).round(3)
    array([-2.197, -2.197])
    """
    still_to_leave = np.cumsum(left[::-1])[::-1]
    last = max(0, int(np.count_nonzero(still_to_leave >= _TAIL_LEAVERS)) - 1)
    left = np.append(left[:last], left[last:].sum())
    at_risk = np.append(at_risk[:last], at_risk[last:].sum())
    mean = left.sum() / at_risk.sum()
    hazard = (left + _PRIOR_LEAVERS) / (at_risk + _PRIOR_LEAVERS / mean)
    hazard = np.clip(hazard, _LEAST_HAZARD, 1.0 - _LEAST_HAZARD)
    return np.asarray(np.log(hazard) - np.log1p(-hazard))


def customer_folds(
    customer: NDArray[np.int64], left: NDArray[np.bool_], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """Return each row's fold, (n,): whole customers, and those who left spread evenly.

    Parameters
    ----------
    customer : (n,) numbers 0, 1, ... of the customers
    left : (n,) whether the customer left in this row
    folds
        How many.
    seed
        The same seed gives the same folds.

    Raises
    ------
    ModelDataError
        Fewer customers left than there are folds.

    Examples
    --------
    >>> customer_folds(np.array([0, 0, 1]), np.array([False, True, True]), folds=2, seed=0)
    array([1, 1, 0])
    """
    if folds < 2:
        raise ModelDataError(f"{folds} folds cannot hold a model to account: use 2 or more")
    leaver = np.bincount(customer[left], minlength=int(customer.max()) + 1) > 0
    if leaver.sum() < folds:
        raise ModelDataError(
            f"{int(leaver.sum())} customers who left (n_samples = {len(customer)}) are too few for "
            f"{folds} folds: gather more customers or a longer follow-up, or set rounds"
        )
    order = np.random.default_rng(seed).permutation(len(leaver))
    order = order[np.argsort(leaver[order], kind="stable")]
    fold = np.empty(len(leaver), dtype=np.int64)
    fold[order[::-1]] = np.arange(len(leaver)) % folds
    return fold[customer]


def cross_fit(
    dataset: lightgbm.Dataset,
    rows: PersonPeriodRows,
    settings: dict[str, Any],
    fold: NDArray[np.int64],
    *,
    max_rounds: int,
    patience: int,
) -> tuple[int, NDArray[np.float64]]:
    """Find how many rounds are best on held-out customers, and score those.

    Parameters
    ----------
    dataset, rows
        The person-periods, binned and as they are read.
    settings
        LightGBM's.
    fold : (rows of the dataset,)
    max_rounds, patience
        Stop after so many rounds, or so many without a better mean.

    Returns
    -------
    rounds : int
    raw : (rows of the dataset,) log-odds beyond the baseline, by trees that did not see the row
    """
    parts = [np.flatnonzero(fold == each) for each in np.unique(fold)]
    found: dict[str, Any] = lightgbm.cv(
        settings | {"metric": _METRIC},
        dataset,
        num_boost_round=max_rounds,
        folds=[(np.setdiff1d(np.arange(len(rows)), part), part) for part in parts],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
        return_cvbooster=True,
    )
    rounds = len(found[f"valid {_METRIC}-mean"])
    raw = np.empty(len(rows))
    for booster, part in zip(found["cvbooster"].boosters, parts, strict=True):
        for start in range(0, len(part), rows.batch_size):
            at = part[start : start + rows.batch_size]
            raw[at] = booster.predict(rows.read(at), num_iteration=rounds, raw_score=True)
    return rounds, raw


def fit_time_decay(
    raw: NDArray[np.float64], made: PersonPeriods, baseline: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learn how the pull of the trees changes with time, on held-out customers.

    What is known today says more about the next month than about the next year. Trees learn
    that slowly, as it takes a split by period below every other split. So the held-out log-odds
    are fitted once more, ``logit h = baseline + c0 + c1 u + (s0 + s1 u) trees`` with
    ``u = log(1 + period)``: logistic regression with a prior that leaves things as they are.

    Parameters
    ----------
    raw : (m,) log-odds by trees that did not see the row
    made
        The person-periods.
    baseline : (periods,) log-odds by period

    Returns
    -------
    baseline : (periods,) moved by ``c0 + c1 u``
    slope : (periods,) ``s0 + s1 u``, what to multiply the trees by

    Examples
    --------
    >>> from churnkit.models.survival.person_period import FollowUp, person_periods
    >>> rng = np.random.default_rng(0)
    >>> raw = rng.normal(size=4000)
    >>> left = rng.random(4000) < 1 / (1 + np.exp(-raw / 2))
    >>> made = person_periods(FollowUp.of(np.ones(4000), left, width=1.0), max_rows=9999, seed=0)
    >>> fit_time_decay(raw, made, np.zeros(1))[1].round(1)
    array([0.5])
    """
    late = np.log1p(np.arange(len(baseline)))
    at = np.minimum(made.period, len(baseline) - 1)
    design = np.column_stack([np.ones(len(raw)), late[at], raw, raw * late[at]])
    start = np.array([0.0, 0.0, 1.0, 0.0])
    fitted = start.copy()
    for _ in range(_NEWTON_STEPS):
        odds = baseline[at] + design @ fitted
        chance = 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))
        slope = design.T @ (made.weight * (made.left - chance)) - _PRIOR * (fitted - start)
        bend = (design * (made.weight * chance * (1.0 - chance))[:, None]).T @ design
        step = np.linalg.solve(bend + _PRIOR * np.eye(4), slope)
        fitted += step / max(1.0, float(np.abs(step).max()))
    return (
        baseline + fitted[0] + fitted[1] * late,
        np.clip(fitted[2] + fitted[3] * late, *_SLOPES),
    )

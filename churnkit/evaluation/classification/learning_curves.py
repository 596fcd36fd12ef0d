"""Learning curves: the gain from more customers, more history, or longer windows.

A model is fitted on growing parts of the data and tested on the same customers each time. The
gain of all data over each part has an interval, and the result reads as a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.evaluation.classification.compare import compare
from churnkit.evaluation.classification.metrics import METRICS, find_metric
from churnkit.evaluation.classification.repeated_cv import corrected_interval, repeated_folds
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

    # The training rows and the columns of each size, for a fold and its number.
    Subsets = Callable[[NDArray[np.intp], int], list[tuple[NDArray[np.intp], Any]]]

__all__ = ["Sufficiency", "history_curve", "learning_curve", "window_curve"]

SHARES = (0.25, 0.5, 1.0)
_MIN_PER_CLASS = 10


@dataclass(frozen=True)
class Sufficiency(Result):
    """Metric of a model by the amount of data it was trained on.

    Parameters
    ----------
    of
        The data that grow: ``"customers"``, ``"days of history"``, ``"days of window"``.
    metric
        The metric's name in `churnkit.evaluation.METRICS`.
    sizes : (k,)
        Amounts, ascending.
    scores : (k,)
        The metric at each size.
    gains : (k - 1,)
        Improvement of the largest size over each smaller one, with its interval; above zero is
        better.
    """

    of: str
    metric: str
    sizes: tuple[float, ...]
    scores: tuple[float, ...]
    gains: tuple[Interval, ...]

    @property
    def enough(self) -> float:
        """Smallest size beyond which no gain is detectable."""
        size = self.sizes[-1]
        for smaller, gain in zip(self.sizes[-2::-1], self.gains[::-1], strict=True):
            if gain.low > 0:
                break
            size = smaller
        return size

    @property
    def more_helps(self) -> bool:
        """True if the last increase still gained, so another may."""
        return bool(self.gains) and self.gains[-1].low > 0

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        title = METRICS[self.metric].title
        if not self.gains:
            return f"There is only one size of {self.of}: nothing to compare."
        gain = self.gains[-1]
        step = f"from {self.sizes[-2]:,.0f} to {self.sizes[-1]:,.0f} {self.of}"
        spread = f"{gain:+.4f}"
        if self.more_helps:
            return f"More {self.of} would help: {step}, {title} gained {spread}."
        if self.enough < self.sizes[-1]:
            change = "lost" if gain.high < 0 else "showed no detectable gain:"
            return f"{self.enough:,.0f} {self.of} are enough: {step}, {title} {change} {spread}."
        return f"Inconclusive: {step}, {title} gained {spread}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "of": self.of,
            "metric": self.metric,
            "sizes": list(self.sizes),
            "scores": list(self.scores),
            "gains": [gain.to_dict() for gain in self.gains],
            "enough": self.enough,
            "verdict": self.verdict,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per size."""
        import pandas as pd

        gains = [*self.gains, None]
        return pd.DataFrame(
            {
                self.of: self.sizes,
                self.metric: self.scores,
                "gain_of_all": [None if gain is None else gain.value for gain in gains],
                "gain_low": [None if gain is None else gain.low for gain in gains],
                "gain_high": [None if gain is None else gain.high for gain in gains],
            }
        )


def learning_curve(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    shares: Sequence[float] = SHARES,
    metric: str = "log_loss",
    folds: int = 5,
    repeats: int = 1,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Sufficiency:
    """Measure the gain from more customers.

    Parameters
    ----------
    model
        An unfitted estimator with ``predict_proba``; it is cloned.
    X : (n, f)
        Encoded matrix.
    y : (n,)
        Outcomes, 1 for churned.
    shares
        Shares of each fold's training customers, ascending, ending with 1; each part contains
        the one before.
    metric
        A name of `churnkit.evaluation.METRICS`.
    folds, repeats
        Number of stratified folds, and how often they are drawn; intervals are corrected for
        the overlap of their training rows.
    groups : (n,)
        Customer of each row; all rows of a customer go into one fold.
    seed
        The same seed gives the same folds and shares.

    Returns
    -------
    Sufficiency
        `.enough`, `.more_helps`, `.verdict`.

    Raises
    ------
    EvaluationError
        The smallest share has too few churners, or the metric is unknown.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 2))
    >>> y = X[:, 0] + rng.normal(size=4000) > 0
    >>> learning_curve(LogisticRegression(), X, y).enough < 3200
    True
    """
    ascending = [float(share) for share in shares]
    if not ascending or ascending[0] <= 0 or any(b <= a for a, b in pairwise(ascending)):
        raise EvaluationError("shares must be numbers above 0 in ascending order")
    if ascending[-1] != 1.0:
        raise EvaluationError(f"the last of the shares must be 1, got {ascending[-1]:g}")
    outcome = np.asarray(y).astype(np.float64)

    def subsets(train: NDArray[np.intp], fold: int) -> list[tuple[NDArray[np.intp], Any]]:
        rng = np.random.default_rng([seed, fold])
        rank = np.empty(len(train))
        for label in (0.0, 1.0):
            rows = rng.permutation(np.flatnonzero(outcome[train] == label))
            rank[rows] = (np.arange(len(rows)) + 1) / len(rows)
        return [(train[rank <= share], slice(None)) for share in ascending]

    return _cross_validated(
        model,
        X,
        y,
        subsets,
        of="customers",
        metric=metric,
        folds=folds,
        repeats=repeats,
        groups=groups,
        seed=seed,
    )


def window_curve(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    window_days: Sequence[float | None],
    *,
    metric: str = "log_loss",
    folds: int = 5,
    repeats: int = 1,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Sufficiency:
    """Measure the gain from features with longer windows.

    Parameters
    ----------
    model, X, y
        As `learning_curve`. The model's settings by column (such as ``categorical_features``) must
        fit every subset of the columns.
    window_days : (f,)
        Window of each column, days; None for columns without a window, which are always used.
    metric, folds, repeats, groups, seed
        As `learning_curve`.

    Returns
    -------
    Sufficiency
        The metric by days of window.

    Raises
    ------
    EvaluationError
        The lengths differ, or no column has a window.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> y = X[:, 0] + rng.normal(size=2000) > 0
    >>> window_curve(LogisticRegression(), X, y, [30, 365]).enough
    30.0
    """
    columns = np.shape(X)[-1]
    if len(window_days) != columns:
        raise EvaluationError(
            f"{len(window_days)} windows for {columns} columns: pass one or None for each"
        )
    days = np.array([-1.0 if window is None else float(window) for window in window_days])
    sizes = [float(window) for window in np.unique(days[days >= 0])]
    if not sizes:
        raise EvaluationError("no column has a window: there is nothing to shorten")

    def subsets(train: NDArray[np.intp], _: int) -> list[tuple[NDArray[np.intp], Any]]:
        return [(train, np.flatnonzero(days <= longest)) for longest in sizes]

    return _cross_validated(
        model,
        X,
        y,
        subsets,
        of="days of window",
        sizes=sizes,
        metric=metric,
        folds=folds,
        repeats=repeats,
        groups=groups,
        seed=seed,
    )


def history_curve(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    as_of: ArrayLike,
    *,
    mature_days: int,
    metric: str = "log_loss",
    seed: int = 0,
) -> Sufficiency:
    """Measure the gain from training on earlier dates.

    The model is trained on growing sets of the dates whose outcomes were known by the last
    date, newest first, and tested on the last date; intervals are paired over its customers.

    Parameters
    ----------
    model
        An unfitted estimator with ``predict_proba``; it is cloned.
    X : (n, f)
        Encoded matrix.
    y : (n,)
        Outcomes, 1 for churned.
    as_of : (n,)
        The date of each row, ``datetime64``.
    mature_days
        Days after which an outcome is known.
    metric
        A name of `churnkit.evaluation.METRICS`.
    seed
        The same seed gives the same intervals.

    Returns
    -------
    Sufficiency
        The metric by days of history.

    Raises
    ------
    EvaluationError
        No date is old enough to train on, or a training set has too few churners.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1))
    >>> y = X[:, 0] + rng.normal(size=3000) > 0
    >>> as_of = np.repeat(np.array(["2025-01-01", "2025-04-01", "2025-07-01"], "M8[D]"), 1000)
    >>> history_curve(LogisticRegression(), X, y, as_of, mature_days=90).sizes
    (91.0, 181.0)
    """
    from sklearn.base import clone

    measure = find_metric(metric)
    matrix, outcome = _checked(X, y)
    date = np.asarray(as_of, dtype="datetime64[us]").astype("datetime64[D]")
    if date.shape != (len(matrix),):
        raise EvaluationError(
            f"as_of has shape {date.shape} for {len(matrix)} rows: pass one date per row"
        )
    last = date.max()
    mature = np.unique(date[date + np.timedelta64(mature_days, "D") <= last])[::-1]
    if not len(mature):
        raise EvaluationError(
            f"no date is at least {mature_days} days before the last one, {last}: add snapshots of "
            "earlier dates"
        )
    test = np.flatnonzero(date == last)
    sizes, predictions = [], []
    for first in mature:
        train = np.flatnonzero((date >= first) & np.isin(date, mature))
        _check_classes(outcome[train], f"dates since {first}")
        fitted = clone(model).fit(matrix[train], outcome[train])
        predictions.append(fitted.predict_proba(matrix[test])[:, 1])
        sizes.append(float((last - first).astype(int)))
    gains = tuple(
        compare(outcome[test], predictions[-1], less, metric=metric, seed=seed).gain
        for less in predictions[:-1]
    )
    scores = tuple(
        measure.compute(RankedOutcomes(outcome[test], probability).group())
        for probability in predictions
    )
    return Sufficiency("days of history", metric, tuple(sizes), scores, gains)


def _cross_validated(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    subsets: Subsets,
    *,
    of: str,
    metric: str,
    folds: int,
    repeats: int,
    groups: ArrayLike | None,
    seed: int,
    sizes: list[float] | None = None,
) -> Sufficiency:
    """Score the model on each subset of each fold; sizes default to the mean training rows."""
    from sklearn.base import clone

    measure = find_metric(metric)
    matrix, outcome = _checked(X, y)
    counts, scores = [], []
    splits = repeated_folds(outcome, folds=folds, repeats=repeats, groups=groups, seed=seed)
    for fold, (train, test) in enumerate(splits):
        chosen = subsets(train, fold)
        row = []
        for rows, columns in chosen:
            _check_classes(outcome[rows], f"{len(rows):,} customers")
            fitted = clone(model).fit(matrix[rows][:, columns], outcome[rows])
            probability = fitted.predict_proba(matrix[test][:, columns])[:, 1]
            row.append(measure.compute(RankedOutcomes(outcome[test], probability).group()))
        counts.append([float(len(rows)) for rows, _ in chosen])
        scores.append(row)
    table = np.array(scores)
    gains = tuple(
        corrected_interval(measure.sign * (table[:, -1] - table[:, at]), test_share=1 / folds)
        for at in range(table.shape[1] - 1)
    )
    if sizes is None:
        sizes = [float(round(size)) for size in np.mean(counts, axis=0)]
    return Sufficiency(of, metric, tuple(sizes), tuple(map(float, table.mean(axis=0))), gains)


def _checked(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix, outcome = np.asarray(X, dtype=np.float64), np.asarray(y).astype(np.float64)
    if matrix.ndim != 2 or outcome.shape != (len(matrix),):
        raise EvaluationError(
            f"X must be a matrix (n, f) and y (n,), got {matrix.shape} and {outcome.shape}"
        )
    return matrix, outcome


def _check_classes(outcome: NDArray[np.float64], rows: str) -> None:
    churners = int(outcome.sum())
    if min(churners, len(outcome) - churners) < _MIN_PER_CLASS:
        raise EvaluationError(
            f"of {rows}, {churners} churned and {len(outcome) - churners} stayed: training needs "
            f"at least {_MIN_PER_CLASS} of each; start with a larger share"
        )

"""Whether more would help: more customers, more of the past, longer windows.

A model is fitted on ever more of what there is, and tested on the same customers each time.
What all of it gains over less is measured with an interval, and said in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.compare import compare
from churnkit.evaluation.classification.metrics import METRICS
from churnkit.evaluation.classification.repeated_cv import corrected_interval, repeated_folds
from churnkit.evaluation.classification.score_order import EvaluationError, Ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["Sufficiency", "history_curve", "learning_curve", "window_curve"]

SHARES = (0.25, 0.5, 1.0)
_FEWEST_OF_A_KIND = 10


@dataclass(frozen=True)
class Sufficiency:
    """How a model's figure grows with what it is given.

    Attributes
    ----------
    of
        What it is given more of, in words: ``"customers"``, ``"days of history"``.
    metric
        The metric's name in `churnkit.evaluation.METRICS`.
    sizes : (k,) how much, ascending
    scores : (k,) the metric at each size
    gains : (k - 1,) how much better all of it is than each smaller size, above zero for
        better, with its interval
    """

    of: str
    metric: str
    sizes: tuple[float, ...]
    scores: tuple[float, ...]
    gains: tuple[Interval, ...]

    @property
    def enough(self) -> float:
        """The smallest size from which on nothing is gained that can be shown."""
        size = self.sizes[-1]
        for smaller, gain in zip(self.sizes[-2::-1], self.gains[::-1], strict=True):
            if gain.low > 0:
                break
            size = smaller
        return size

    @property
    def more_helps(self) -> bool:
        """Whether the last step up was still worth it, so that one more may be."""
        return bool(self.gains) and self.gains[-1].low > 0

    @property
    def verdict(self) -> str:
        """Is more worth it? One sentence."""
        title = METRICS[self.metric].title
        if not self.gains:
            return f"There is only one size of {self.of}, so nothing can be said about more."
        gain = self.gains[-1]
        step = f"from {self.sizes[-2]:,.0f} to {self.sizes[-1]:,.0f} {self.of}"
        spread = f"{gain:+.4f}"
        if self.more_helps:
            return f"More {self.of} are worth having: {step} {title} gained {spread}."
        if self.enough < self.sizes[-1]:
            worse = "lost" if gain.high < 0 else "gained nothing that can be shown"
            return (
                f"{self.enough:,.0f} {self.of} are enough: {step} {title} {worse}, {spread}; more "
                "are hardly worth it."
            )
        return f"Nobody can tell yet: {step} {title} gained {spread}."

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
        """Return a pandas frame, one row a size."""
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

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


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
    """Ask whether more customers would help.

    Parameters
    ----------
    model
        An unfitted estimator with ``predict_proba``; it is cloned.
    X : (n, f) encoded matrix
    y : (n,) outcomes, 1 for churned
    shares
        Of each fold's training customers, ascending, the last one 1; each holds the one before.
    metric
        A name of `churnkit.evaluation.METRICS`.
    folds, repeats
        Stratified folds, dealt anew each time; intervals are corrected for their overlap.
    groups : (n,) whose row it is, if customers have several: all go into one fold
    seed
        The same seed gives the same folds and the same shares.

    Raises
    ------
    EvaluationError
        The smallest share holds too few churners, or the metric is unknown.

    Examples
    --------
    >>> from churnkit.models import LogisticModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 2))
    >>> y = X[:, 0] + rng.normal(size=4000) > 0
    >>> learning_curve(LogisticModel(C=1.0), X, y).enough < 3200
    True
    """
    given = _ascending(shares, "shares")
    if given[-1] != 1.0:
        raise EvaluationError("shares: the last one is 1, all of the customers")
    matrix, outcome = _checked(X, y, metric)

    def parts(train: NDArray[np.intp], place: int) -> list[tuple[NDArray[np.intp], Any]]:
        rng = np.random.default_rng([seed, place])
        rank = np.empty(len(train))
        for kind in (0.0, 1.0):
            rows = rng.permutation(np.flatnonzero(outcome[train] == kind))
            rank[rows] = (np.arange(len(rows)) + 1) / len(rows)
        return [(train[rank <= share], slice(None)) for share in given]

    sizes, figures = _folded(
        model,
        matrix,
        outcome,
        parts,
        metric=metric,
        folds=folds,
        repeats=repeats,
        groups=groups,
        seed=seed,
    )
    return _sufficiency("customers", metric, sizes, figures, 1 / folds)


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
    """Ask whether features need to look back as far as they do.

    Parameters
    ----------
    model, X, y, metric, folds, repeats, groups, seed
        As `learning_curve`. The model's own settings by column (such as
        ``categorical_features``) must fit every subset of the columns.
    window_days : (f,) how far back each column looks; None for those that look at no window,
        which are always used

    Examples
    --------
    >>> from churnkit.models import LogisticModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 2))
    >>> y = X[:, 0] + rng.normal(size=2000) > 0
    >>> window_curve(LogisticModel(C=1.0), X, y, [30, 365]).enough
    30.0
    """
    matrix, outcome = _checked(X, y, metric)
    if len(window_days) != matrix.shape[1]:
        raise EvaluationError(
            f"{len(window_days)} windows for {matrix.shape[1]} columns: give one or None for each"
        )
    days = np.array([-1.0 if each is None else float(each) for each in window_days])
    given = [float(each) for each in np.unique(days[days >= 0])]
    if not given:
        raise EvaluationError("no column has a window, so there is nothing to shorten")

    def parts(train: NDArray[np.intp], _: int) -> list[tuple[NDArray[np.intp], Any]]:
        return [(train, np.flatnonzero(days <= longest)) for longest in given]

    _, figures = _folded(
        model,
        matrix,
        outcome,
        parts,
        metric=metric,
        folds=folds,
        repeats=repeats,
        groups=groups,
        seed=seed,
    )
    return _sufficiency("days of window", metric, given, figures, 1 / folds)


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
    """Ask whether more of the past would help to foretell the customers of the last date.

    The model is trained on ever more of the dates whose outcome was known by then, the newest
    first, and tested on the last date; the intervals are paired, over its customers.

    Parameters
    ----------
    model
        An unfitted estimator with ``predict_proba``; it is cloned.
    X : (n, f) encoded matrix
    y : (n,) outcomes, 1 for churned
    as_of : (n,) the date of each row, ``datetime64``
    mature_days
        After how many days an outcome is known.
    metric
        A name of `churnkit.evaluation.METRICS`.
    seed
        The same seed gives the same intervals.

    Raises
    ------
    EvaluationError
        No date is old enough to train on, or holds enough churners.

    Examples
    --------
    >>> from churnkit.models import LogisticModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1))
    >>> y = X[:, 0] + rng.normal(size=3000) > 0
    >>> as_of = np.repeat(np.array(["2025-01-01", "2025-04-01", "2025-07-01"], "M8[D]"), 1000)
    >>> history_curve(LogisticModel(C=1.0), X, y, as_of, mature_days=90).sizes
    (91.0, 181.0)
    """
    from sklearn.base import clone

    matrix, outcome = _checked(X, y, metric)
    moment = np.asarray(as_of, dtype="datetime64[us]").astype("datetime64[D]")
    if moment.shape != (len(matrix),):
        raise EvaluationError("as_of has another length than the rows: give one date for each")
    last = moment.max()
    known = np.unique(moment[moment + np.timedelta64(mature_days, "D") <= last])[::-1]
    if not len(known):
        raise EvaluationError(
            f"no date lies {mature_days} days before the last one, {last}: bring snapshots of "
            "earlier dates"
        )
    test = np.flatnonzero(moment == last)
    sizes, predicted = [], []
    for first in known:
        train = np.flatnonzero((moment >= first) & np.isin(moment, known))
        _refuse_few(outcome[train], f"dates since {first}")
        fitted = clone(model).fit(matrix[train], outcome[train])
        predicted.append(fitted.predict_proba(matrix[test])[:, 1])
        sizes.append(float((last - first).astype(int)))
    gains = tuple(
        compare(outcome[test], predicted[-1], less, metric=metric, seed=seed).gain
        for less in predicted[:-1]
    )
    of = METRICS[metric].of
    scores = tuple(of(Ranked(outcome[test], each).mass()) for each in predicted)
    return Sufficiency("days of history", metric, tuple(sizes), scores, gains)


def _folded(
    model: Any,
    matrix: NDArray[np.float64],
    outcome: NDArray[np.float64],
    parts: Callable[[NDArray[np.intp], int], list[tuple[NDArray[np.intp], Any]]],
    *,
    metric: str,
    folds: int,
    repeats: int,
    groups: ArrayLike | None,
    seed: int,
) -> tuple[list[float], NDArray[np.float64]]:
    """Return the mean training size of each part, and the figures, (folds, parts)."""
    from sklearn.base import clone

    of = METRICS[metric].of
    sizes, figures = [], []
    dealt = repeated_folds(outcome, folds=folds, repeats=repeats, groups=groups, seed=seed)
    for place, (train, test) in enumerate(dealt):
        chosen = parts(train, place)
        row = []
        for rows, columns in chosen:
            _refuse_few(outcome[rows], f"{len(rows):,} customers")
            fitted = clone(model).fit(matrix[rows][:, columns], outcome[rows])
            probability = fitted.predict_proba(matrix[test][:, columns])[:, 1]
            row.append(of(Ranked(outcome[test], probability).mass()))
        sizes.append([float(len(rows)) for rows, _ in chosen])
        figures.append(row)
    return [round(size) for size in np.mean(sizes, axis=0)], np.array(figures)


def _sufficiency(
    of: str,
    metric: str,
    sizes: Sequence[float],
    figures: NDArray[np.float64],
    test_share: float,
) -> Sufficiency:
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    gains = tuple(
        corrected_interval(sign * (figures[:, -1] - figures[:, at]), test_share=test_share)
        for at in range(figures.shape[1] - 1)
    )
    scores = tuple(float(score) for score in figures.mean(axis=0))
    return Sufficiency(of, metric, tuple(float(size) for size in sizes), scores, gains)


def _checked(
    X: ArrayLike, y: ArrayLike, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if metric not in METRICS:
        raise EvaluationError(f"there is no metric {metric!r}: use one of {', '.join(METRICS)}")
    matrix, outcome = np.asarray(X, dtype=np.float64), np.asarray(y).astype(np.float64)
    if matrix.ndim != 2 or outcome.shape != (len(matrix),):
        raise EvaluationError("X is a matrix (n, f), and y has one outcome for each of its rows")
    return matrix, outcome


def _ascending(values: Sequence[float], name: str) -> list[float]:
    given = [float(value) for value in values]
    if not given or given[0] <= 0 or any(b <= a for a, b in pairwise(given)):
        raise EvaluationError(f"{name}: give numbers above 0 in ascending order")
    return given


def _refuse_few(outcome: NDArray[np.float64], said: str) -> None:
    churners = int(outcome.sum())
    if min(churners, len(outcome) - churners) < _FEWEST_OF_A_KIND:
        raise EvaluationError(
            f"of {said}, {churners} churned and {len(outcome) - churners} stayed: at least "
            f"{_FEWEST_OF_A_KIND} of each are needed to train on; begin with a larger part"
        )

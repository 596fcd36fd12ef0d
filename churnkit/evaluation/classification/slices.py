"""Metrics by group of customers, compared with all other customers.

With many levels some gap is wide by chance alone, so the intervals of the gaps are simultaneous:
widened (Bonferroni) so that all of them together cover the true gaps 95 times in 100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult, Result
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.bootstrap import LEVEL
from churnkit.evaluation.classification.repeated_rows import (
    count_customers,
    count_rarer,
    effective_size,
    sum_variance,
)
from churnkit.evaluation.validation import (
    EvaluationError,
    check_customers,
    check_outcome,
    check_probability,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MEASURES", "Slice", "Slices", "slice_metrics"]

MEASURES = {
    "auc": "AUC",
    "overprediction": "predicted minus actual churn",
    "flagged": "share among the riskiest",
    "found": "share of churners among the riskiest",
}
_MIN_PER_CLASS = 10

_Bounds = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Slice(Result):
    """Measures of one level of a column.

    Parameters
    ----------
    column, level
        The column and its level.
    customers, churners
        Number of customers, and of churners among them.
    measures
        Each of `MEASURES` with its 95% interval; None where too few churned or stayed.
    gaps
        Each measure minus that of all other customers, with its simultaneous interval.
    """

    column: str
    level: str
    customers: int
    churners: int
    measures: Mapping[str, Interval | None]
    gaps: Mapping[str, Interval | None]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "column": self.column,
            "level": self.level,
            "customers": self.customers,
            "churners": self.churners,
            "measures": {name: _plain(value) for name, value in self.measures.items()},
            "gaps": {name: _plain(gap) for name, gap in self.gaps.items()},
        }


@dataclass(frozen=True)
class Slices(PlottableResult):
    """Result of `slice_metrics`.

    Parameters
    ----------
    slices
        One for each level with enough customers.
    comparisons
        Number of gaps compared; their intervals are widened accordingly.
    left_out
        Number of levels with too few customers.
    flag_share
        Share of all customers that counts as the riskiest.
    level
        Confidence level of the intervals.
    """

    _display: ClassVar[str] = "IntervalDisplay"
    display_title: ClassVar[str] = "Predicted minus actual churn"

    slices: tuple[Slice, ...]
    comparisons: int
    left_out: int
    flag_share: float
    level: float = field(default=LEVEL)

    @property
    def differences(self) -> tuple[str, ...]:
        """Gaps whose interval excludes zero, one sentence each, largest first."""
        sentences = [
            (abs(gap.value), _sentence(part, name, gap))
            for part in self.slices
            for name, gap in part.gaps.items()
            if gap is not None and (gap.low > 0 or gap.high < 0)
        ]
        return tuple(sentence for _, sentence in sorted(sentences, reverse=True))

    @property
    def intervals(self) -> dict[str, Interval]:
        """Predicted minus actual churn of each level."""
        measured = {
            f"{part.column}: {part.level}": part.measures.get("overprediction")
            for part in self.slices
        }
        return {name: value for name, value in measured.items() if value is not None}

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.comparisons:
            return "No group has enough customers to be compared."
        method = f"{self.comparisons} comparisons, simultaneous {self.level:.0%} intervals"
        if not self.differences:
            return f"No detectable difference between groups ({method})."
        return f"{len(self.differences)} differences between groups ({method})."

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "slices": [part.to_dict() for part in self.slices],
            "comparisons": self.comparisons,
            "left_out": self.left_out,
            "flag_share": self.flag_share,
            "level": self.level,
            "verdict": self.verdict,
            "found": list(self.differences),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row for each level and measure."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "column": part.column,
                    "level": part.level,
                    "customers": part.customers,
                    "churners": part.churners,
                    "measure": name,
                    **_cells("", value),
                    **_cells("gap_", part.gaps.get(name)),
                }
                for part in self.slices
                for name, value in part.measures.items()
            ]
        )


def slice_metrics(
    y: ArrayLike,
    probability: ArrayLike,
    groups: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    customers: ArrayLike | None = None,
    flag_share: float = 0.2,
    least_customers: int = 50,
) -> Slices:
    """Measure a model on each level of some columns, compared with all other customers.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    groups
        For each column's name the level of each customer, (n,); None and NaN are the level
        ``"not known"``.
    customers : (n,)
        The customer of each row, if customers have several: their rows depend on each other.
    flag_share
        Share of all customers, the riskiest first, that counts as flagged.
    least_customers
        Levels with fewer customers are skipped: their measures are noise and could disclose
        individuals.

    Returns
    -------
    Slices
        `.slices`, `.differences` and `.verdict`.

    Raises
    ------
    EvaluationError
        Lengths differ, a probability is outside 0 to 1, or only one class occurs.

    Notes
    -----
    ``auc`` has DeLong's variance (1988, doi:10.2307/2531595); shares have Wilson's interval
    (1927), both with the variance of sums by customer where customers have several rows
    (Obuchowski 1997, doi:10.2307/2533958, for the AUC); the difference of two is bounded by the
    square-and-add rule (Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I). A column of two levels
    has a gap for the second level only, since that of the first is its negative.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> risk, plan = rng.random(2000), rng.choice(["basic", "pro"], 2000)
    >>> left = rng.random(2000) < risk
    >>> slice_metrics(left, risk, {"plan": plan}).verdict
    'No detectable difference between groups (4 comparisons, simultaneous 95% intervals).'
    """
    outcome = check_outcome(y)
    risk = check_probability(probability, rows=len(outcome))
    if not 0.0 < flag_share < 1.0:
        raise EvaluationError(f"flag_share must lie between 0 and 1, got {flag_share}")
    flagged = _flag_riskiest(risk, flag_share)
    codes = check_customers(customers, rows=len(outcome))
    parts, left_out = _split_levels(groups, len(outcome), least_customers, codes)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)

    def bounds(rows: NDArray[np.bool_], width: float) -> dict[str, _Bounds | None]:
        ids = None if codes is None else codes[rows]
        return _measure(outcome[rows], risk[rows], flagged[rows], width, ids)

    measured = [bounds(rows, z) for _, _, rows, _ in parts]
    pairs = [
        sum(
            inside is not None and outside is not None
            for inside, outside in zip(values.values(), bounds(~rows, z).values(), strict=True)
        )
        if compared
        else 0
        for (_, _, rows, compared), values in zip(parts, measured, strict=True)
    ]
    comparisons = sum(pairs)
    wide = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * max(1, comparisons)))
    slices = tuple(
        Slice(
            column=column,
            level=level,
            customers=count_customers(rows, codes),
            churners=count_customers(rows & (outcome == 1), codes),
            measures={name: None if b is None else Interval(*b) for name, b in values.items()},
            gaps=_gaps(bounds(rows, wide), bounds(~rows, wide)) if count else {},
        )
        for (column, level, rows, _), values, count in zip(parts, measured, pairs, strict=True)
    )
    return Slices(slices, comparisons, left_out, flag_share)


def _split_levels(
    groups: Mapping[str, Sequence[Any] | NDArray[Any]],
    rows: int,
    least: int,
    customers: NDArray[np.intp] | None,
) -> tuple[list[tuple[str, str, NDArray[np.bool_], bool]], int]:
    """Return column, level, rows and comparability of each large level; count the small ones."""
    parts: list[tuple[str, str, NDArray[np.bool_], bool]] = []
    left_out = 0
    for column, levels in groups.items():
        labels = np.array([_label(level) for level in np.asarray(levels, dtype=object).tolist()])
        if labels.shape != (rows,):
            raise EvaluationError(
                f"column '{column}' has {len(labels)} levels for {rows} outcomes: pass one per row"
            )
        names, level = np.unique(labels, return_inverse=True)
        counts = [count_customers(level == at, customers) for at in range(len(names))]
        kept = [str(name) for name, size in zip(names, counts, strict=True) if size >= least]
        left_out += len(names) - len(kept)
        is_binary = len(names) == len(kept) == 2
        for position, name in enumerate(kept):
            compared = len(names) > 1 and not (is_binary and position == 0)
            parts.append((column, name, labels == name, compared))
    return parts, left_out


def _label(level: Any) -> str:
    if level is None or level != level:  # noqa: PLR0124  (NaN is the value unequal to itself)
        return "not known"
    return str(level)


def _flag_riskiest(risk: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return (n,) 1 for the share with the highest probabilities; ties at its edge count in part."""
    edge = np.quantile(risk, 1 - share, method="inverted_cdf")
    above, at = risk > edge, risk == edge
    part = (share * len(risk) - above.sum()) / max(1, at.sum())
    flagged: NDArray[np.float64] = above + np.clip(part, 0.0, 1.0) * at
    return flagged


def _measure(
    outcome: NDArray[np.float64],
    risk: NDArray[np.float64],
    flagged: NDArray[np.float64],
    z: float,
    customers: NDArray[np.intp] | None,
) -> dict[str, _Bounds | None]:
    rows, churned = len(outcome), outcome == 1
    churners = count_customers(churned, customers)
    few = count_rarer(outcome, customers) < _MIN_PER_CLASS

    def size(values: NDArray[np.float64], among: NDArray[np.bool_] | slice) -> float:
        return len(values) if customers is None else effective_size(values, customers[among])

    surplus = risk - outcome
    everybody = slice(None)
    spread = (
        z * float(surplus.std(ddof=1)) / np.sqrt(size(surplus, everybody)) if rows > 1 else np.inf
    )
    over = float(surplus.mean()) if rows else 0.0
    return {
        "auc": None if few else _auc(outcome, risk, z, customers),
        "overprediction": None if few else (over, over - spread, over + spread),
        "flagged": _share(float(flagged.mean()), size(flagged, everybody), z) if rows else None,
        "found": None
        if churners < _MIN_PER_CLASS
        else _share(float(flagged[churned].mean()), size(flagged[churned], churned), z),
    }


def _auc(
    outcome: NDArray[np.float64],
    risk: NDArray[np.float64],
    z: float,
    customers: NDArray[np.intp] | None,
) -> _Bounds:
    area, variance = auc_variance(outcome, risk, customers)
    least = count_rarer(outcome, customers)
    # The number of customers whose share would have this variance; a perfect order has none.
    size = area * (1 - area) / variance if variance > 0 else least
    return _share(area, max(float(size), 1.0), z)


def auc_variance(
    outcome: NDArray[np.float64], risk: NDArray[np.float64], customers: NDArray[np.intp] | None
) -> tuple[float, float]:
    """Return the AUC and its variance (DeLong 1988; Obuchowski 1997 for repeated customers).

    Parameters
    ----------
    outcome : (n,) 0 and 1, both of which occur
    risk : (n,) predicted probabilities
    customers : (n,) codes of the customers from 0; None if each has one row

    Examples
    --------
    >>> auc_variance(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.3, 0.2, 0.4]), None)
    (0.75, 0.125)
    """
    at, others = np.flatnonzero(outcome == 1), np.flatnonzero(outcome == 0)
    churned_placement = _placement(risk[at], np.sort(risk[others]))
    # The share of churners above, where placements count those below.
    stayed_placement = 1.0 - _placement(risk[others], np.sort(risk[at]))
    area = float(churned_placement.mean())
    if customers is None:
        variance = churned_placement.var(ddof=1) / len(at)
        return area, float(variance + stayed_placement.var(ddof=1) / len(others))
    deviation = np.empty(len(outcome))
    deviation[at] = (churned_placement - area) / len(at)
    deviation[others] = (stayed_placement - area) / len(others)
    return area, sum_variance(deviation, customers)


def _placement(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the other class below each value; ties count half."""
    below = np.searchsorted(others, values, side="left")
    up_to = np.searchsorted(others, values, side="right")
    share: NDArray[np.float64] = (below + up_to) / (2.0 * len(others))
    return share


def _share(share: float, size: float, z: float) -> _Bounds:
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return share, float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _gaps(
    level: Mapping[str, _Bounds | None], others: Mapping[str, _Bounds | None]
) -> dict[str, Interval | None]:
    gaps: dict[str, Interval | None] = {}
    for name, inside in level.items():
        outside = others[name]
        if inside is None or outside is None:
            gaps[name] = None
            continue
        gap = inside[0] - outside[0]
        down = float(np.hypot(inside[0] - inside[1], outside[2] - outside[0]))
        up = float(np.hypot(inside[2] - inside[0], outside[0] - outside[1]))
        gaps[name] = Interval(gap, gap - down, gap + up)
    return gaps


def _sentence(part: Slice, name: str, gap: Interval) -> str:
    direction = "higher" if gap.value > 0 else "lower"
    return (
        f"{part.column} = {part.level}: {MEASURES[name]} {direction} by {abs(gap.value):.3f} than "
        f"for all others ({gap.low:+.3f} to {gap.high:+.3f})"
    )


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()


def _cells(prefix: str, interval: Interval | None) -> dict[str, float | None]:
    return {
        f"{prefix}{name}": None if interval is None else getattr(interval, name)
        for name in ("value", "low", "high")
    }

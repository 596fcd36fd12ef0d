"""Whether a model is as good for one group of customers as for the others.

Each level of a column is held against all other customers. With many levels some gap is wide by
chance alone, so the intervals of the gaps are simultaneous: they are widened (Bonferroni) until
all of them together hold the truth 95 times in 100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.bootstrap import LEVEL
from churnkit.evaluation.classification.score_order import EvaluationError, Ranked, checked_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MEASURES", "Slice", "Slices", "slice_metrics"]

MEASURES = {
    "auc": "AUC",
    "overprediction": "predicted less actual churn",
    "flagged": "share among the riskiest",
    "found": "share of churners among the riskiest",
}
_FEWEST_OF_A_KIND = 10

_Bounds = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Slice:
    """One level of a column.

    Attributes
    ----------
    column, level
        Whose it is.
    customers, churners
        How many customers, and how many of them churned.
    measures
        Each of `MEASURES` with its 95% interval; None where too few churned or stayed.
    gaps
        Each measure less that of all other customers, with its simultaneous interval.
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
            "measures": {name: _plain(found) for name, found in self.measures.items()},
            "gaps": {name: _plain(found) for name, found in self.gaps.items()},
        }


@dataclass(frozen=True)
class Slices:
    """What `slice_metrics` found.

    Attributes
    ----------
    slices
        One for each level that has enough customers.
    comparisons
        How many gaps were looked at; their intervals are widened accordingly.
    left_out
        How many levels had too few customers.
    flag_share
        Which share of all customers counts as the riskiest.
    """

    slices: tuple[Slice, ...]
    comparisons: int
    left_out: int
    flag_share: float
    level: float = field(default=LEVEL)

    @property
    def found(self) -> tuple[str, ...]:
        """The gaps whose interval does not hold zero, a sentence each, the widest first."""
        seen = [
            (abs(gap.value), _sentence(each, name, gap))
            for each in self.slices
            for name, gap in each.gaps.items()
            if gap is not None and (gap.low > 0 or gap.high < 0)
        ]
        return tuple(said for _, said in sorted(seen, reverse=True))

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.comparisons:
            return "No group has enough customers to be compared."
        if not self.found:
            return f"No difference between groups that these customers can show ({self._made})."
        return f"{len(self.found)} differences between groups ({self._made})."

    @property
    def _made(self) -> str:
        return (
            f"{self.comparisons} comparisons, {self.level:.0%} intervals for all of them together"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "slices": [each.to_dict() for each in self.slices],
            "comparisons": self.comparisons,
            "left_out": self.left_out,
            "flag_share": self.flag_share,
            "level": self.level,
            "verdict": self.verdict,
            "found": list(self.found),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row for each level and measure."""
        import pandas as pd

        rows = []
        for each in self.slices:
            head = {"column": each.column, "level": each.level, "customers": each.customers}
            for name, value in each.measures.items():
                gap = each.gaps.get(name)
                rows.append(
                    {**head, "churners": each.churners, "measure": name, **_cells("", value)}
                    | _cells("gap", gap)
                )
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


def slice_metrics(
    y: ArrayLike,
    probability: ArrayLike,
    groups: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    flag_share: float = 0.2,
    least_customers: int = 50,
) -> Slices:
    """Measure a model on each level of some columns, and hold it against all other customers.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn
    groups
        For each column's name the level of each customer, (n,); None or NaN is the level
        ``"not known"``.
    flag_share
        Which share of all customers, the riskiest first, counts as flagged.
    least_customers
        A level with fewer is not measured, since a figure on a few says nothing and may tell
        something of them.

    Returns
    -------
    Slices
        `.slices`, `.found` and `.verdict`.

    Raises
    ------
    EvaluationError
        A length differs, a value is no probability, or one class only occurs.

    Notes
    -----
    ``auc`` has DeLong's variance (1988, doi:10.2307/2531595); shares have Wilson's interval
    (1927); the difference of two is bounded by the square-and-add rule (Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I). With a column of two
    levels, the gap stands with the second one only: the first's is the same, turned round.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> risk, plan = rng.random(2000), rng.choice(["basic", "pro"], 2000)
    >>> left = rng.random(2000) < risk
    >>> slice_metrics(left, risk, {"plan": plan}).verdict
    'No difference between groups that these customers can show (4 comparisons, 95% intervals for all of them together).'
    """
    outcome = checked_outcome(y)
    Ranked(outcome, probability)
    chance = np.asarray(probability, dtype=np.float64)
    if not 0.0 < flag_share < 1.0:
        raise EvaluationError("flag_share is a share of the customers, above 0 and below 1")
    flagged = _riskiest(chance, flag_share)
    parts, left_out = _parts(groups, len(outcome), least_customers)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)

    def bounds(rows: NDArray[np.bool_], width: float) -> dict[str, _Bounds | None]:
        return _measured(outcome[rows], chance[rows], flagged[rows], width)

    plain = [bounds(rows, z) for _, _, rows, _ in parts]
    pairs = [
        sum(
            one is not None and other is not None
            for one, other in zip(own.values(), bounds(~rows, z).values(), strict=True)
        )
        if compared
        else 0
        for (_, _, rows, compared), own in zip(parts, plain, strict=True)
    ]
    comparisons = sum(pairs)
    wide = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * max(1, comparisons)))
    slices = tuple(
        Slice(
            column=column,
            level=level,
            customers=int(rows.sum()),
            churners=int(outcome[rows].sum()),
            measures={name: None if b is None else Interval(*b) for name, b in own.items()},
            gaps=_gaps(bounds(rows, wide), bounds(~rows, wide)) if count else {},
        )
        for (column, level, rows, _), own, count in zip(parts, plain, pairs, strict=True)
    )
    return Slices(slices, comparisons, left_out, flag_share)


def _parts(
    groups: Mapping[str, Sequence[Any] | NDArray[Any]], rows: int, least: int
) -> tuple[list[tuple[str, str, NDArray[np.bool_], bool]], int]:
    """Return each level that is large enough with its rows, and how many are not."""
    parts: list[tuple[str, str, NDArray[np.bool_], bool]] = []
    left_out = 0
    for column, levels in groups.items():
        told = np.array([_said(level) for level in np.asarray(levels, dtype=object).tolist()])
        if told.shape != (rows,):
            raise EvaluationError(
                f"column '{column}' has {len(told)} levels for {rows} outcomes: give one each"
            )
        names, count = np.unique(told, return_counts=True)
        kept = [str(name) for name, size in zip(names, count, strict=True) if size >= least]
        left_out += len(names) - len(kept)
        twins = len(names) == len(kept) == 2
        for place, name in enumerate(kept):
            compared = len(names) > 1 and not (twins and place == 0)
            parts.append((column, name, told == name, compared))
    return parts, left_out


def _said(level: Any) -> str:
    if level is None or level != level:  # noqa: PLR0124  (NaN is the value unequal to itself)
        return "not known"
    return str(level)


def _riskiest(chance: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return (n,) 1 for the share with the highest probabilities; ties at its edge count in part."""
    edge = np.quantile(chance, 1 - share, method="inverted_cdf")
    above, at = chance > edge, chance == edge
    part = (share * len(chance) - above.sum()) / max(1, at.sum())
    flagged: NDArray[np.float64] = above + np.clip(part, 0.0, 1.0) * at
    return flagged


def _measured(
    outcome: NDArray[np.float64],
    chance: NDArray[np.float64],
    flagged: NDArray[np.float64],
    z: float,
) -> dict[str, _Bounds | None]:
    rows, churners = len(outcome), float(outcome.sum())
    few = min(churners, rows - churners) < _FEWEST_OF_A_KIND
    surplus = chance - outcome
    spread = z * float(surplus.std(ddof=1)) / np.sqrt(rows) if rows > 1 else np.inf
    over = float(surplus.mean()) if rows else 0.0
    return {
        "auc": None if few else _auc(outcome, chance, z),
        "overprediction": None if few else (over, over - spread, over + spread),
        "flagged": _share(float(flagged.mean()), rows, z) if rows else None,
        "found": None
        if churners < _FEWEST_OF_A_KIND
        else _share(float(outcome @ flagged / churners), churners, z),
    }


def _auc(outcome: NDArray[np.float64], chance: NDArray[np.float64], z: float) -> _Bounds:
    left, stayed = np.sort(chance[outcome == 1]), np.sort(chance[outcome == 0])
    of_left = _above(stayed, left)
    of_stayed = 1.0 - _above(left, stayed)
    area = float(of_left.mean())
    variance = of_left.var(ddof=1) / len(left) + of_stayed.var(ddof=1) / len(stayed)
    # As many customers as would give a share this variance; where all pairs are in order the
    # variance is no guide.
    size = area * (1 - area) / variance if variance > 0 else min(len(left), len(stayed))
    return _share(area, max(float(size), 1.0), z)


def _above(below: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each value the share of the others below it, ties half."""
    less = np.searchsorted(below, values, side="left")
    up_to = np.searchsorted(below, values, side="right")
    share: NDArray[np.float64] = (less + up_to) / (2.0 * len(below))
    return share


def _share(share: float, size: float, z: float) -> _Bounds:
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return share, float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _gaps(
    own: Mapping[str, _Bounds | None], rest: Mapping[str, _Bounds | None]
) -> dict[str, Interval | None]:
    found: dict[str, Interval | None] = {}
    for name, one in own.items():
        other = rest[name]
        if one is None or other is None:
            found[name] = None
            continue
        gap = one[0] - other[0]
        down = float(np.hypot(one[0] - one[1], other[2] - other[0]))
        up = float(np.hypot(one[2] - one[0], other[0] - other[1]))
        found[name] = Interval(gap, gap - down, gap + up)
    return found


def _sentence(each: Slice, name: str, gap: Interval) -> str:
    more = "higher" if gap.value > 0 else "lower"
    return (
        f"{each.column} = {each.level}: {MEASURES[name]} {more} by {abs(gap.value):.3f} than of "
        f"all others ({gap.low:+.3f} to {gap.high:+.3f})"
    )


def _plain(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else found.to_dict()


def _cells(prefix: str, found: Interval | None) -> dict[str, float | None]:
    names = ("value", "low", "high")
    values = (None, None, None) if found is None else (found.value, found.low, found.high)
    head = f"{prefix}_" if prefix else ""
    return {f"{head}{name}": value for name, value in zip(names, values, strict=True)}

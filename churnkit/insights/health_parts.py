"""One customer's health, taken apart: from an ordinary customer's score to theirs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.column import Column

__all__ = ["HealthParts", "health_parts"]


@dataclass(frozen=True, slots=True)
class HealthParts:
    """A health score and what makes it: ``start + points of the parts + rest = score``.

    Parameters
    ----------
    score
        100 x (1 - calibrated probability of churn).
    start
        The score of a customer about whom nothing moves the model: its expected log-odds.
    parts
        The strongest columns: what they say of the customer, and their points.
    rest
        The points of all other columns together.
    """

    score: float
    start: float
    parts: tuple[tuple[str, float], ...]
    rest: float

    def to_dict(self) -> dict[str, Any]:
        """Return the parts as JSON-able data."""
        return {**asdict(self), "parts": [list(part) for part in self.parts]}


def health_parts(
    columns: Sequence[Column],
    matrix: NDArray[np.float64],
    contributions: NDArray[np.float64],
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    top: int = 6,
) -> list[HealthParts]:
    """Take health scores apart, one customer each.

    Log-odds split exactly into contributions; these are carried over to the score by the slope of
    the line from the start to the score, so that the points add up.

    Parameters
    ----------
    columns
        The features (f).
    matrix : (n, f) encoded features
    contributions : (n, f + 1) exact SHAP values in log-odds, the bias last
    apply
        From log-odds to calibrated probability.
    top
        How many parts are named.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> columns = [Column("tenure", "number", ("feature",), "Member for", "months")]
    >>> sigmoid = lambda raw: 1 / (1 + np.exp(-raw))
    >>> [found] = health_parts(columns, np.array([[3.0]]), np.array([[1.0, -1.0]]), sigmoid)
    >>> round(found.start), round(found.score), [(says, round(p)) for says, p in found.parts]
    (73, 50, [('Member for: 3 months', -23)])
    """
    raw, bias = contributions.sum(axis=1), contributions[:, -1]
    score, start = (100.0 * (1.0 - apply(odds)) for odds in (raw, bias))
    moved = raw - bias
    # Where nothing moves the sum, parts that cancel have no line to be carried over by.
    slope = np.where(moved != 0.0, (score - start) / np.where(moved != 0.0, moved, 1.0), 0.0)
    points = contributions[:, :-1] * slope[:, None]
    strongest = np.argsort(-np.abs(contributions[:, :-1]), axis=1, kind="stable")[:, :top]
    found = []
    for row, places in enumerate(strongest.tolist()):
        named = [place for place in places if points[row, place] != 0.0]
        parts = tuple(
            (
                columns[place].say(columns[place].decoded(matrix[row, place])),
                float(points[row, place]),
            )
            for place in named
        )
        rest = float(score[row] - start[row]) - sum(each for _, each in parts)
        found.append(HealthParts(float(score[row]), float(start[row]), parts, rest))
    return found

"""Why a customer gets an action, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BUDGET",
    "CAPPED",
    "CHANCE",
    "COOLING",
    "FULL",
    "HELD_OUT",
    "HIGHEST",
    "INAPPLICABLE",
    "INELIGIBLE",
    "INVALID_NOW",
    "NO_CONSENT",
    "ONLY",
    "RANKED",
    "REASONS",
    "SHARED",
    "SUPPRESSED",
    "UNPAID",
    "UNSCORED",
    "UNSUITABLE",
    "nearest",
]

REASONS = (
    "only action that pays",
    "highest expected gain",
    "best use of budget and capacity",
    "not eligible for any action",
    "no action pays",
    "budget spent elsewhere",
    "capacity full",
    "not scored",
    "no action applies now",
    "no action is suitable",
    "no action is valid on this day",
    "no consent",
    "contact limit reached",
    "left alone after an outcome",
    "refused too often",
    "held out",
    "chosen by chance",
    "ranked by what was learned",
)
"""Why a customer gets an action (the first three and the last two) or none; codes are places."""
(
    ONLY,
    HIGHEST,
    SHARED,
    INELIGIBLE,
    UNPAID,
    BUDGET,
    FULL,
    UNSCORED,
    INAPPLICABLE,
    UNSUITABLE,
    INVALID_NOW,
    NO_CONSENT,
    CAPPED,
    COOLING,
    SUPPRESSED,
    HELD_OUT,
    CHANCE,
    RANKED,
) = range(len(REASONS))
# Which bar is named where every action is barred: the one that came last, after all others let
# the customer through. Unknown money is no bar of its own: it reads as not eligible.
_BARS = (
    INELIGIBLE,
    INAPPLICABLE,
    UNSUITABLE,
    NO_CONSENT,
    INVALID_NOW,
    CAPPED,
    COOLING,
    SUPPRESSED,
    HELD_OUT,
)
_RANK = np.zeros(len(REASONS), dtype=np.int8)
_RANK[list(_BARS)] = np.arange(1, len(_BARS) + 1)


def nearest(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Give for each row of (n, m) bars the one nearest to an action, (n,).

    Examples
    --------
    >>> REASONS[nearest(np.array([[INELIGIBLE, CAPPED]]))[0]]
    'contact limit reached'
    """
    if codes.shape[1] == 0:
        return np.full(codes.shape[0], INELIGIBLE, dtype=np.int8)
    ranks = _RANK[codes].max(axis=1)
    found: NDArray[np.int8] = np.array((INELIGIBLE, *_BARS), dtype=np.int8)[ranks]
    return found

"""Reason codes of decisions."""

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
"""Texts of the reason codes, by code: reasons for an action (first three and last two) or none."""
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
# Exclusions in the order of their checks. If every action is excluded, the latest is reported.
# An unknown value or cost counts as not eligible.
_EXCLUSIONS = (
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
_ORDER = np.zeros(len(REASONS), dtype=np.int8)
_ORDER[list(_EXCLUSIONS)] = np.arange(1, len(_EXCLUSIONS) + 1)


def nearest(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return for each row of (n, m) exclusions the latest one in the order of checks, (n,).

    Examples
    --------
    >>> REASONS[nearest(np.array([[INELIGIBLE, CAPPED]]))[0]]
    'contact limit reached'
    """
    if codes.shape[1] == 0:
        return np.full(codes.shape[0], INELIGIBLE, dtype=np.int8)
    order = _ORDER[codes].max(axis=1)
    latest: NDArray[np.int8] = np.array((INELIGIBLE, *_EXCLUSIONS), dtype=np.int8)[order]
    return latest

"""Reason codes of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.translation import mark_text

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
    mark_text("only action that pays"),
    mark_text("highest expected gain"),
    mark_text("best use of budget and capacity"),
    mark_text("not eligible for any action"),
    mark_text("no action pays"),
    mark_text("budget spent elsewhere"),
    mark_text("capacity full"),
    mark_text("not scored"),
    mark_text("no action applies now"),
    mark_text("no action is suitable"),
    mark_text("no action is valid on this day"),
    mark_text("no consent"),
    mark_text("contact limit reached"),
    mark_text("left alone after an outcome"),
    mark_text("refused too often"),
    mark_text("held out"),
    mark_text("chosen by chance"),
    mark_text("ranked by what was learned"),
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

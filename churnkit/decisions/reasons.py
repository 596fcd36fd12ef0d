"""Why a customer gets an action, or none."""

from __future__ import annotations

__all__ = [
    "BUDGET",
    "FULL",
    "HIGHEST",
    "INELIGIBLE",
    "ONLY",
    "REASONS",
    "SHARED",
    "UNPAID",
    "UNSCORED",
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
)
"""Why a customer gets an action (the first three) or none; codes are places in this tuple."""
ONLY, HIGHEST, SHARED, INELIGIBLE, UNPAID, BUDGET, FULL, UNSCORED = range(len(REASONS))

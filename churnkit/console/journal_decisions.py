"""Decisions of the journal, shown in place of those that the model would make today."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from churnkit.decisions.reason_codes import REASONS

if TYPE_CHECKING:
    from churnkit.decisions import Decisions

__all__ = ["take_over_decisions"]

# Numeric fields of decisions, and their columns in the journal.
_JOURNAL_COLUMNS: Final = {
    "expected_gain": "expected_gain",
    "low": "gain_low",
    "high": "gain_high",
    "cost": "cost",
}


def take_over_decisions(
    decisions: Decisions, customers: tuple[str, ...], rows: list[dict[str, Any]]
) -> Decisions:
    """Replace decisions by those recorded in the journal."""
    recorded = {row["customer"]: row for row in rows if row["verdict"] == "decide"}
    numbers = {name: number for number, name in enumerate(decisions.names)}
    codes = {reason: code for code, reason in enumerate(REASONS)}
    arrays = {
        name: getattr(decisions, name).copy()
        for name in (*_JOURNAL_COLUMNS, "action", "propensity", "explored", "reason_code")
    }
    for at, customer in enumerate(customers):
        row = recorded.get(customer)
        # Actions that are no longer in the catalogue have no label, so they are not taken over.
        if row is None or (row["action"] is not None and row["action"] not in numbers):
            continue
        for name, column in _JOURNAL_COLUMNS.items():
            arrays[name][at] = row[column] or 0.0
        arrays["action"][at] = numbers.get(row["action"], -1)
        arrays["reason_code"][at] = codes.get(row["reason"], arrays["reason_code"][at])
        if row["propensity"] is not None:
            arrays["propensity"][at] = row["propensity"]
        arrays["explored"][at] = bool(row["explored"])
    return replace(decisions, **arrays)

"""Find totals up to the export, which show the outcome at earlier dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.pipeline.scaffold import name_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["total_columns"]

_TOTALS = {"total", "totals", "lifetime", "ltv", "clv", "cltv", "cumulative", "overall"}
# Totals that are agreed at the start of a row.
_AGREED = {"price", "contract", "seats", "licenses", "limit"}


def total_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Find the names of totals in a table with one row per customer, such as ``total_revenue``.

    Such a total is counted up to the export: of customers who left it ends with them.

    Examples
    --------
    >>> total_columns(["total_revenue", "lifetime_months", "TotalCharges", "total_price", "age"])
    ('total_revenue', 'lifetime_months', 'TotalCharges')
    """
    words = {name: set(name_rules.split_words(name)) for name in names}
    return tuple(name for name, each in words.items() if each & _TOTALS and not each & _AGREED)

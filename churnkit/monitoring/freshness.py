"""Whether the rows are of today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.parsing.scalars import read_date
from churnkit.monitoring.findings import Finding

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract

__all__ = ["stale_rows"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stale_rows(
    contract: Contract, customers: Any, *, as_of: datetime | None, every_days: float
) -> list[Finding]:
    """Find rows that were known longer ago than new ones are due."""
    if as_of is None or contract.as_of is None:
        return []
    table = as_arrow(customers, name="the table")
    name = contract.as_of.name
    if name not in table.column_names:
        return []
    moments = [read_date(value) for value in table[name].unique().to_pylist()]
    known = np.array([moment for moment in moments if isinstance(moment, int)], dtype=np.int64)
    if not known.size:
        return []
    now = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    newest = _EPOCH + timedelta(microseconds=int(known.max()))
    days = (now - newest).total_seconds() / 86_400
    if days <= every_days:
        return []
    says = f"is {days:,.0f} days old at its newest, and new rows are due every {every_days:g}"
    return [Finding("CK205", name, says, alarm=True)]

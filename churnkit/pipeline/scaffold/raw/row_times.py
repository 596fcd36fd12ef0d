"""Choose the times of a table's rows, and find columns that are filled in at a later time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.training.row_filters import has_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["filled_at_times", "time_columns"]

_END_WORDS = {
    "end", "ended", "ends", "closed", "cancelled", "canceled", "cancel", "cancellation", "expired", "expire",
    "expires", "expiry", "expiration", "stopped", "terminated", "termination", "resolved", "finished",
    "churn", "churned", "deactivated", "left", "lapsed", "unsubscribed", "until", "through", "ende", "fin",
}  # fmt: skip
_AVAILABLE_WORDS = {"available", "known", "loaded", "ingested", "recorded", "synced"}
# Times that are not those of the row.
_OTHER_TIMES = {
    "birth", "dob", "born", "birthday", "due", "next", "estimated", "expected", "planned", "scheduled",
    "updated", "modified", "last", "limit", "deadline", "delivered", "delivery", "renewal", "trial",
    "billing", "answer", "answered", "response", "responded", "shipped", "approved",
}  # fmt: skip
# Share of rows that may hold a column before its time, as errors.
_MAX_EARLY_SHARE = 0.01


def time_columns(
    columns: Mapping[str, ColumnProfile], times: list[str]
) -> tuple[str | None, str | None, str | None]:
    """Choose the columns of the time of a row, of its availability and of its end."""

    def words(name: str) -> set[str]:
        return set(name_rules.split_words(name))

    own = [time for time in times if not words(time) & _OTHER_TIMES] or [
        time for time in times if not words(time) & {"birth", "dob", "born", "birthday"}
    ]
    # Ends that every row has are planned ones, if others are filled in when a row ends.
    ends = [time for time in own if words(time) & _END_WORDS]
    ended = next((time for time in ends if columns[time].missing), next(iter(ends), None))
    if ended is None and any({"valid", "to"} <= words(time) for time in own):
        ended = next(time for time in own if {"valid", "to"} <= words(time))
    rest = [time for time in own if time != ended]
    available = next((time for time in rest if words(time) & _AVAILABLE_WORDS), None)
    starts = [time for time in rest if time != available and not words(time) & _END_WORDS]
    if not starts:
        # A table of ends, such as cancellations.
        return (ended or available), None, None
    happened = min(starts, key=lambda time: (columns[time].missing, times.index(time)))
    return happened, available, ended


def filled_at_times(
    table: pa.Table, columns: Mapping[str, ColumnProfile], times: set[str]
) -> dict[str, str]:
    """Find columns that are filled in at a later time, such as a cancellation reason.

    They have values in rows with that time, and hardly ever in others. A feature that reads them
    would leak the future.
    """
    later: dict[str, str] = {}
    filled = {name: has_text(table[name]) for name, c in columns.items() if c.missing}
    for time in sorted(times & set(filled)):
        has_time = filled[time]
        if not has_time.any():
            continue
        for name, has_value in filled.items():
            if name in times or not has_value[has_time].any():
                continue
            if not has_value[~has_time].mean() > _MAX_EARLY_SHARE:
                later.setdefault(name, time)
    return later

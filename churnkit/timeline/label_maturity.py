"""Whether the data reach as far as a plan looks: back for features, ahead for labels."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from churnkit.timeline.errors import refusal

if TYPE_CHECKING:
    from churnkit.timeline.timeline import Timeline

__all__ = ["refuse_before_all_data", "refuse_immature"]

_DAY = dt.timedelta(days=1)


def refuse_before_all_data(plan: Timeline, first: dt.datetime | None) -> None:
    """Refuse dates before the eligible table's first row.

    Raises
    ------
    DataError
        Names the table, its column, the date and the mend.
    """
    table = plan.table(plan.eligible.table)
    if first is None:
        raise refusal(
            table.source,
            f"column '{table.happened}': no row has a customer and a time; give a table with "
            "at least one",
        )
    early = [moment for moment in plan.snapshots.moments if moment <= first]
    if early:
        raise refusal(
            table.source,
            f"column '{table.available or table.happened}': the snapshot of {_said(early[0])} "
            f"lies before all data, which begin on {_said(first)}; begin snapshots on "
            f"{_said(first + _DAY)} or later",
        )


def refuse_immature(plan: Timeline, known_until: dt.datetime) -> None:
    """Refuse dates whose label is not known yet.

    Raises
    ------
    DataError
        Names the table, the date, the last known moment and the mend.
    """
    if plan.label is None:
        return
    ahead = plan.label.mature_days * _DAY
    late = [moment for moment in plan.snapshots.moments if moment + ahead > known_until]
    if not late:
        return
    table = plan.table(plan.label.table)
    raise refusal(
        table.source,
        f"column '{table.ended or table.happened}': the label of the snapshot of "
        f"{_said(late[0])} is known on {_said(late[0] + ahead)}, and the data end on "
        f"{_said(known_until)}; end snapshots on {_said(known_until - ahead)} or earlier, or "
        "shorten the horizon, or say known_until= if they are complete beyond their last row",
    )


def _said(moment: dt.datetime) -> str:
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(" 00:00:00")

"""Select the actions of a plan that the journal lets out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.messages import Message
from churnkit.core.translation import mark_text
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from churnkit.journal import Journal

__all__ = ["Selection", "latest_decisions", "select_messages"]

_GROUP = 5000


@dataclass(slots=True)
class Selection:
    """Messages to send, and the number of rows that are not sent by reason.

    Parameters
    ----------
    messages
        Messages in the order of the plan.
    skipped
        Number of rows by reason.
    """

    messages: list[Message] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        """Count a row that is not sent."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def select_messages(
    plan: pa.Table,
    journal: Journal,
    *,
    customer: str | None = None,
    period: str | None = None,
    approved: bool = False,
) -> Selection:
    """Return a message for each row whose action the journal has decided and not withdrawn.

    Rows without an action are left out without a reason: most customers get none. A row is skipped
    if its customer is held out, a contact limit removed the action, a person rejected or snoozed
    it, the customer was erased, or the journal has another decision or none.

    Parameters
    ----------
    plan
        A plan, with a column ``action``.
    journal
        Journal with the plan's decisions.
    customer
        Column of customer ids; the first one if None.
    period
        Period of the decisions; the latest decision of each customer if None.
    approved
        Whether to send only what a person approved.

    Returns
    -------
    Selection
        Messages, and counts of skipped rows.

    Raises
    ------
    ConnectError
        If a column is missing.
    """
    name = customer or plan.column_names[0]
    for column in (name, "action"):
        if column not in plan.column_names:
            raise ConnectError(
                f"the plan has no column '{column}': pass the output of churnkit plan"
            )
    selection = Selection()
    for start in range(0, plan.num_rows, _GROUP):
        rows = [row for row in plan.slice(start, _GROUP).to_pylist() if row["action"] is not None]
        customers = [str(row[name]) for row in rows]
        decisions, verdicts = latest_decisions(journal, customers, period)
        erased = journal.erased(customers)
        for row, key in zip(rows, customers, strict=True):
            decision = decisions.get(key)
            reason = _reason(row, decision, verdicts)
            if key in erased:
                reason = mark_text("erased")
            elif reason is None and approved and _verdict(decision, verdicts) != "approve":
                reason = mark_text("not approved")
            if reason is not None or decision is None:
                selection.skip(reason or mark_text("no decision in the journal"))
                continue
            fields = {column: value for column, value in row.items() if column != "action"}
            selection.messages.append(
                Message(decision["key"], key, row["action"], decision["decided_at"], fields)
            )
    return selection


def latest_decisions(
    journal: Journal, customers: Sequence[str], period: str | None
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the latest decision by customer, and the latest verdict by decision."""
    decisions: dict[str, dict[str, Any]] = {}
    verdicts: dict[str, str] = {}
    for row in journal.decisions(customers=customers, period=period).to_pylist():
        if row["verdict"] == "decide":
            decisions[row["customer"]] = row
        else:
            verdicts[row["about"]] = row["verdict"]
    return decisions, verdicts


def _verdict(decision: Mapping[str, Any] | None, verdicts: Mapping[str, str]) -> str | None:
    return None if decision is None else verdicts.get(decision["key"])


def _reason(
    row: Mapping[str, Any], decision: Mapping[str, Any] | None, verdicts: Mapping[str, str]
) -> str | None:
    if decision is None:
        return mark_text("no decision in the journal")
    verdict = _verdict(decision, verdicts)
    if verdict in {"reject", "snooze"}:
        return mark_text("rejected") if verdict == "reject" else mark_text("snoozed")
    if decision["capped"]:
        return mark_text("contact limit reached")
    if decision["action"] is None:
        return (
            mark_text("held out") if decision["holdout"] else mark_text("decided without an action")
        )
    if decision["action"] != row["action"]:
        return mark_text("another action in the journal")
    return None

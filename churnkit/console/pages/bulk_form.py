"""Approve, snooze, reopen or assign many customers at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from churnkit.console.pages.forms import (
    check_snooze,
    read_text,
    read_version,
    releases_action,
    snooze_reason,
)
from churnkit.console.playbook_tasks import follow_verdicts
from churnkit.console.query.list_query import ListQuery
from churnkit.console.query.number_fields import TYPED, parse_typed
from churnkit.core.translation import _, format_day, mark_text, ngettext
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext

__all__ = ["BulkOutcome", "apply_to_many"]

_MOST_CUSTOMERS: Final = 1_000
# What a form asks for, beside the ticked customers; the other fields say who sends it, and when.
_ENTRIES: Final = ("button", "apply_to", "count", "budget", "until", "owner", "why", "query")

# Result of a form as it is recorded: numbers and English reasons, for consoles of any locale.
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """Result of a form on many customers.

    Parameters
    ----------
    summary
        The change in a sentence.
    skipped
        Number of customers left as they were, by reason.
    query
        Query of the list, to return to.
    approved
        Whether actions were approved.
    """

    summary: str
    skipped: Mapping[str, int]
    query: str
    approved: bool = False


def apply_to_many(
    context: PageContext, visitor: Visitor, form: dict[str, str], selected: Sequence[str]
) -> BulkOutcome:
    """Apply the button of a form to the selected customers, or to the first of the list.

    A form is applied once: sent again, also by another process at the same time, it returns the
    recorded result. So the first customers are those of the list when it was sent first.

    Parameters
    ----------
    context, visitor
        Parts of the console, and the person.
    form
        Fields: ``button``, ``apply_to``, ``count``, ``budget``, ``until``, ``owner``, ``why``,
        ``seen``, ``form_id`` and ``query``.
    selected
        Ticked customers.

    Raises
    ------
    ChurnkitError
        If a field is missing or invalid, or the form was recorded with other entries.
    """
    result = context.sent_forms.once(
        form["form_id"],
        [*(form.get(name, "") for name in _ENTRIES), *selected],
        lambda: _apply(context, visitor, form, selected),
        at=context.clock(),
    )
    is_approval = form.get("button") == "approve"
    return BulkOutcome(
        _describe_approval(context, result) if is_approval else _describe_change(result),
        {_(reason): count for reason, count in result["skipped"].items() if count},
        form.get("query", ""),
        approved=is_approval and result["count"] > 0,
    )


def _apply(
    context: PageContext, visitor: Visitor, form: dict[str, str], selected: Sequence[str]
) -> Result:
    button = form.get("button", "")
    customers = _members(context, visitor, form, selected)
    if button == "approve":
        return _approve(context, visitor, form, customers)
    if button == "snooze":
        return _snooze(context, visitor, form, customers)
    if button == "reopen":
        return _change(context, visitor, form, customers, snoozed_until=None)[0]
    if button == "assign":
        owner = read_text(form, "owner") or None
        return _change(context, visitor, form, customers, owner=owner)[0]
    raise ChurnkitError(_("unknown button: reload the page"))


def _members(
    context: PageContext, visitor: Visitor, form: Mapping[str, str], selected: Sequence[str]
) -> list[str]:
    """Return the selected customers, or the first of the list."""
    if form.get("apply_to") != "first":
        members = [customer for customer in selected if customer in context.customers.rows]
        if not members:
            raise ChurnkitError(
                _("select at least one customer, or apply to the first of the list")
            )
        return list(dict.fromkeys(members))
    count = _read_count(form.get("count", ""))
    query = ListQuery.parse_string(form.get("query", ""), context.filter_columns)
    rows = context.select_query(query, visitor).rows
    if form.get("button") == "approve":
        # Customers without an open action do not use up the number.
        open_rows = rows[context.customers.decisions.action[rows] >= 0]
        verdicts = context.worklist.verdicts(context.customers.model.name, context.approvals.period)
        names = (context.customers.customers[row] for row in open_rows.tolist())
        return [name for name in names if name not in verdicts][:count]
    return [context.customers.customers[row] for row in rows[:count].tolist()]


def _read_count(text: str) -> int:
    if not (text.isdecimal() and 0 < len(text) < 9 and 1 <= int(text) <= _MOST_CUSTOMERS):
        raise ChurnkitError(_("number of customers must be 1 to {most:,}", most=_MOST_CUSTOMERS))
    return int(text)


def _approve(
    context: PageContext, visitor: Visitor, form: dict[str, str], customers: list[str]
) -> Result:
    text = form.get("budget", "").strip()
    try:
        budget = parse_typed(text, form.get(TYPED, "")) if text else None
    except ValueError:
        budget = -1.0
    if budget is not None and not 0.0 <= budget < 1e15:
        raise ChurnkitError(_("budget must be an amount such as 500"))
    why = read_text(form, "why")
    if not why:
        raise ChurnkitError(_("a reason is required; it is kept in the journal"))
    by = context.person(visitor, form)
    result = context.approvals.record_many(
        customers,
        "approve",
        by=by,
        why=why,
        form_id=form["form_id"],
        at=context.clock(),
        budget=budget,
    )
    started = follow_verdicts(context, customers, by=by, form_id=form["form_id"])
    return {
        "count": len(result.recorded),
        "cost": result.cost,
        "budget": budget,
        "started": started,
        "skipped": dict(result.skipped),
    }


def _describe_approval(context: PageContext, result: Result) -> str:
    """Describe the approved actions, their cost and their playbooks."""
    budget = result["budget"]
    limit = (
        ""
        if budget is None
        else _(", within a budget of {budget}", budget=context.pages.money(budget))
    )
    summary = ngettext(
        "{count:,} action approved at a total cost of {amount}{limit}.",
        "{count:,} actions approved at a total cost of {amount}{limit}.",
        result["count"],
        amount=context.pages.money(result["cost"]),
        limit=limit,
    )
    if result["started"]:
        summary += ngettext(
            " {count:,} playbook started.", " {count:,} playbooks started.", result["started"]
        )
    return summary


def _snooze(
    context: PageContext, visitor: Visitor, form: dict[str, str], customers: list[str]
) -> Result:
    until = check_snooze(context, form)
    result, snoozed = _change(context, visitor, form, customers, snoozed_until=until.isoformat())
    if releases_action(context, until):
        by = context.person(visitor, form)
        context.approvals.record_many(
            snoozed,
            "snooze",
            by=by,
            why=snooze_reason(form, until),
            form_id=form["form_id"],
            at=context.clock(),
        )
        follow_verdicts(context, snoozed, by=by, form_id=form["form_id"])
    return result


def _change(
    context: PageContext,
    visitor: Visitor,
    form: Mapping[str, str],
    customers: list[str],
    **fields: str | None,
) -> tuple[Result, list[str]]:
    """Set a field; return the result, and the customers that have the value now."""
    version = read_version(form, "seen")
    result = context.worklist.change(
        dict.fromkeys(customers, version),
        fields,
        by=context.person(visitor, form),
        at=context.clock(),
        form_id=form["form_id"],
    )
    same = len(customers) - len(result.changed) - len(result.conflicts)
    ((field, value),) = fields.items()
    conflicts = set(result.conflicts)
    recorded = {
        "count": len(result.changed),
        "field": field,
        "value": value,
        "skipped": {
            mark_text("changed by someone else in the meantime"): len(conflicts),
            mark_text("unchanged"): same,
        },
    }
    return recorded, [customer for customer in customers if customer not in conflicts]


def _describe_change(result: Result) -> str:
    """Describe a new owner or a snooze of some customers."""
    count, field, value = result["count"], result["field"], result["value"]
    if field == "owner" and value:
        return ngettext(
            "{count:,} customer assigned to {owner}.",
            "{count:,} customers assigned to {owner}.",
            count,
            owner=value,
        )
    if field == "owner":
        return ngettext(
            "{count:,} customer without an owner now.",
            "{count:,} customers without an owner now.",
            count,
        )
    if value:
        return ngettext(
            "{count:,} customer snoozed until {day}.",
            "{count:,} customers snoozed until {day}.",
            count,
            day=format_day(value),
        )
    return ngettext("{count:,} customer reopened.", "{count:,} customers reopened.", count)

"""Forms on one customer or task: decision, owner, snooze, note, task and saved view."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from churnkit.console.pages.context import customer_link
from churnkit.console.playbook_tasks import follow_verdicts
from churnkit.console.query.list_query import ListQuery
from churnkit.core.translation import _, format_day, mark_text
from churnkit.errors import ChurnkitError
from churnkit.journal.worklist.records import VersionConflictError, clean_text, parse_day
from churnkit.journal.worklist.tasks import TASK_STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext

__all__ = [
    "add_note", "add_task", "assign_owner", "change_task", "check_snooze", "decide", "describe_reason",
    "read_text", "read_version", "releases_action", "save_view", "snooze", "snooze_reason",
]  # fmt: skip

_LONGEST: Final = {
    "title": 200,
    "note": 2_000,
    "why": 500,
    "owner": 60,
    "team": 60,
    "view": 60,
    "query": 2_000,
}

_LABELS: Final = {
    "note": mark_text("Details"),
    "why": mark_text("Reason"),
    "owner": mark_text("Owner"),
    "team": mark_text("Team"),
}
_TASK, _DUE, _UNTIL = mark_text("Task"), mark_text("Due"), mark_text("Snooze until")

_LONGEST_OVERDUE: Final = timedelta(days=366)

Form = dict[str, str]
_SNOOZED: Final = mark_text("snoozed until {day}")


def decide(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Record a verdict on a customer's action; return the address of the next page."""
    customer = _customer(context, visitor, form)
    by = form.get("by", "").strip() if not visitor.has_key else visitor.name
    context.approvals.record(
        customer,
        form.get("verdict", ""),
        by=by,
        why=clean_text(form.get("why", ""), name=mark_text("Reason"), most=_LONGEST["why"]),
        form_id=form["form_id"],
        at=context.clock(),
    )
    follow_verdicts(context, [customer], by=by[:60], form_id=form["form_id"])
    return customer_link(customer)


def assign_owner(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Set the owner of a customer; return the address of the next page."""
    return _change(context, visitor, form, owner=read_text(form, "owner") or None)


def snooze(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Snooze a customer until a day, or reopen it; return the address of the next page."""
    customer, until = _customer(context, visitor, form), None
    if form.get("reopen") != "yes":
        until = check_snooze(context, form)
    address = _change(
        context, visitor, form, snoozed_until=None if until is None else until.isoformat()
    )
    if until is not None and releases_action(context, until):
        by = context.person(visitor, form)
        context.approvals.record_many(
            [customer],
            "snooze",
            by=by,
            why=snooze_reason(form, until),
            form_id=form["form_id"],
            at=context.clock(),
        )
        follow_verdicts(context, [customer], by=by, form_id=form["form_id"])
    return address


def check_snooze(context: PageContext, form: Mapping[str, str]) -> date:
    """Return the day of a snooze; refuse one that is not in the next two years."""
    until = parse_day(form.get("until", ""), name=_UNTIL)
    if until is None or until <= context.today:
        raise ChurnkitError(_("“{name}” must be a day after today", name=_(_UNTIL)))
    _refuse_distant(context, until, _UNTIL)
    return until


def _read_due(context: PageContext, form: Mapping[str, str]) -> date | None:
    """Return the due date of a task, from a year ago to in two years; None for none."""
    due = parse_day(form.get("due", ""), name=_DUE)
    if due is not None:
        earliest = context.today - _LONGEST_OVERDUE
        if due < earliest:
            raise ChurnkitError(
                _("“{name}” must be no earlier than {day}", name=_(_DUE), day=format_day(earliest))
            )
        _refuse_distant(context, due, _DUE)
    return due


def _refuse_distant(context: PageContext, day: date, name: str) -> None:
    if day > context.latest_day:
        latest = format_day(context.latest_day)
        raise ChurnkitError(_("“{name}” must be no later than {day}", name=_(name), day=latest))


def snooze_reason(form: Mapping[str, str], until: date) -> str:
    """Return the entered reason of a snooze, or its end in the words that the journal keeps."""
    return read_text(form, "why") or _SNOOZED.format(day=until.isoformat())


def describe_reason(reason: str) -> str:
    """Translate a reason of the journal that `snooze_reason` has written; keep a person's own.

    Examples
    --------
    >>> describe_reason("snoozed until 2026-12-01"), describe_reason("snoozed until she is back")
    ('snoozed until 2026-12-01', 'snoozed until she is back')
    """
    match = re.fullmatch(re.escape(_SNOOZED).replace(r"\{day\}", r"(\d{4}-\d\d-\d\d)"), reason)
    return reason if match is None else _(_SNOOZED, day=format_day(match[1]))


def releases_action(context: PageContext, until: date) -> bool:
    """Return whether a snooze ends after the planning period, so that its action is given up."""
    day = context.customers.day
    return (until.year, until.month) > (day.year, day.month)


def add_note(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Append a note to a customer; return the address of the next page."""
    customer = _customer(context, visitor, form)
    text = clean_text(
        form.get("note", ""), name=mark_text("Note"), most=_LONGEST["note"], required=True
    )
    context.worklist.comment(
        customer,
        text,
        by=context.person(visitor, form),
        at=context.clock(),
        form_id=form["form_id"],
    )
    return customer_link(customer)


def add_task(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Add a task to a customer; return the address of the next page."""
    customer, by = _customer(context, visitor, form), context.person(visitor, form)
    context.tasks.add(
        customer,
        title=clean_text(form.get("title", ""), name=_TASK, most=_LONGEST["title"], required=True),
        owner=read_text(form, "owner") or by,
        due=_read_due(context, form),
        note=read_text(form, "note"),
        by=by,
        at=context.clock(),
        form_id=form["form_id"],
    )
    return customer_link(customer)


def change_task(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Change the fields of a task that the form has; return the address of the next page."""
    fields: dict[str, Any] = {}
    if "title" in form:
        fields["title"] = clean_text(
            form["title"], name=_TASK, most=_LONGEST["title"], required=True
        )
    for name in ("note", "owner"):
        if name in form:
            fields[name] = read_text(form, name)
    if "due" in form:
        fields["due"] = _read_due(context, form)
    if form.get("status") in TASK_STATUSES:
        fields["status"] = form["status"]
    version, key = read_version(form), form.get("task", "")
    stamp: Any = {
        "by": context.person(visitor, form), "at": context.clock(), "form_id": form["form_id"]
    }  # fmt: skip
    if context.is_restricted(visitor) and not context.visible(visitor)(context.tasks.customer(key)):
        raise ChurnkitError(_("Customer not found."))
    if form.get("status") == "answered":
        task = context.playbooks.answered(key, version, **stamp)
    else:
        task = context.tasks.change(key, version, **stamp, **fields)
    return "/tasks" if form.get("next") == "tasks" else customer_link(task.customer)


def save_view(context: PageContext, visitor: Visitor, form: Form) -> str:
    """Save or delete a view of the list; return the address of the next page."""
    owners = context.view_owners(visitor)
    name = clean_text(
        form.get("view", ""),
        name=mark_text("Name of the view"),
        most=_LONGEST["view"],
        required=True,
    )
    if form.get("remove") == "yes":
        for owner in owners:
            context.views.remove(owner, name)
        return "/"
    if len(form.get("query", "")) > _LONGEST["query"]:
        raise ChurnkitError(_("the view has too many filters to be saved"))
    # Only parameters of the list are kept, so that a view never leads to another address.
    query = ListQuery.parse_string(form.get("query", ""), context.filter_columns).to_string()
    context.views.save(owners[-1], name, query)
    return f"/?{query}"


def read_text(form: Mapping[str, str], name: str) -> str:
    """Return a text field without control characters."""
    return clean_text(form.get(name, ""), name=_LABELS[name], most=_LONGEST[name])


def read_version(form: Mapping[str, str], name: str = "version") -> int:
    """Return the version of the row that a form has shown; 0 for none."""
    version = form.get(name, "")
    return int(version) if version.isdecimal() and len(version) < 16 else 0


def _customer(context: PageContext, visitor: Visitor, form: Mapping[str, str]) -> str:
    customer = form.get("customer", "")
    if not context.visible(visitor)(customer):
        raise ChurnkitError(_("Customer not found."))
    return customer


def _change(context: PageContext, visitor: Visitor, form: Form, **fields: str | None) -> str:
    """Change the state of a customer unless someone else has changed it."""
    customer = _customer(context, visitor, form)
    result = context.worklist.change(
        {customer: read_version(form)},
        fields,
        by=context.person(visitor, form),
        at=context.clock(),
        form_id=form["form_id"],
    )
    if result.conflicts:
        by = context.worklist.state(customer).changed_by
        raise VersionConflictError(
            _("{by} has changed this customer since the page was loaded", by=by)
        )
    return customer_link(customer)

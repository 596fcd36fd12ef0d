"""The page of a customer: figures, reasons, decision, work and history."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from churnkit.console.delivery.push_page import DELIVERY_LABELS
from churnkit.console.pages.context import next_monday
from churnkit.console.pages.forms import describe_reason
from churnkit.console.pages.list_page import customer_lines
from churnkit.core.translation import _, format_day, format_moment, translate_stored
from churnkit.decisions.response import RESPONSES
from churnkit.journal.worklist.playbooks import describe_note
from churnkit.journal.worklist.tasks import TASK_STATUSES, TASK_TEXTS
from churnkit.report.blocks import Chart, Column
from churnkit.report.charts.draw import draw

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext
    from churnkit.journal.worklist.records import Change

__all__ = ["describe_change", "show_customer"]

_TASK_PART: Final = re.compile(rf"{'|'.join(TASK_STATUSES)}|due \d{{4}}-\d\d-\d\d|owner .+")

_FEWEST_DATES: Final = 2
_COMPONENTS: Final = 8
_REASONS: Final = 8


def show_customer(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the page of one customer."""
    customer = request.path_params["customer"]
    customers = context.customers
    if not context.visible(visitor)(customer):
        return context.error(request, visitor, 404, _("Customer not found."))
    row = customers.rows[customer]
    selection = context.select({}, visitor)
    verdict = selection.verdicts.get(customer)
    (line,) = customer_lines(context, [row], selection, visitor, top=_REASONS)
    risk, tasks = context.history.risk(customer), context.tasks.list(customer=customer)
    action = int(customers.decisions.action[row])
    return context.page(
        request,
        "customer.html",
        visitor=visitor,
        title=customer,
        line=line,
        account_title=customers.accounts.title if customers.accounts else "",
        responses=RESPONSES,
        health=customers.health(row).top(_COMPONENTS).rounded(),
        verdict=verdict,
        verdict_reason="" if verdict is None else describe_reason(verdict.why),
        state=context.worklist.state(customer),
        owners=context.owners(visitor),
        tasks=tasks,
        awaiting=context.playbooks.awaiting_answer([task.key for task in tasks]),
        steps=customers.model.catalogue.actions[action].steps if action >= 0 else (),
        today=context.today,
        monday=next_monday(context.today),
        notes=[describe_change(change) for change in context.worklist.history(customer)],
        deliveries=context.worklist.deliveries(customer),
        delivery_labels={state: _(label) for state, label in DELIVERY_LABELS.items()},
        events=context.history.events(customer),
        risk=risk,
        risk_chart=_risk_chart(risk),
    )


def describe_change(change: Change) -> dict[str, Any]:
    """Describe a change in words."""
    labels = {
        "owner": _("Owner"),
        "snoozed_until": _("Snoozed until"),
        "task": _("Task"),
        "team": _("Team"),
    }
    before, after = (
        _describe_parts(change.field, value) for value in (change.before, change.after)
    )
    label = labels.get(change.field, "")
    if before[:1] == after[:1] and len(before) > 1:
        # Another state of a task: its title, and what has changed.
        label, before, after = (
            f"{label}: {before[0]}",
            [part for part in before if part not in after],
            [part for part in after if part not in before],
        )
    old, new = "; ".join(before), "; ".join(after) or _("none")
    if change.field == "note":
        text = new
    elif old:
        text = f"{label}: {old} \N{RIGHTWARDS ARROW} {new}"
    else:
        text = f"{label}: {new}"
    return {"at": format_moment(change.at), "by": change.by, "text": text}


def _describe_parts(field: str, value: str | None) -> list[str]:
    """Return the parts of a value of the change log, whose dates and task states are in English."""
    if field == "snoozed_until" and value:
        return [format_day(value)]
    if field != "task" or not value:
        return [value] if value else []
    title, *parts = value.split("; ")
    # After the state, the day and the owner comes the note.
    known = list(takewhile(_TASK_PART.fullmatch, parts))
    texts = [translate_stored(part, TASK_TEXTS) for part in known]
    note = describe_note("; ".join(parts[len(known) :]))
    return [title, *texts, *([note] if note else [])]


def _risk_chart(risk: list[tuple[date, float]]) -> str:
    """Draw the churn probability at past dates; empty for a single date."""
    from markupsafe import Markup

    if len(risk) < _FEWEST_DATES:
        return ""
    chart = Chart(
        "risk",
        _("Churn risk over time"),
        (Column(_("Date"), role="x"), Column(_("Churn risk"), "share", "y")),
        tuple((format_day(day), probability) for day, probability in risk),
    )
    return Markup(draw(chart))  # noqa: S704  (every text in it is escaped)

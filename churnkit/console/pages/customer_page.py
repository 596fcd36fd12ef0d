"""The page of a customer: figures, reasons, decision, work and history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.console.pages.context import next_monday
from churnkit.console.pages.list_page import customer_lines
from churnkit.decisions.response import RESPONSES
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

_FEWEST_DATES: Final = 2
_COMPONENTS: Final = 8
_REASONS: Final = 8


def show_customer(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the page of one customer."""
    customer = request.path_params["customer"]
    customers = context.customers
    row = customers.rows.get(customer)
    if row is None:
        return context.pages.error(404, "Customer not found.")
    selection = context.select({}, visitor)
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
        verdict=selection.verdicts.get(customer),
        state=context.worklist.state(customer),
        owners=context.index.owners,
        tasks=tasks,
        awaiting=context.playbooks.awaiting_answer([task.key for task in tasks]),
        steps=customers.model.catalogue.actions[action].steps if action >= 0 else (),
        today=context.today,
        monday=next_monday(context.today),
        notes=[describe_change(change) for change in context.worklist.history(customer)],
        deliveries=context.worklist.deliveries(customer),
        events=context.history.events(customer),
        risk=risk,
        risk_chart=_risk_chart(risk),
    )


def describe_change(change: Change) -> dict[str, Any]:
    """Describe a change in words."""
    labels = {"owner": "Owner", "snoozed_until": "Snoozed until", "task": "Task", "team": "Team"}
    if change.field == "note":
        text = change.after or ""
    elif change.before:
        text = (
            f"{labels[change.field]}: {change.before} \N{RIGHTWARDS ARROW} {change.after or 'none'}"
        )
    else:
        text = f"{labels[change.field]}: {change.after or 'none'}"
    return {"at": f"{change.at:%Y-%m-%d %H:%M}", "by": change.by, "text": text}


def _risk_chart(risk: list[tuple[date, float]]) -> str:
    """Draw the churn probability at past dates; empty for a single date."""
    from markupsafe import Markup

    if len(risk) < _FEWEST_DATES:
        return ""
    chart = Chart(
        "risk",
        "Churn risk over time",
        (Column("Date", role="x"), Column("Churn risk", "share", "y")),
        tuple((f"{day}", probability) for day, probability in risk),
    )
    return Markup(draw(chart))  # noqa: S704  (every text in it is escaped)

"""The list of customers, and its CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.console.pages.context import account_link, customer_link, next_monday
from churnkit.console.query.list_query import CONTACT_AGES, SORTS, STATUSES, ListQuery
from churnkit.console.query.number_fields import TYPED
from churnkit.core.translation import (
    _,
    capitalize_first,
    format_day,
    lower_first,
    ngettext,
    use_locale,
)
from churnkit.decisions.reason_codes import REASONS
from churnkit.decisions.response import RESPONSES
from churnkit.insights.metrics.calendar import month_title
from churnkit.report.blocks import Column, Table
from churnkit.report.report import to_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext, Selection

__all__ = ["customer_lines", "export_csv", "show_list", "team_options"]

_PAGE_ROWS: Final = 25
_CSV_COLUMNS: Final = (
    *("customer", "churn_probability", "value", "at_risk", "response", "action", "effect"),
    *("cost", "expected_gain", "gain_low", "gain_high", "status", "owner", "snoozed_until"),
    *("last_contact", "reasons"),
)


def show_list(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render a page of the customers that match the query."""
    if TYPED in request.query_params:
        return _redirect_form(context, request.query_params)
    last = context.last_visit(visitor)
    selection = context.select(request.query_params, visitor, since=last)
    query, count = selection.query, len(selection.rows)
    pages = max(1, -(-count // _PAGE_ROWS))
    page = min(query.page, pages)
    rows = selection.rows[(page - 1) * _PAGE_ROWS : page * _PAGE_ROWS]
    customers = context.customers
    return context.page(
        request,
        "list.html",
        visitor=visitor,
        title=_("Customers"),
        lines=customer_lines(context, rows.tolist(), selection, visitor),
        counts={
            name: int((selection.statuses[selection.rows] == code).sum())
            for code, name in enumerate(STATUSES)
        },
        has_value=customers.value is not None,
        period=month_title(context.approvals.period),
        filters=customers.filters,
        selected=query.columns,
        query=query,
        sorts=_sort_labels(context),
        searched=_searched_columns(context, visitor),
        group_titles={
            role: groups.title
            for role in ("account", "parent")
            if (groups := customers.groups(role)) is not None
        },
        action_options=[*customers.titles.items(), ("", _("None"))],
        response_options=[(name, capitalize_first(_(name))) for name in RESPONSES],
        owner_options=_owner_options(context, visitor),
        owners=context.owners(visitor),
        team_options=team_options(context, visitor),
        members=context.teams.members(),
        monday=next_monday(context.today),
        contact_ages={age: _(label) for age, label in CONTACT_AGES.items()},
        count=count,
        number=page,
        last_page=pages,
        seen=context.index.version,
        views={
            name: address
            for owner in context.view_owners(visitor)
            for name, address in context.views.list(owner).items()
        },
        news=_news(context, visitor, last),
        last_visit=last,
        note=customers.note,
    )


def _redirect_form(context: PageContext, params: Mapping[str, str]) -> Response:
    """Lead from the fields of the form to an address whose numbers are in no locale."""
    from starlette.responses import RedirectResponse

    query = ListQuery.parse_form(params, context.filter_columns)
    return RedirectResponse(f"/?{query.to_string()}", 303)


def _searched_columns(context: PageContext, visitor: Visitor) -> list[str]:
    """Return the titles of the columns that a search covers."""
    customers = context.customers
    personal = [lower_first(title) for title in customers.personal] if visitor.may("agent") else []
    accounts = [] if customers.accounts is None else [lower_first(customers.accounts.title)]
    return [_("id"), *accounts, *personal]


def _sort_labels(context: PageContext) -> dict[str, str]:
    """Return the labels of all orders, with the horizon of the figures."""
    horizons = context.customers.horizons
    labels = {name: _(label) for name, label in SORTS.items()} | {
        "at_risk": horizons.at_risk_label,
        "risk": horizons.risk_label,
        "value": horizons.value_label,
        "gain": horizons.gain_label,
    }
    if context.customers.value is None:
        del labels["value"], labels["at_risk"]
    return labels


def _owner_options(context: PageContext, visitor: Visitor) -> list[tuple[str, str]]:
    names = [(name, name) for name in context.owners(visitor)]
    return [*([("me", _("Me"))] if visitor.name else []), ("", _("None")), *names]


def team_options(context: PageContext, visitor: Visitor) -> list[tuple[str, str]]:
    """Return the teams to filter by, the visitor's own first."""
    mine = [("me", _("My team"))] if visitor.name and context.team_of(visitor.name) else []
    return [*mine, *((name, name) for name in context.team_names(visitor))]


def _news(context: PageContext, visitor: Visitor, last: datetime | None) -> list[tuple[str, str]]:
    """Return sentences on what has changed since the last visit, and their addresses."""
    due = len(context.tasks.list(status="open", due=context.today, owner=visitor.name or None))
    news: list[tuple[str, str]] = []
    if due:
        text = ngettext("{count:,} task due", "{count:,} tasks due", due)
        news.append((text, "/tasks?due=today"))
    if last is None:
        return news
    is_visible = context.visible(visitor)
    moved = sum(map(is_visible, context.risk_changes.since(last)))
    if moved:
        text = ngettext(
            "churn risk of {count:,} customer changed by 5 points or more",
            "churn risk of {count:,} customers changed by 5 points or more",
            moved,
        )
        news.append((text, "/?changed=risk&sort=risk"))
    others = sum(
        verdict.at >= last and verdict.by != visitor.name and is_visible(verdict.customer)
        for verdict in context.worklist.verdicts(
            context.customers.model.name, context.approvals.period
        ).values()
    )
    if others:
        text = ngettext("{count:,} decision by others", "{count:,} decisions by others", others)
        news.append((text, "/?status=approve"))
    mine = sum(
        change.field == "owner" and change.after == visitor.name and change.by != visitor.name
        for change in context.worklist.history(since=last)
    )
    if mine:
        text = ngettext(
            "{count:,} customer assigned to you", "{count:,} customers assigned to you", mine
        )
        news.append((text, "/?owner=me"))
    return news


def customer_lines(
    context: PageContext, rows: list[int], selection: Selection, visitor: Visitor, *, top: int = 3
) -> list[dict[str, Any]]:
    """Return the figures, reasons and work of some customers."""
    customers, index = context.customers, context.index
    parts = customers.risk_parts(np.array(rows, dtype=np.int64), top=top)
    personal = customers.personal if visitor.may("agent") else {}
    lines = []
    for row, risk in zip(rows, parts, strict=True):
        customer = customers.customers[row]
        until = index.snoozed_until(row, context.today)
        contact = index.last_contact(row)
        lines.append(
            {
                "customer": customer,
                "link": customer_link(customer),
                **customers.figures(row),
                "personal": {
                    title: str(values[row].as_py() or "") for title, values in personal.items()
                },
                **_account(context, row),
                "why": _(REASONS[customers.decisions.reason_code[row]]) if len(rows) == 1 else "",
                "risk_parts": risk,
                "status": STATUSES[selection.statuses[row]],
                "owner": index.owner(row),
                "snoozed_until": "" if until is None else format_day(until),
                "last_contact": "" if contact is None else format_day(contact),
            }
        )
    return lines


def _account(context: PageContext, row: int) -> dict[str, str]:
    accounts, parents = context.customers.accounts, context.customers.parents
    name = "" if accounts is None else accounts.name(row)
    return {
        "account": name,
        "account_link": account_link("account", name),
        "parent": "" if parents is None else parents.name(row),
    }


def export_csv(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Write all customers that match the query as CSV, in its order."""
    from starlette.responses import Response

    selection = context.select(request.query_params, visitor)
    lines = []
    titles = tuple(context.customers.personal) if visitor.may("agent") else ()
    roles = [role for role in ("account", "parent") if context.customers.groups(role)]
    # Programs read the file: English words and ISO dates, whatever the locale of the pages.
    with use_locale("en"):
        for line in customer_lines(context, selection.rows.tolist(), selection, visitor):
            line["reasons"] = line["risk_parts"].summary
            cells = [line[name] for name in _CSV_COLUMNS]
            groups = [line[name] for name in roles]
            lines.append((cells[0], *line["personal"].values(), *groups, *cells[1:]))
    columns = (_CSV_COLUMNS[0], *titles, *roles, *_CSV_COLUMNS[1:])
    table = Table("customers", "", tuple(map(Column, columns)), tuple(lines))
    headers = context.pages.headers() | {
        "content-disposition": "attachment; filename=customers.csv"
    }
    return Response(to_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

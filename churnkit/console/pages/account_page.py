"""The list of accounts or parents, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from churnkit.console.pages.context import account_link
from churnkit.console.pages.list_page import customer_lines
from churnkit.console.query.accounts import GROUP_SORTS
from churnkit.console.query.list_query import check_choice
from churnkit.core.translation import _

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext
    from churnkit.console.query.accounts import AccountFigures

__all__ = ["show_account", "show_accounts"]

_PAGE_ROWS: Final = 25
_MOST_USERS: Final = 50
_LONGEST_SEARCH: Final = 100


def show_accounts(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render a page of the accounts, or of the parents."""
    params, customers = request.query_params, context.customers
    role = "parent" if params.get("by") == "parent" and customers.parents else "account"
    groups = context.groups(role, visitor)
    if groups is None:
        return context.error(
            request,
            visitor,
            404,
            _("The schema has no account column: declare one with account()."),
        )
    sort = check_choice(params, "sort", GROUP_SORTS, "at_risk")
    default = "asc" if sort == "name" else "desc"
    descending = check_choice(params, "order", ("asc", "desc"), default) == "desc"
    text, number = params.get("q", "")[:_LONGEST_SEARCH], params.get("page", "1")
    order = groups.order(sort, text=text, descending=descending)
    last = max(1, -(-len(order) // _PAGE_ROWS))
    page = min(int(number) if number.isdecimal() and 0 < len(number) < 9 else 1, last) or 1

    def query(**changes: Any) -> str:
        state = {"by": role, "q": text, "sort": sort, "order": "desc" if descending else "asc"}
        return urlencode({name: value for name, value in (state | changes).items() if value})

    heads = ["name", "users", "risk", "value", "at_risk", "gain"]
    if customers.value is None:
        heads = [name for name in heads if name not in {"value", "at_risk"}]
    return context.page(
        request,
        "accounts.html",
        visitor=visitor,
        title=_("Accounts"),
        role=role,
        groups=groups,
        lines=[
            (figures, account_link(role, figures.name))
            for figures in groups.page(order[(page - 1) * _PAGE_ROWS : page * _PAGE_ROWS])
        ],
        parents=customers.parents,
        heads=[
            (name, query(sort=name, order="asc" if _ascends(name, sort, descending) else "desc"))
            for name in heads
        ],
        sort=sort,
        descending=descending,
        text=text,
        count=len(order),
        number=page,
        last_page=last,
        query=query,
        has_value=customers.value is not None,
    )


def _ascends(name: str, sort: str, descending: bool) -> bool:  # noqa: FBT001
    """Return whether a click on a heading sorts from the smallest."""
    return descending if name == sort else name == "name"


def show_account(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the page of an account or a parent: its figures and its users."""
    role, name = request.path_params["role"], request.path_params["name"]
    groups = context.groups(role, visitor)
    figures = None if groups is None else groups.figures(name)
    if groups is None or figures is None:
        return context.error(request, visitor, 404, _("Account not found."))
    selection = context.select({role: name}, visitor)
    rows = selection.rows[:_MOST_USERS].tolist()
    customers = context.customers
    members = _accounts(context, selection.rows.tolist(), visitor) if role == "parent" else []
    parent = "" if customers.parents is None else customers.parents.name(int(selection.rows[0]))
    return context.page(
        request,
        "account.html",
        visitor=visitor,
        title=name,
        role=role,
        groups=groups,
        figures=figures,
        parent=(parent, account_link("parent", parent)) if role == "account" and parent else None,
        accounts=members,
        lines=customer_lines(context, rows, selection, visitor),
        list_query=urlencode({role: name}),
        has_value=customers.value is not None,
    )


def _accounts(
    context: PageContext, rows: list[int], visitor: Visitor
) -> list[tuple[AccountFigures, str]]:
    """Return the accounts of some rows with their addresses, the largest at risk first."""
    groups = context.groups("account", visitor)
    if groups is None:
        return []
    names = {groups.name(row) for row in rows} - {""}
    found = [figures for name in names if (figures := groups.figures(name)) is not None]
    found.sort(key=lambda figures: (-(figures.at_risk or figures.churning), figures.name))
    return [(figures, account_link("account", figures.name)) for figures in found[:_MOST_USERS]]

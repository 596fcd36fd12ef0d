"""Shared parts of the console's pages: customers, worklist, approvals, templates and the clock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from churnkit.console.auth import FORM_COOKIE
from churnkit.console.query.list_query import ALL, ListQuery
from churnkit.core.translation import _, mark_text
from churnkit.journal.worklist.forms import Forms
from churnkit.journal.worklist.playbooks import Playbooks
from churnkit.journal.worklist.records import clean_text
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.teams import Teams
from churnkit.journal.worklist.views import RiskChanges, Views, Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date, datetime

    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.approvals import Approvals
    from churnkit.console.auth import SessionAuth, Visitor
    from churnkit.console.customer_history import History
    from churnkit.console.customer_list import CustomerList
    from churnkit.console.delivery.push_run import ApprovedPush
    from churnkit.console.query.accounts import AccountGroups
    from churnkit.console.query.customer_index import CustomerIndex
    from churnkit.console.templates import Pages
    from churnkit.journal.worklist.records import Verdict
    from churnkit.journal.worklist.worklist import Worklist

__all__ = [
    "STATUS_LABELS", "PageContext", "Selection", "account_link", "customer_link", "next_monday",
    "own_address",
]  # fmt: skip

STATUS_LABELS: Final = {
    "open": mark_text("Open"), "approve": mark_text("Approved"), "reject": mark_text("Dismissed"), "snooze": mark_text("Snoozed"),
}  # fmt: skip
_PAUSE: Final = timedelta(minutes=30)
_LONGEST_AHEAD: Final = timedelta(days=730)
# Owner of the views of visitors who have not entered a name.
_UNNAMED: Final = "local"


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Customers that match a query.

    Parameters
    ----------
    query
        The query.
    rows
        Matching rows in order.
    statuses
        Position in `STATUSES` of every row of the table.
    verdicts
        Latest verdicts of the period by customer.
    """

    query: ListQuery
    rows: NDArray[np.int64]
    statuses: NDArray[np.int8]
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True)
class PageContext:
    """Parts that pages and forms use.

    Parameters
    ----------
    customers, index
        Scored customers, and their index for queries.
    approvals, worklist
        Verdicts in the journal; owners, snoozes and notes.
    history
        Raw tables by customer.
    auth, clock, pages
        Authentication, current time, and templates.
    push
        Push of approved actions; None without a destination.
    by_team
        Whether viewers and agents see only customers of their own team.
    """

    customers: CustomerList
    index: CustomerIndex
    approvals: Approvals
    worklist: Worklist
    history: History
    auth: SessionAuth
    clock: Callable[[], datetime]
    pages: Pages
    push: ApprovedPush | None = None
    by_team: bool = False

    @cached_property
    def tasks(self) -> Tasks:
        """Tasks of the worklist."""
        return Tasks(self.worklist)

    @cached_property
    def playbooks(self) -> Playbooks:
        """Runs of playbooks."""
        return Playbooks(self.worklist)

    @cached_property
    def sent_forms(self) -> Forms:
        """Recorded forms on many customers."""
        return Forms(self.worklist)

    @cached_property
    def teams(self) -> Teams:
        """Teams of owners."""
        return Teams(self.worklist)

    def team_names(self, visitor: Visitor) -> list[str]:
        """Return the names of the teams with a member that a visitor may see, sorted."""
        if self.is_restricted(visitor):
            return sorted({self.team_of(visitor.name)} - {""})
        return sorted({part.team for part in self.teams.members().values()} - {""})

    def team_of(self, person: str) -> str:
        """Return the team of a person; empty for none."""
        membership = self.teams.members().get(person)
        return "" if membership is None else membership.team

    def team_members(self, team: str, visitor: Visitor) -> list[str] | None:
        """Return the owners in a team, where "me" is the visitor's; None for all owners."""
        if team == ALL:
            return None
        name = self.team_of(visitor.name) if team == "me" else team
        members = self.teams.members().values()
        return [part.person for part in members if part.team == name and name]

    def is_restricted(self, visitor: Visitor) -> bool:
        """Return True if a visitor sees only customers of the own team."""
        return self.by_team and not visitor.may("manager")

    def refuse_restricted(self, request: Request, visitor: Visitor) -> Response:
        """Return the answer to a restricted visitor for a page on the plan of all teams."""
        return self.error(
            request,
            visitor,
            403,
            _(
                "This page covers the plan of all teams, which share budget and capacities. It "
                "needs the role manager."
            ),
        )

    def visible_rows(self, visitor: Visitor) -> NDArray[np.bool_] | None:
        """Return which rows a restricted visitor may see, (n,); None for all."""
        if not self.is_restricted(visitor):
            return None
        self.index.refresh()
        return self.index.owned_by(self.colleagues(visitor))

    def groups(self, role: str, visitor: Visitor) -> AccountGroups | None:
        """Return accounts or parents with the customers that a visitor may see; None without."""
        groups, rows = self.customers.groups(role), self.visible_rows(visitor)
        return groups if groups is None or rows is None else groups.among(rows)

    def visible(self, visitor: Visitor) -> Callable[[str], bool]:
        """Return the test whether a customer is in the list and a visitor may see it."""
        rows = self.customers.rows
        if not self.is_restricted(visitor):
            return lambda customer: customer in rows
        self.index.refresh()
        colleagues = self.colleagues(visitor)
        return lambda customer: customer in rows and self.index.owner(rows[customer]) in colleagues

    def owners(self, visitor: Visitor) -> list[str]:
        """Return the names of the owners of the customers that a visitor may see, sorted."""
        names = self.index.owners
        if not self.is_restricted(visitor):
            return names
        colleagues = self.colleagues(visitor)
        return [name for name in names if name in colleagues]

    def colleagues(self, visitor: Visitor) -> set[str]:
        """Return the owners whose customers a restricted visitor sees: the own team, and oneself."""
        members = self.team_members("me", visitor) or []
        return {visitor.name, *members} - {""}

    @cached_property
    def views(self) -> Views:
        """Saved views."""
        return Views(self.worklist)

    def view_owners(self, visitor: Visitor) -> tuple[str, ...]:
        """Return whose saved views a visitor has, last the owner of new ones.

        A visitor without a key has also those that were saved before a name was entered.
        """
        unnamed = () if visitor.has_key and visitor.name else (_UNNAMED,)
        return (*unnamed, visitor.name) if visitor.name else unnamed

    @cached_property
    def visits(self) -> Visits:
        """Times of visits."""
        return Visits(self.worklist)

    @cached_property
    def risk_changes(self) -> RiskChanges:
        """Churn probabilities of earlier runs."""
        return RiskChanges(self.worklist)

    @property
    def today(self) -> date:
        """Date of the clock."""
        return self.clock().date()

    @property
    def latest_day(self) -> date:
        """Last day of a snooze or a task."""
        return self.today + _LONGEST_AHEAD

    @property
    def filter_columns(self) -> list[str]:
        """Columns of the customers' table that the list can be filtered by."""
        return [column_filter.column for column_filter in self.customers.filters]

    def last_visit(self, visitor: Visitor) -> datetime | None:
        """Record the request, and return the end of the visitor's previous visit."""
        return self.visits.previous(visitor.name or "local", self.clock(), pause=_PAUSE)

    def select(
        self, params: Mapping[str, str], visitor: Visitor, *, since: datetime | None = None
    ) -> Selection:
        """Return the customers that match the parameters of an address."""
        return self.select_query(ListQuery.parse(params, self.filter_columns), visitor, since=since)

    def select_query(
        self, query: ListQuery, visitor: Visitor, *, since: datetime | None = None
    ) -> Selection:
        """Return the customers that match a query."""
        if query.choice("owner") == "me":
            query = replace(query, choices={**query.choices, "owner": visitor.name})
        self.index.refresh()
        verdicts = self.worklist.verdicts(self.customers.model.name, self.approvals.period)
        statuses = self.index.statuses(verdicts, self.today)
        subsets: dict[str, Any] = {}
        if "due" in query.choices:
            subsets["due"] = self.tasks.due_customers(self.today)
        if "changed" in query.choices:
            moment = since or self.clock() - timedelta(days=30)
            subsets["changed"] = self.risk_changes.since(moment)
        rows = self.index.select(
            query,
            statuses,
            today=self.today,
            personal=visitor.may("agent"),
            subsets=subsets,
            owners=self._owners(query.choice("team"), visitor),
        )
        return Selection(query, rows, statuses, verdicts)

    def _owners(self, team: str, visitor: Visitor) -> Collection[str] | None:
        """Return the owners of a team whose customers a visitor may see; None for all."""
        members = self.team_members(team, visitor)
        if not self.is_restricted(visitor):
            return members
        colleagues = self.colleagues(visitor)
        return colleagues if members is None else colleagues.intersection(members)

    def page(
        self,
        request: Request,
        name: str,
        http_status: int = 200,
        /,
        *,
        visitor: Visitor,
        **values: Any,
    ) -> Response:
        """Render a page whose forms carry a token, and set the token's cookie."""
        token = self.auth.form_token(request)
        response = self.pages.page(
            name,
            http_status,
            visitor=visitor,
            token=token,
            form_id=secrets.token_urlsafe(16),
            horizons=self.customers.horizons,
            effect_unit=self.customers.effect_unit,
            statuses={name: _(label) for name, label in STATUS_LABELS.items()},
            has_team=bool(visitor.name and self.team_of(visitor.name)),
            has_accounts=self.customers.accounts is not None,
            destination="" if self.push is None or self.is_restricted(visitor) else self.push.name,
            is_restricted=self.is_restricted(visitor),
            latest_day=self.latest_day,
            path=request.url.path,
            **({"here": own_address(request)} | values),
        )
        self.auth.set_cookie(response, request, FORM_COOKIE, token)
        return response

    def error(self, request: Request, visitor: Visitor, status: int, message: str) -> Response:
        """Render an error page with the navigation of a visitor."""
        # Another language is chosen on the same page, unless there is none at its address.
        here = "/" if status == HTTPStatus.NOT_FOUND else own_address(request)
        title = self.pages.error_title(status)
        return self.page(
            request, "error.html", status, visitor=visitor, title=title, message=message, here=here
        )

    @staticmethod
    def person(visitor: Visitor, form: Mapping[str, str]) -> str:
        """Return the name that a change is recorded under: that of the key, or the one entered."""
        if visitor.has_key:
            return visitor.name
        entered = form.get("by", "") or visitor.name
        return clean_text(entered, name=mark_text("Name"), most=60, required=True)


def own_address(request: Request) -> str:
    """Return the address of the page of a request; that of the list for an answer to a form."""
    if request.method != "GET":
        return "/"
    query = request.url.query
    return f"{quote(request.scope['path'])}{'?' if query else ''}{query}"


def customer_link(customer: str) -> str:
    """Return the address of a customer's page."""
    return f"/customers/{quote(customer, safe='')}"


def account_link(role: str, name: str) -> str:
    """Return the address of the page of an account, or of a parent."""
    return f"/accounts/{role}/{quote(name, safe='')}"


def next_monday(day: date) -> date:
    """Return the first Monday after a day.

    Examples
    --------
    >>> import datetime as dt
    >>> next_monday(dt.date(2026, 11, 30)).isoformat()
    '2026-12-07'
    """
    return day + timedelta(days=7 - day.weekday())

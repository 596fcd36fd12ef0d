"""The console as an ASGI application: customers, report and approvals."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np

from churnkit.console.approvals import VERDICTS
from churnkit.console.auth import FORM_COOKIE, SESSION_COOKIE, SessionAuth, Visitor
from churnkit.console.templates import Pages
from churnkit.decisions.response import RESPONSES
from churnkit.errors import ChurnkitError, MissingExtraError
from churnkit.report.blocks import Chart, Column, Table
from churnkit.report.charts.draw import draw
from churnkit.report.report import build_report, to_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.approvals import Approvals, ApprovalStatus
    from churnkit.console.customer_history import History
    from churnkit.console.customer_list import CustomerList
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["ConsoleApp"]

_PAGE_ROWS: Final = 25
_CACHED_REPORTS: Final = 16
_MOST_FORM_BYTES: Final = 16_384
_FEWEST_CUSTOMERS: Final = 5
_FEWEST_DATES: Final = 2
_COMPONENTS: Final = 8
_CSV_COLUMNS: Final = (
    *("customer", "churn_probability", "value", "at_risk", "response", "action", "effect"),
    *("cost", "expected_gain", "gain_low", "gain_high", "status", "reasons"),
)
_STATUS: Final = {
    "open": "Open", "approve": "Approved", "reject": "Dismissed", "snooze": "Snoozed",
}  # fmt: skip
_INVALID_FORM: Final = "The form has expired or comes from another site. Reload the page."


class ConsoleApp:
    """The console's pages and forms.

    Parameters
    ----------
    customers
        Scored customers with planned actions.
    approvals
        Approvals in the journal.
    history
        Raw tables by customer.
    auth
        Authentication.
    clock
        Function that returns the current time.
    embed
        Function from texts to vectors, for themes by meaning.
    """

    def __init__(
        self,
        customers: CustomerList,
        approvals: Approvals,
        history: History,
        *,
        auth: SessionAuth,
        clock: Callable[[], datetime],
        embed: Embedder | None = None,
    ) -> None:
        self._customers, self._approvals, self._history = customers, approvals, history
        self._auth, self._clock, self._embed = auth, clock, embed
        self._pages = Pages(currency=customers.horizons.currency)
        self._labels = {"horizons": customers.horizons, "effect_unit": customers.effect_unit}
        self._reports: dict[tuple[tuple[str, str], ...], str] = {}
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Compute the report, reasons and past risk, so that the first visitor does not wait."""
        rows = self._customers.order[:1].tolist()
        self._lines(rows, self._approvals.status())
        for row in rows:
            self._history.risk(self._customers.customers[row])
            self._customers.health(row)
        with suppress(ChurnkitError):  # the report's page shows the message
            self._cached_report({})

    def app(self) -> Starlette:
        """Create the application; raise `MissingExtraError` if starlette is not installed."""
        try:
            from starlette.applications import Starlette
            from starlette.responses import PlainTextResponse
            from starlette.routing import Route
        except ImportError:
            raise MissingExtraError("console", "starlette") from None

        def livez(_request: Request) -> Response:
            return PlainTextResponse("ok\n")

        def not_found(_request: Request, error: Exception) -> Response:
            return self._pages.error(getattr(error, "status_code", 404), "Page not found.")

        def server_error(_request: Request, _error: Exception) -> Response:
            return self._pages.error(500, "An unexpected error occurred. No data were changed.")

        return Starlette(
            routes=[
                Route("/livez", livez),
                Route("/sign-in", self._sign_in, methods=["POST"]),
                Route("/", self._authenticated(self._list)),
                Route("/report", self._authenticated(self._report)),
                Route("/customers.csv", self._authenticated(self._csv)),
                Route("/customers/{customer:path}", self._authenticated(self._customer)),
                Route("/verdicts", self._verdict, methods=["POST"]),
            ],
            exception_handlers={404: not_found, 405: not_found, Exception: server_error},
        )

    def _authenticated(
        self, page: Callable[[Request, Visitor], Response]
    ) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            visitor = self._auth.visitor(request)
            if visitor is None:
                return self._refuse(request)
            try:
                return page(request, visitor)
            except ChurnkitError as error:
                return self._pages.error(400, str(error))

        return handle

    def _refuse(self, request: Request) -> Response:
        if not self._auth.requires_key:
            return self._pages.error(
                403, "Without API keys the console accepts requests from this machine only."
            )
        token = self._auth.form_token(request)
        response = self._pages.page("sign_in.html", 401, token=token, title="Sign in")
        return self._with_cookie(response, request, FORM_COOKIE, token)

    def _with_cookie(self, response: Response, request: Request, name: str, value: str) -> Response:
        self._auth.set_cookie(response, name, value, secure=request.url.scheme == "https")
        return response

    async def _sign_in(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        form = await _read_form(request)
        if not self._auth.is_valid_form(request, form.get("token", "")):
            return self._pages.error(403, _INVALID_FORM)
        cookie = self._auth.sign_in(form.get("key", ""))
        if cookie is None:
            return self._pages.error(
                403, "Unknown API key, or a key without the scope 'recommend'."
            )
        return self._with_cookie(RedirectResponse("/", 303), request, SESSION_COOKIE, cookie)

    async def _verdict(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        visitor = self._auth.visitor(request)
        if visitor is None:
            return self._refuse(request)
        form = await _read_form(request)
        if not self._auth.is_valid_form(request, form.get("token", "")):
            return self._pages.error(403, _INVALID_FORM)
        if not visitor.may_decide:
            return self._pages.error(403, "This API key does not have the scope 'outcomes'.")
        return await run_in_threadpool(self._record, form, visitor)

    def _record(self, form: Mapping[str, str], visitor: Visitor) -> Response:
        from starlette.responses import RedirectResponse

        customer, form_id = form.get("customer", ""), form.get("form_id", "")
        if customer not in self._customers.rows or not form_id:
            return self._pages.error(404, "Customer not found.")
        try:
            self._approvals.record(
                customer,
                form.get("verdict", ""),
                by=visitor.name or form.get("by", ""),
                why=form.get("why", ""),
                form_id=form_id,
                at=self._clock(),
            )
        except ChurnkitError as error:
            return self._pages.error(400, str(error))
        return RedirectResponse(f"/customers/{quote(customer, safe='')}", 303)

    def _report(self, request: Request, _visitor: Visitor) -> Response:
        from starlette.responses import HTMLResponse

        page = self._cached_report(self._selected(request))
        return HTMLResponse(page, headers=self._pages.headers(strict=False))

    def _cached_report(self, selected: Mapping[str, str]) -> str:
        key = tuple(sorted(selected.items()))
        with self._lock:
            if key not in self._reports:
                while len(self._reports) >= _CACHED_REPORTS:
                    del self._reports[next(iter(self._reports))]
                self._reports[key] = self._build_report(selected)
            return self._reports[key]

    def _build_report(self, selected: Mapping[str, str]) -> str:
        customers = self._customers
        mask = customers.mask(selected)
        if mask.sum() < _FEWEST_CUSTOMERS:
            raise ChurnkitError(
                f"{mask.sum()} customers match the filters, at least {_FEWEST_CUSTOMERS} are "
                "required: remove a filter"
            )
        rows, tables = customers.table, self._history.tables
        if selected:
            rows = rows.filter(mask)
            tables = self._history.filter_tables(
                np.array(customers.customers, object)[mask].tolist()
            )
        report = build_report(
            tables,
            model=customers.model,
            customers=rows,
            day=customers.day,
            decisions=customers.select(mask) if selected else customers.decisions,
            embed=self._embed,
        )
        toolbar = self._pages.fragment(
            "filters.html", filters=customers.filters, selected=selected, path="/report"
        )
        return report.render(toolbar=toolbar)

    def _selected(self, request: Request) -> dict[str, str]:
        """Return the selected value of each filter in use."""
        params = {f.column: f"f.{f.column}" for f in self._customers.filters}
        return {
            column: request.query_params[param]
            for column, param in params.items()
            if request.query_params.get(param, "*") != "*"
        }

    def _selected_rows(self, request: Request) -> tuple[list[int], ApprovalStatus]:
        """Return the rows that match the filters, in order, and the status of decisions."""
        customers, approval = self._customers, self._approvals.status()
        mask = customers.mask(self._selected(request))
        action, response, status = (
            request.query_params.get(name, "*") for name in ("action", "response", "status")
        )
        if action != "*":
            names = (*customers.decisions.names, "")
            mask &= np.array([names[number] == action for number in customers.decisions.action])
        if response != "*":
            mask &= customers.responses == response
        rows = [row for row in customers.order.tolist() if mask[row]]
        if status != "*":
            rows = [row for row in rows if approval.of(customers.customers[row]) == status]
        return rows, approval

    def _lines(self, rows: list[int], approval: ApprovalStatus) -> list[dict[str, Any]]:
        customers = self._customers
        reasons = customers.reasons(np.array(rows, dtype=np.int64), top=3)
        lines = []
        for row, row_reasons in zip(rows, reasons, strict=True):
            customer = customers.customers[row]
            lines.append(
                {
                    "customer": customer,
                    "link": f"/customers/{quote(customer, safe='')}",
                    **customers.figures(row),
                    "why": customers.decisions.reason[row] if len(rows) == 1 else "",
                    "reasons": row_reasons,
                    "status": approval.of(customer),
                }
            )
        return lines

    def _list(self, request: Request, _visitor: Visitor) -> Response:
        rows, approval = self._selected_rows(request)
        pages = max(1, -(-len(rows) // _PAGE_ROWS))
        text = request.query_params.get("page", "1")
        page = min(max(int(text) if text.isdecimal() and len(text) < 9 else 1, 1), pages)
        query = {name: value for name, value in request.query_params.items() if name != "page"}
        return self._pages.page(
            "list.html",
            title="Customers",
            lines=self._lines(rows[(page - 1) * _PAGE_ROWS : page * _PAGE_ROWS], approval),
            counts=approval.counts,
            has_value=self._customers.value is not None,
            period=self._approvals.period,
            filters=self._customers.filters,
            selected=self._selected(request),
            titles=self._customers.titles,
            action=request.query_params.get("action", "*"),
            response=request.query_params.get("response", "*"),
            responses=RESPONSES,
            status=request.query_params.get("status", "*"),
            statuses=_STATUS,
            count=len(rows),
            page=page,
            pages=pages,
            query=urlencode(query),
            path="/",
            **self._labels,
        )

    def _csv(self, request: Request, _visitor: Visitor) -> Response:
        from starlette.responses import Response

        rows, approval = self._selected_rows(request)
        lines = []
        for line in self._lines(rows, approval):
            line["reasons"] = "; ".join(reason.text for reason in line["reasons"])
            lines.append(tuple(line[name] for name in _CSV_COLUMNS))
        table = Table("customers", "", tuple(map(Column, _CSV_COLUMNS)), tuple(lines))
        headers = self._pages.headers() | {
            "content-disposition": "attachment; filename=customers.csv"
        }
        return Response(to_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

    def _customer(self, request: Request, visitor: Visitor) -> Response:
        customer = request.path_params["customer"]
        row = self._customers.rows.get(customer)
        if row is None:
            return self._pages.error(404, "Customer not found.")
        approval = self._approvals.status(customer)
        token = self._auth.form_token(request)
        (line,) = self._lines([row], approval)
        line["reasons"] = self._customers.reasons(np.array([row]), top=8)[0]
        risk = self._history.risk(customer)
        response = self._pages.page(
            "customer.html",
            title=customer,
            line=line,
            responses=RESPONSES,
            health=self._customers.health(row).top(_COMPONENTS).rounded(),
            verdict=approval.verdicts.get(customer),
            statuses=_STATUS,
            buttons=dict(zip(VERDICTS, ("Approve", "Dismiss", self._snooze_label()), strict=True)),
            events=self._history.events(customer),
            risk=risk,
            risk_chart=_risk_chart(risk),
            visitor=visitor,
            token=token,
            form_id=secrets.token_urlsafe(16),
            **self._labels,
        )
        return self._with_cookie(response, request, FORM_COOKIE, token)

    def _snooze_label(self) -> str:
        """Label the snooze button with the start of the next planning period, a month."""
        year, month = divmod(self._customers.day.year * 12 + self._customers.day.month, 12)
        return f"Snooze until {year}-{month + 1:02}-01"


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


async def _read_form(request: Request) -> dict[str, str]:
    """Read a form; return an empty one if it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

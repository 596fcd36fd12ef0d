"""The console as an ASGI application: report, list, customer, verdicts."""

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
from churnkit.errors import ChurnkitError, MissingExtraError
from churnkit.report.blocks import Chart, Column, Table
from churnkit.report.charts.draw import draw
from churnkit.report.gather import currency_of
from churnkit.report.report import build_report, to_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.approvals import Verdicts
    from churnkit.console.customer_history import History
    from churnkit.console.customer_list import CustomerList
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["ConsoleApp"]

_PAGE: Final = 25
_REPORTS: Final = 16
_BODY: Final = 16_384
_LEAST: Final = 5
_FEWEST_DATES: Final = 2
_COMPONENTS: Final = 8


class ConsoleApp:
    """What the console shows and takes.

    Parameters
    ----------
    roster
        The customers with what the model says of them.
    verdicts
        The journal's side.
    history
        The raw tables' side.
    door
        Who may come in.
    clock
        Gives the time at which a verdict is written.
    embed
        Gives texts their vectors, for themes by meaning; None for themes by words.
    """

    def __init__(
        self,
        roster: CustomerList,
        verdicts: Verdicts,
        history: History,
        *,
        door: SessionAuth,
        clock: Callable[[], datetime],
        embed: Embedder | None = None,
    ) -> None:
        self._roster, self._verdicts, self._history = roster, verdicts, history
        self._door, self._clock, self._embed = door, clock, embed
        self._pages = Pages(currency=currency_of(roster.model))
        self._reports: dict[tuple[tuple[str, str], ...], str] = {}
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Draw the report, and find reasons and past risk once, before the first visitor comes."""
        self._lines(self._roster.order[:1].tolist(), self._verdicts.standing())
        for row in self._roster.order[:1].tolist():
            self._history.risk(self._roster.customers[row])
            self._roster.health(row)
        with suppress(ChurnkitError):  # the page of the report says why there is none
            self._report_of({})

    def app(self) -> Starlette:
        """Make the application.

        Raises
        ------
        MissingExtraError
            If starlette is not installed.
        """
        try:
            from starlette.applications import Starlette
            from starlette.responses import PlainTextResponse
            from starlette.routing import Route
        except ImportError:
            raise MissingExtraError("console", "starlette") from None

        def livez(_request: Request) -> Response:
            return PlainTextResponse("ok\n")

        return Starlette(
            routes=[
                Route("/livez", livez),
                Route("/enter", self._enter, methods=["POST"]),
                Route("/", self._looked(self._list)),
                Route("/report", self._looked(self._report)),
                Route("/customers.csv", self._looked(self._csv)),
                Route("/customers/{customer:path}", self._looked(self._customer)),
                Route("/verdicts", self._verdict, methods=["POST"]),
            ],
            exception_handlers={404: self._lost, 405: self._lost, Exception: self._fault},
        )

    def _looked(
        self, show: Callable[[Request, Visitor], Response]
    ) -> Callable[[Request], Response]:
        def look(request: Request) -> Response:
            visitor = self._door.visitor(request)
            if visitor is None:
                return self._stranger(request)
            try:
                return show(request, visitor)
            except ChurnkitError as error:
                return self._pages.error(400, str(error))

        return look

    def _stranger(self, request: Request) -> Response:
        if not self._door.asks:
            return self._pages.error(403, "Without keys only this machine is answered.")
        token = self._door.form_token(request)
        answer = self._pages.show("enter.html", 401, token=token, title="Come in")
        self._door.give(answer, FORM_COOKIE, token, secure=request.url.scheme == "https")
        return answer

    def _lost(self, _request: Request, error: Exception) -> Response:
        return self._pages.error(getattr(error, "status_code", 404), "There is no such page.")

    def _fault(self, _request: Request, _error: Exception) -> Response:
        return self._pages.error(
            500, "Something went wrong here; the customer's data are as before."
        )

    async def _enter(self, request: Request) -> Response:
        from starlette.responses import RedirectResponse

        form = await _form(request)
        if not self._door.is_ours(request, form.get("token", "")):
            return self._pages.error(403, "This form is not of this console: open the page again.")
        cookie = self._door.enter(form.get("key", ""))
        if cookie is None:
            return self._pages.error(403, "This key is not known, or lacks the scope 'recommend'.")
        answer = RedirectResponse("/", 303)
        self._door.give(answer, SESSION_COOKIE, cookie, secure=request.url.scheme == "https")
        return answer

    async def _verdict(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        visitor = self._door.visitor(request)
        if visitor is None:
            return self._stranger(request)
        form = await _form(request)
        if not self._door.is_ours(request, form.get("token", "")):
            return self._pages.error(403, "This form is not of this console: open the page again.")
        if not visitor.may_decide:
            return self._pages.error(403, "This key may look, but lacks the scope 'outcomes'.")
        return await run_in_threadpool(self._say, form, visitor)

    def _say(self, form: Mapping[str, str], visitor: Visitor) -> Response:
        from starlette.responses import RedirectResponse

        customer, once = form.get("customer", ""), form.get("once", "")
        if customer not in self._roster.places or not once:
            return self._pages.error(404, "There is no such customer.")
        try:
            self._verdicts.say(
                customer,
                form.get("verdict", ""),
                by=visitor.name or form.get("by", ""),
                why=form.get("why", ""),
                once=once,
                at=self._clock(),
            )
        except ChurnkitError as error:
            return self._pages.error(400, str(error))
        return RedirectResponse(f"/customers/{quote(customer, safe='')}", 303)

    def _report(self, request: Request, _visitor: Visitor) -> Response:
        from starlette.responses import HTMLResponse

        page = self._report_of(self._wanted(request))
        return HTMLResponse(page, headers=self._pages.headers(strict=False))

    def _report_of(self, wanted: Mapping[str, str]) -> str:
        asked = tuple(sorted(wanted.items()))
        with self._lock:
            if asked not in self._reports:
                while len(self._reports) >= _REPORTS:
                    del self._reports[next(iter(self._reports))]
                self._reports[asked] = self._made(wanted)
            return self._reports[asked]

    def _made(self, wanted: Mapping[str, str]) -> str:
        from churnkit.report.html import render

        roster = self._roster
        mask = roster.chosen(wanted)
        if mask.sum() < _LEAST:
            raise ChurnkitError("fewer than five customers are left: choose fewer filters")
        if wanted:
            customers = roster.table.filter(mask)
            tables: Any = self._history.only(np.array(roster.customers, object)[mask].tolist())
        else:
            customers, tables = roster.table, self._history.tables
        made = build_report(
            tables,
            model=roster.model,
            customers=customers,
            day=roster.day,
            journal=self._verdicts.journal,
            embed=self._embed,
        )
        bar = self._pages.part(
            "filters.html", filters=roster.filters, wanted=wanted, home="/report"
        )
        return render(made, bar=bar)

    def _wanted(self, request: Request) -> dict[str, str]:
        return {
            one.column: request.query_params[f"f.{one.column}"]
            for one in self._roster.filters
            if request.query_params.get(f"f.{one.column}", "*") != "*"
        }

    def _chosen(self, request: Request) -> tuple[list[int], Any]:
        """Give the rows that the filters leave, in order, and how decisions stand."""
        roster, standing = self._roster, self._verdicts.standing()
        mask = roster.chosen(self._wanted(request))
        action, status = (request.query_params.get(one, "*") for one in ("action", "status"))
        if action != "*":
            names = (*roster.decisions.names, "")
            mask &= np.array([names[place] == action for place in roster.decisions.action])
        rows = [row for row in roster.order.tolist() if mask[row]]
        if status != "*":
            rows = [row for row in rows if standing.of(roster.customers[row]) == status]
        return rows, standing

    def _lines(self, rows: list[int], standing: Any) -> list[dict[str, Any]]:
        roster, found = self._roster, self._roster.decisions
        why = roster.reasons(np.array(rows, dtype=np.int64), top=3)
        lines = []
        for row, reasons in zip(rows, why, strict=True):
            place = int(found.action[row])
            customer = roster.customers[row]
            action = roster.titles[found.names[place]] if place >= 0 else ""
            lines.append(
                {
                    "customer": customer,
                    "link": f"/customers/{quote(customer, safe='')}",
                    "churn_probability": float(roster.probability[row]),
                    "action": action,
                    "expected_gain": float(found.expected_gain[row]),
                    "gain_low": float(found.low[row]),
                    "gain_high": float(found.high[row]),
                    "cost": float(found.cost[row]),
                    "why": found.reason[row] if len(rows) == 1 else "",
                    "value": None if roster.value is None else float(roster.value[row]),
                    "reasons": reasons,
                    "status": standing.of(customer),
                }
            )
        return lines

    def _list(self, request: Request, _visitor: Visitor) -> Response:
        rows, standing = self._chosen(request)
        pages = max(1, -(-len(rows) // _PAGE))
        said = request.query_params.get("page", "1")
        page = min(max(int(said) if said.isdecimal() and len(said) < 9 else 1, 1), pages)
        kept = {name: one for name, one in request.query_params.items() if name != "page"}
        return self._pages.show(
            "list.html",
            title="Today",
            lines=self._lines(rows[(page - 1) * _PAGE : page * _PAGE], standing),
            standing=standing,
            filters=self._roster.filters,
            wanted=self._wanted(request),
            titles=self._roster.titles,
            action=request.query_params.get("action", "*"),
            status=request.query_params.get("status", "*"),
            statuses=("open", *VERDICTS),
            count=len(rows),
            page=page,
            pages=pages,
            query=urlencode(kept),
            home="/",
        )

    def _csv(self, request: Request, _visitor: Visitor) -> Response:
        from starlette.responses import Response

        rows, standing = self._chosen(request)
        names = (
            *("customer", "churn_probability", "action", "expected_gain"),
            *("gain_low", "gain_high", "cost", "value", "status", "reasons"),
        )
        lines = []
        for line in self._lines(rows, standing):
            line["reasons"] = "; ".join(reason.says for reason in line["reasons"])
            lines.append(tuple(line[name] for name in names))
        block = Table("customers", "", tuple(Column(name) for name in names), tuple(lines))
        headers = self._pages.headers() | {
            "content-disposition": "attachment; filename=customers.csv"
        }
        return Response(to_csv(block), media_type="text/csv; charset=utf-8", headers=headers)

    def _risk(self, customer: str) -> dict[str, Any]:
        risk = self._history.risk(customer)
        return {"picture": _drawn(risk), "dates": risk}

    def _customer(self, request: Request, visitor: Visitor) -> Response:
        customer = request.path_params["customer"]
        row = self._roster.places.get(customer)
        if row is None:
            return self._pages.error(404, "There is no such customer.")
        standing = self._verdicts.standing(customer)
        token = self._door.form_token(request)
        (line,) = self._lines([row], standing)
        line["reasons"] = self._roster.reasons(np.array([row]), top=8)[0]
        health = self._roster.health(row).top(_COMPONENTS).rounded()
        answer = self._pages.show(
            "customer.html",
            title=customer,
            line=line,
            health=health,
            said=standing.verdicts.get(customer),
            verdicts=VERDICTS,
            events=self._history.events(customer),
            risk=self._risk(customer),
            visitor=visitor,
            token=token,
            once=secrets.token_urlsafe(16),
        )
        self._door.give(answer, FORM_COOKIE, token, secure=request.url.scheme == "https")
        return answer


def _drawn(risk: list[tuple[date, float]]) -> str:
    """Draw how the risk went; nothing where there is one date or none."""
    from markupsafe import Markup

    if len(risk) < _FEWEST_DATES:
        return ""
    chart = Chart(
        "risk",
        "How did the risk go?",
        (Column("Date", role="x"), Column("Risk of leaving", "share", "y")),
        tuple((f"{day}", chance) for day, chance in risk),
    )
    return Markup(draw(chart))  # noqa: S704  (every text in it is escaped)


async def _form(request: Request) -> dict[str, str]:
    """Read a small form; a long one is none."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

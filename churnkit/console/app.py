"""The console as an ASGI application: customers, tasks, report and approvals."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from churnkit.console.auth import NAME_COOKIE, SessionAuth, Visitor
from churnkit.console.delivery.push_page import show_push, start_push
from churnkit.console.pages import forms
from churnkit.console.pages.account_page import show_account, show_accounts
from churnkit.console.pages.bulk_form import apply_to_many
from churnkit.console.pages.context import PageContext, customer_link
from churnkit.console.pages.customer_page import show_customer
from churnkit.console.pages.list_page import export_csv, show_list
from churnkit.console.pages.login_page import SignInPages
from churnkit.console.pages.report_page import ReportPages
from churnkit.console.pages.scenario_page import export_plan, show_what_if
from churnkit.console.pages.task_page import show_changes, show_tasks
from churnkit.console.pages.team_page import assign_team, show_teams
from churnkit.console.query.customer_index import CustomerIndex
from churnkit.console.query.request_locale import (
    LANGUAGE_COOKIE,
    LocaleMiddleware,
    offered_languages,
    visitor_locale,
)
from churnkit.console.templates import Pages
from churnkit.core.translation import _, active_locale, format_day, mark_text, use_locale
from churnkit.errors import ChurnkitError, MissingExtraError
from churnkit.journal.worklist.records import VersionConflictError
from churnkit.journal.worklist.worklist import Worklist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from churnkit.console.approvals import Approvals
    from churnkit.console.customer_history import History
    from churnkit.console.customer_list import CustomerList
    from churnkit.console.delivery.push_run import ApprovedPush
    from churnkit.insights.text.embeddings import Embedder

    Handler = Callable[[PageContext, Visitor, dict[str, str]], str]

__all__ = ["ConsoleApp"]

_MOST_FORM_BYTES: Final = 131_072
_MOST_RISKS: Final = 100_000
_LANGUAGE_SECONDS: Final = 365 * 86_400
_OWN_PAGE: Final = re.compile(r"/(?![/\\])[^\x00-\x20\x7f]*")
_INVALID_FORM: Final = mark_text(
    "The form has expired or comes from another site. Reload the page."
)
# Fields that people type, shown again if a form is refused.
_TYPED: Final = {
    "why": mark_text("Reason"), "note": mark_text("Note"), "title": mark_text("Task"), "owner": mark_text("Owner"), "due": mark_text("Due"),
    "until": mark_text("Snooze until"), "person": mark_text("Person"), "team": mark_text("Team"),
}  # fmt: skip
_DAYS: Final = frozenset({"due", "until"})


@dataclass(frozen=True, slots=True)
class _Form:
    """Fields of a form by name, the last of each, and the ticked customers."""

    fields: dict[str, str]
    customers: tuple[str, ...]


class ConsoleApp:
    """The console's pages and forms.

    Visitors get the language that they have chosen or that their browser prefers; others the
    locale that is active when the console is created.

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
    owners
        Owner by customer, until the console's users assign another.
    push
        Push of approved actions to a destination; None for none.
    by_team
        Whether viewers and agents see only the customers of their own team.
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
        owners: Mapping[str, str] | None = None,
        push: ApprovedPush | None = None,
        by_team: bool = False,
    ) -> None:
        worklist = Worklist(approvals.journal)
        month = datetime.combine(customers.day.replace(day=1), time(), UTC)
        contacts = worklist.last_contacts(before=month)
        for customer, day in history.contacts().items():
            contacts[customer] = max(day, contacts.get(customer, day))
        self._context = PageContext(
            customers,
            CustomerIndex(customers, worklist, contacts, owners or {}),
            approvals,
            worklist,
            history,
            auth,
            clock,
            Pages(currency=customers.horizons.currency),
            push,
            by_team,
        )
        self._reports = ReportPages(self._context, embed)
        self._auth, self._pages = auth, self._context.pages
        self._sign_ins = SignInPages(auth, self._pages)
        self._locale = active_locale()

    def warm(self, *, report: bool = True) -> None:
        """Compute the report, orders and past risk, so that the first visitor does not wait.

        Parameters
        ----------
        report
            Whether the report is built.
        """
        context, customers = self._context, self._context.customers
        context.index.warm()
        rows = customers.order[:1]
        customers.risk_parts(rows, top=1)
        for row in rows.tolist():
            context.history.risk(customers.customers[row])
            customers.health(row)
        # Changes of risk are kept for the customers with most at risk, so that startup stays short.
        kept = customers.order[:_MOST_RISKS].tolist()
        context.risk_changes.record(
            {customers.customers[row]: float(customers.probability[row]) for row in kept},
            at=context.clock(),
        )
        if report:
            with suppress(ChurnkitError):  # the report's page shows the message
                self._reports.cached({})

    def app(self) -> Starlette:
        """Create the application; raise `MissingExtraError` if starlette is not installed."""
        try:
            from starlette.applications import Starlette
            from starlette.middleware import Middleware
        except ImportError:
            raise MissingExtraError("console", "starlette") from None

        def not_found(request: Request, error: Exception) -> Response:
            status, message = getattr(error, "status_code", 404), _("Page not found.")
            visitor = self._auth.visitor(request)
            if visitor is None:
                return self._pages.error(status, message)
            return self._context.error(request, visitor, status, message)

        def server_error(request: Request, _error: Exception) -> Response:
            with use_locale(visitor_locale(request, self._locale)):
                return self._pages.error(
                    500, _("An unexpected error occurred. No data were changed.")
                )

        return Starlette(
            routes=self._routes(),
            exception_handlers={404: not_found, 405: not_found, Exception: server_error},
            middleware=[Middleware(LocaleMiddleware, default=self._locale)],
        )

    def _routes(self) -> list[Route]:
        from starlette.responses import PlainTextResponse, Response
        from starlette.routing import Route

        context = self._context

        def livez(_request: Request) -> Response:
            return PlainTextResponse("ok\n")

        def page(path: str, show: Callable[[PageContext, Request, Visitor], Response]) -> Route:
            return Route(path, self._authenticated(lambda r, v: show(context, r, v)))

        def form(path: str, handle: Handler, role: str = "agent") -> Route:
            return Route(path, self._post(handle, role), methods=["POST"])

        return [
            Route("/livez", livez),
            Route("/favicon.ico", lambda _request: Response(status_code=204)),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-in/openid", self._sign_ins.begin_openid),
            Route("/sign-in/openid/answer", self._sign_ins.finish_openid),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/language", self._choose_language, methods=["POST"]),
            page("/", show_list),
            Route("/report", self._authenticated(self._reports.show)),
            page("/accounts", show_accounts),
            page("/accounts/{role}/{name:path}", show_account),
            page("/tasks", show_tasks),
            page("/teams", show_teams),
            page("/what-if", show_what_if),
            page("/what-if.csv", export_plan),
            page("/changes", show_changes),
            page("/push", show_push),
            page("/customers.csv", export_csv),
            page("/customers/{customer:path}", show_customer),
            form("/verdicts", forms.decide),
            form("/owner", forms.assign_owner),
            form("/snooze", forms.snooze),
            form("/notes", forms.add_note),
            form("/tasks/add", forms.add_task),
            form("/tasks/change", forms.change_task),
            form("/teams", assign_team, "manager"),
            form("/push", start_push, "manager"),
            form("/views", forms.save_view, "viewer"),
            Route("/bulk", self._bulk, methods=["POST"]),
        ]

    def _authenticated(
        self, page: Callable[[Request, Visitor], Response]
    ) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            visitor = self._auth.visitor(request)
            if visitor is None:
                return self._sign_ins.ask(request)
            try:
                return page(request, visitor)
            except ChurnkitError as error:
                return self._context.error(request, visitor, 400, str(error))

        return handle

    async def _sign_in(self, request: Request) -> Response:
        form = (await _read_form(request)).fields
        if not self._auth.is_valid_form(request, form.get("token", "")):
            return self._pages.error(403, _(_INVALID_FORM))
        return self._sign_ins.with_key(request, form.get("key", ""))

    async def _sign_out(self, request: Request) -> Response:
        form = (await _read_form(request)).fields
        if not self._auth.is_valid_form(request, form.get("token", "")):
            return self._pages.error(403, _(_INVALID_FORM))
        return self._sign_ins.sign_out(request)

    async def _choose_language(self, request: Request) -> Response:
        """Keep the chosen language in a cookie; visitors choose before they sign in, too."""
        from starlette.responses import RedirectResponse

        form = (await _read_form(request)).fields
        if not self._auth.is_valid_form(request, form.get("token", "")):
            return self._pages.error(403, _(_INVALID_FORM))
        page, language = form.get("page", ""), form.get("language", "")
        # Only a page of this console: "//host" and "/\\host" lead to another site.
        response = RedirectResponse(page if _OWN_PAGE.fullmatch(page) else "/", 303)
        if language in offered_languages():
            self._auth.set_cookie(
                response, request, LANGUAGE_COOKIE, language, seconds=_LANGUAGE_SECONDS
            )
        return response

    async def _checked(
        self, request: Request, role: str
    ) -> tuple[Visitor | None, _Form, Response | None]:
        """Read a form; the last part is the refusal of one that is not allowed."""
        visitor = self._auth.visitor(request)
        if visitor is None:
            return None, _Form({}, ()), self._sign_ins.ask(request)
        form = await _read_form(request)
        if not self._auth.is_valid_form(request, form.fields.get("token", "")):
            return visitor, form, self._pages.error(403, _(_INVALID_FORM))
        if not visitor.may(role):
            message = _(
                "This needs the role {role}; you have the role {own}.",
                role=_(role),
                own=_(visitor.role),
            )
            return visitor, form, self._context.error(request, visitor, 403, message)
        if not form.fields.get("form_id"):
            return visitor, form, self._pages.error(400, _(_INVALID_FORM))
        return visitor, form, None

    def _post(self, handle: Handler, role: str) -> Callable[[Request], Any]:
        async def post(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool

            visitor, form, refusal = await self._checked(request, role)
            if refusal is not None or visitor is None:
                return refusal or self._sign_ins.ask(request)
            return await run_in_threadpool(self._handle, handle, request, visitor, form.fields)

        return post

    def _handle(
        self, handle: Handler, request: Request, visitor: Visitor, form: dict[str, str]
    ) -> Response:
        from starlette.responses import RedirectResponse

        try:
            address = handle(self._context, visitor, form)
        except ChurnkitError as error:
            return self._refused_form(error, request, visitor, form)
        response = RedirectResponse(address, 303)
        self._remember_name(response, request, visitor, form)
        return response

    def _refused_form(
        self, error: ChurnkitError, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response:
        """Explain why nothing was saved, and show what was typed so that it is not lost."""
        status = 409 if isinstance(error, VersionConflictError) else 400
        link = _form_page(request.url.path, form)
        customer = form.get("customer", "")
        if self._context.visible(visitor)(customer) and form.get("next") != "tasks":
            link = customer_link(customer)
        return self._context.page(
            request,
            "refused.html",
            404 if str(error) == _("Customer not found.") else status,
            visitor=visitor,
            title=_("Not saved"),
            message=str(error).removesuffix("."),
            typed=[
                (_(label), format_day(form[name]) if name in _DAYS else form[name])
                for name, label in _TYPED.items()
                if form.get(name)
            ],
            link=link,
            here=link,
        )

    def _remember_name(
        self, response: Response, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> None:
        name = form.get("by", "").strip()[:60]
        if name and not visitor.has_key:
            self._auth.set_cookie(response, request, NAME_COOKIE, quote(name))

    async def _bulk(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        visitor, form, refusal = await self._checked(request, "manager")
        if refusal is not None or visitor is None:
            return refusal or self._sign_ins.ask(request)
        return await run_in_threadpool(
            self._apply_to_many, request, visitor, form.fields, form.customers
        )

    def _apply_to_many(
        self, request: Request, visitor: Visitor, form: dict[str, str], customers: Sequence[str]
    ) -> Response:
        try:
            outcome = apply_to_many(self._context, visitor, form, customers)
        except ChurnkitError as error:
            return self._refused_form(error, request, visitor, form)
        response = self._context.page(
            request, "bulk.html", visitor=visitor, title=_("Done"), outcome=outcome
        )
        self._remember_name(response, request, visitor, form)
        return response


def _form_page(path: str, form: Mapping[str, str]) -> str:
    """Return the address of the page of a form that is on no customer's page."""
    if path in {"/teams", "/push"}:
        return path
    if path == "/tasks/change":
        return "/tasks"
    return f"/?{form['query']}" if form.get("query") else "/"


async def _read_form(request: Request) -> _Form:
    """Read a form; return an empty one if it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            return _Form({}, ())
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return _Form(dict(pairs), tuple(value for name, value in pairs if name == "customer"))

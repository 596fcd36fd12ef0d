"""The report, rebuilt for the filtered customers."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from churnkit.core.translation import _, active_locale, ngettext
from churnkit.errors import ChurnkitError
from churnkit.report.report import build_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["ReportPages"]

_CACHED_PARTS: Final = 16
# Each build holds its customers' rows and tables in memory; the full report waits for no other.
_FULL_AT_ONCE: Final = 2
_PARTS_AT_ONCE: Final = 2
# Builds that run or wait, and failures that nobody has seen.
_BUILDS_AT_ONCE: Final = 16
# A report that takes longer is announced by a page with a link to it.
_WAIT_SECONDS: Final = 5.0
_FEWEST_CUSTOMERS: Final = 5
# Without the customers who have left, the others would show no churn and seem to grow: a report on
# a part of the customers has only what concerns today's.
_TABLES_OF_A_PART: Final = ("surveys", "tickets", "reviews")
_WHOLE_SECTIONS: Final = frozenset({"scorecard"})


# Locale, digest of the visible rows, and filters.
_Key: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]


class ReportPages:
    """Reports by filter, cached, and built in the background.

    The reports on all customers, one for each locale, are kept; of the others those that were
    read last. Each is built once, while others are built or read.

    Parameters
    ----------
    context
        Parts of the console.
    embed
        Function from texts to vectors, for themes by meaning.
    """

    def __init__(self, context: PageContext, embed: Embedder | None) -> None:
        self._context, self._embed = context, embed
        self._full: dict[_Key, str] = {}
        self._parts: dict[_Key, str] = {}
        self._builds: dict[_Key, Future[str]] = {}
        self._lock = threading.Lock()
        self._full_builds = threading.BoundedSemaphore(_FULL_AT_ONCE)
        self._part_builds = threading.BoundedSemaphore(_PARTS_AT_ONCE)

    def show(self, request: Request, visitor: Visitor) -> Response:
        """Render the report for the filters of the address, or a page that waits for it."""
        from starlette.responses import HTMLResponse

        names = {c.column: f"f.{c.column}" for c in self._context.customers.filters}
        selected = {
            column: request.query_params[name]
            for column, name in names.items()
            if request.query_params.get(name, "*") != "*"
        }
        key, build = self._begin(selected, self._context.visible_rows(visitor))
        if not wait([build], _WAIT_SECONDS).done:
            return self._context.page(
                request, "report_wait.html", 202, visitor=visitor, title=_("Report")
            )
        headers = self._context.pages.headers(strict=False)
        return HTMLResponse(self._result(key, build), headers=headers)

    def cached(self, selected: Mapping[str, str], visible: NDArray[np.bool_] | None = None) -> str:
        """Return the page for some filters, in the active locale, when it is built.

        Parameters
        ----------
        selected
            Value by column; customers who left have none.
        visible
            Which rows the visitor may see, (n,); None for all.
        """
        return self._result(*self._begin(selected, visible))

    def _begin(
        self, selected: Mapping[str, str], visible: NDArray[np.bool_] | None
    ) -> tuple[_Key, Future[str]]:
        """Return the page of an earlier build, or the build that runs or begins now."""
        rows = "" if visible is None else hashlib.sha256(np.packbits(visible).data).hexdigest()
        key = (active_locale().code, rows, tuple(sorted(selected.items())))
        with self._lock:
            page = self._find(key)
            if page is not None:
                build: Future[str] = Future()
                build.set_result(page)
                return key, build
            if key not in self._builds:
                if len(self._builds) >= _BUILDS_AT_ONCE:
                    self._builds = {k: each for k, each in self._builds.items() if not each.done()}
                if len(self._builds) >= _BUILDS_AT_ONCE:
                    raise ChurnkitError(_("Too many reports are being built. Try again later."))
                self._builds[key] = build = Future()
                # The build has the locale of the request, and does not keep the console from ending.
                threading.Thread(
                    target=copy_context().run,
                    args=(self._finish, key, selected, visible),
                    name="churnkit-report",
                    daemon=True,
                ).start()
            return key, self._builds[key]

    def _result(self, key: _Key, build: Future[str]) -> str:
        """Wait for a page; an error is raised once, and the next visit builds the page anew."""
        try:
            return build.result()
        finally:
            with self._lock:
                if self._builds.get(key) is build:
                    del self._builds[key]

    def _find(self, key: _Key) -> str | None:
        if key in self._parts:
            self._parts[key] = self._parts.pop(key)
        return self._full.get(key) or self._parts.get(key)

    def _finish(
        self, key: _Key, selected: Mapping[str, str], visible: NDArray[np.bool_] | None
    ) -> None:
        """Build a page, keep it, and hand it or the error to those who wait."""
        is_part = bool(selected) or visible is not None
        page, error = "", None
        try:
            with self._part_builds if is_part else self._full_builds:
                page = self._build(selected, visible)
        except Exception as raised:  # noqa: BLE001 - `Future.result` raises it in the request
            error = raised
        with self._lock:
            build = self._builds[key]
            if error is None:
                del self._builds[key]
                (self._parts if is_part else self._full)[key] = page
                while len(self._parts) > _CACHED_PARTS:
                    del self._parts[next(iter(self._parts))]
        if error is None:
            build.set_result(page)
        else:
            build.set_exception(error)

    def _build(self, selected: Mapping[str, str], visible: NDArray[np.bool_] | None) -> str:
        customers, history = self._context.customers, self._context.history
        mask = customers.mask(selected)
        is_part = bool(selected) or visible is not None
        if visible is not None:
            mask &= visible
        if mask.sum() < _FEWEST_CUSTOMERS:
            raise ChurnkitError(
                ngettext(
                    "{count} customer matches; a report needs at least {fewest}",
                    "{count} customers match; a report needs at least {fewest}",
                    int(mask.sum()),
                    fewest=_FEWEST_CUSTOMERS,
                )
            )
        rows: Any = customers.table
        tables: Mapping[str, Any] = history.tables
        if is_part:
            rows = rows.filter(mask)
            names = np.array(customers.customers, object)[mask].tolist()
            tables = history.filter_tables(names, _TABLES_OF_A_PART)
        report = build_report(
            tables,
            model=customers.model,
            customers=rows,
            day=customers.day,
            decisions=customers.select(mask) if is_part else customers.decisions,
            embed=self._embed,
            note="" if is_part else customers.note,
        )
        if is_part:
            sections = (
                section
                for section in report.sections
                if not section.is_missing and section.name not in _WHOLE_SECTIONS
            )
            report = replace(report, sections=tuple(sections))
        toolbar = self._context.pages.fragment(
            "filters.html",
            filters=customers.filters,
            selected=selected,
            path="/report",
            covered=_describe_part(is_team=visible is not None) if is_part else "",
        )
        return report.render(toolbar=toolbar)


def _describe_part(*, is_team: bool) -> str:
    """Describe which customers a report on a part of them covers."""
    whose = _("Customers of your team only.") if is_team else _("Customers who match only.")
    return whose + _(
        " Customers who have left have no owner and no current values, so targets, revenue, "
        "retention, journeys and experiments are in the report on all customers."
    )

"""The report, rebuilt for the filtered customers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.core.translation import active_locale, ngettext
from churnkit.errors import ChurnkitError
from churnkit.report.report import build_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext
    from churnkit.insights.text.embeddings import Embedder

__all__ = ["ReportPages"]

_CACHED_REPORTS: Final = 16
_FEWEST_CUSTOMERS: Final = 5


class ReportPages:
    """Reports by filter, cached.

    Parameters
    ----------
    context
        Parts of the console.
    embed
        Function from texts to vectors, for themes by meaning.
    """

    def __init__(self, context: PageContext, embed: Embedder | None) -> None:
        self._context, self._embed = context, embed
        self._reports: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._lock = threading.Lock()

    def show(self, request: Request, visitor: Visitor) -> Response:
        """Render the report for the filters of the address."""
        if self._context.is_restricted(visitor):
            return self._context.refuse_restricted()
        from starlette.responses import HTMLResponse

        names = {c.column: f"f.{c.column}" for c in self._context.customers.filters}
        selected = {
            column: request.query_params[name]
            for column, name in names.items()
            if request.query_params.get(name, "*") != "*"
        }
        headers = self._context.pages.headers(strict=False)
        return HTMLResponse(self.cached(selected), headers=headers)

    def cached(self, selected: Mapping[str, str]) -> str:
        """Return the page for some filters, in the active locale."""
        key = (active_locale().code, tuple(sorted(selected.items())))
        page = self._reports.get(key)
        if page is not None:
            return page
        with self._lock:
            if key not in self._reports:
                while len(self._reports) >= _CACHED_REPORTS:
                    del self._reports[next(iter(self._reports))]
                self._reports[key] = self._build(selected)
            return self._reports[key]

    def _build(self, selected: Mapping[str, str]) -> str:
        customers, history = self._context.customers, self._context.history
        mask = customers.mask(selected)
        if mask.sum() < _FEWEST_CUSTOMERS:
            raise ChurnkitError(
                ngettext(
                    "{count} customer matches the filters, at least {fewest} are required: "
                    "remove a filter",
                    "{count} customers match the filters, at least {fewest} are required: "
                    "remove a filter",
                    int(mask.sum()),
                    fewest=_FEWEST_CUSTOMERS,
                )
            )
        rows, tables = customers.table, history.tables
        if selected:
            rows = rows.filter(mask)
            tables = history.filter_tables(np.array(customers.customers, object)[mask].tolist())
        report = build_report(
            tables,
            model=customers.model,
            customers=rows,
            day=customers.day,
            decisions=customers.select(mask) if selected else customers.decisions,
            embed=self._embed,
        )
        toolbar = self._context.pages.fragment(
            "filters.html", filters=customers.filters, selected=selected, path="/report"
        )
        return report.render(toolbar=toolbar)

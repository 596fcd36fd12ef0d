"""A report as sections, written as an HTML page, JSON and CSV files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.translation import Locale, _, active_locale, use_locale
from churnkit.errors import ChurnkitError
from churnkit.report.blocks import Figures, Section, Table
from churnkit.report.brand import Brand
from churnkit.report.gather import ReportData, gather_report_data
from churnkit.report.sections import actions, customers, journeys, model, revenue, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.insights.segmentation.kmeans import Clusters

__all__ = ["Report", "build_report", "to_csv"]

_SECTIONS = (
    summary.headline,
    actions.scorecard,
    revenue.revenue,
    revenue.cohorts,
    revenue.survival,
    journeys.journeys,
    model.model,
    model.drivers,
    customers.segments,
    customers.voice,
    actions.actions,
    actions.experiments,
    model.health,
)
# Spreadsheets evaluate a text cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Parameters
    ----------
    title
        Title of the page.
    as_of
        Date of the data, ISO 8601; empty if no table has times.
    currency
        ISO 4217 code of the amounts; empty if unknown.
    sections
        Sections in order.
    model
        Name and digest of the model, if there is one.
    clusters
        Centroids of the behavior segments, for assigning new customers.
    brand
        Name, logo and accent color of the page.
    locale
        Locale of the texts and numbers.
    """

    title: str
    as_of: str
    currency: str
    sections: tuple[Section, ...]
    model: tuple[str, str] | None = None
    clusters: Clusters | None = None
    brand: Brand = field(default_factory=Brand)
    locale: Locale = field(default_factory=active_locale)

    @classmethod
    def of(
        cls, data: ReportData, *, title: str | None = None, brand: Brand | None = None
    ) -> Report:
        """Build the sections from gathered data, in the active locale."""
        facts = data.model
        return cls(
            _("Retention report") if title is None else title,
            data.as_of,
            data.currency,
            tuple(build(data) for build in _SECTIONS),
            None if facts is None else (facts.name, facts.digest or ""),
            data.scored.clusters[0] if data.scored and data.scored.clusters else None,
            brand or Brand(),
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The content of the page as JSON-able data."""
        model = self.model
        return {
            "title": self.title,
            "as_of": self.as_of,
            "currency": self.currency,
            "model": None if model is None else {"name": model[0], "digest": model[1]},
            "sections": [section.to_dict() for section in self.sections],
            "clusters": None if self.clusters is None else self.clusters.to_dict(),
        }

    @property
    def headline(self) -> dict[str, float]:
        """The figures of the first section by name."""
        return {
            figure.name: figure.value
            for block in self.sections[0].blocks
            if isinstance(block, Figures)
            for figure in block.figures
            if figure.value is not None
        }

    @property
    def html(self) -> str:
        """The page: one file without scripts that loads nothing from the network.

        Raises
        ------
        MissingExtraError
            If the extra ``report`` is not installed.
        """
        return self.render()

    def render(self, *, toolbar: str = "") -> str:
        """Return the page, with escaped markup above its sections."""
        from churnkit.report.html import render

        with use_locale(self.locale):
            return render(
                self.sections,
                currency=self.currency,
                toolbar=toolbar,
                brand=self.brand,
                title=self.title,
                as_of=self.as_of,
                model=self.model,
            )

    def write(self, path: str | Path) -> Path:
        """Write the page atomically and return its path; a path ending in ``.pdf`` gives a PDF.

        Raises
        ------
        ChurnkitError
            If a PDF is requested and no browser is installed to print it.
        """
        if Path(path).suffix.lower() == ".pdf":
            from churnkit.report.pdf import write_pdf

            return write_pdf(self.html, path)
        return _write(Path(path), self.html)

    def write_csv(self, folder: str | Path) -> list[Path]:
        """Write the numbers of each chart and table as a CSV file.

        Texts that a spreadsheet would evaluate as a formula are prefixed with an apostrophe.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        return [
            _write(target / f"{block.name}.csv", to_csv(block))
            for section in self.sections
            for block in section.blocks
            if isinstance(block, Table)
        ]

    def _repr_html_(self) -> str:
        return self.html


def build_report(
    tables: Mapping[str, Any] | None = None,
    *,
    title: str | None = None,
    brand: Brand | None = None,
    locale: str | Locale | None = None,
    **settings: Any,
) -> Report:
    """Build a report from raw tables and a model.

    Parameters
    ----------
    tables
        Raw tables by name; see `churnkit.report.gather_report_data`.
    title
        Title of the page; "Retention report" in the report's language if None.
    brand
        Name, logo and accent color; churnkit's own if None.
    locale
        Language and format of numbers: ``"de"``, ``"de_CH"``. Default: the active locale, English
        if none was chosen.
    **settings
        As for `churnkit.report.gather_report_data`: ``model``, ``customers``, ``as_of``...

    Returns
    -------
    Report
        The report; sections without input name what they need.

    Examples
    --------
    >>> report = build_report()
    >>> [section.name for section in report.sections][:3]
    ['headline', 'scorecard', 'revenue']
    """
    with use_locale(active_locale() if locale is None else locale):
        return Report.of(gather_report_data(tables, **settings), title=title, brand=brand)


def to_csv(block: Table) -> str:
    """Return the numbers of a chart or table as CSV, with formulas turned into text.

    Examples
    --------
    >>> from churnkit.report.blocks import Column
    >>> print(to_csv(Table("t", "T", (Column("plan"),), (("=cmd()",),))).splitlines()[1])
    '=cmd()
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_csv_cell(column.title) for column in block.columns])
    writer.writerows([_csv_cell(cell) for cell in row] for row in block.rows)
    return stream.getvalue()


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return "" if cell is None else cell


def _write(path: Path, text: str) -> Path:
    if path.is_dir():
        raise ChurnkitError(f"{path} is a folder: name a file in it")
    write_atomic(path, text)
    return path

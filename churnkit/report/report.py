"""A report: findings as sections, and the sections as a page, as JSON and as CSV files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.atomic_write import write_atomic
from churnkit.errors import ChurnkitError
from churnkit.report.blocks import Chart, Figures, Section, Table
from churnkit.report.gather import Findings, gather
from churnkit.report.sections import actions, customers, model, revenue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.insights.segmentation.kmeans import Clusters

__all__ = ["Report", "build_report"]

_SECTIONS = (
    actions.headline,
    actions.scorecard,
    revenue.revenue,
    revenue.cohorts,
    revenue.survival,
    model.model,
    model.drivers,
    customers.segments,
    customers.voice,
    actions.actions,
    actions.experiments,
    model.health,
)
# A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Parameters
    ----------
    title
        At its head.
    as_of
        The date, or empty.
    currency
        Before amounts of money.
    sections
        In order.
    model
        The model's name and digest, if there is one.
    clusters
        The centroids of the groups of behaviour, to assign new customers by.
    """

    title: str
    as_of: str
    currency: str
    sections: tuple[Section, ...]
    model: tuple[str, str] | None = None
    clusters: Clusters | None = None

    @classmethod
    def of(cls, findings: Findings, *, title: str = "Retention report") -> Report:
        """Make the sections of findings."""
        facts = findings.model
        return cls(
            title,
            findings.as_of,
            findings.currency,
            tuple(make(findings) for make in _SECTIONS),
            None if facts is None else (facts.name, facts.digest or ""),
            findings.scored.clusters[0] if findings.scored and findings.scored.clusters else None,
        )

    @property
    def summary(self) -> dict[str, Any]:
        """Everything that the page tells, as JSON-able data."""
        return {
            "title": self.title,
            "as_of": self.as_of,
            "currency": self.currency,
            "model": None
            if self.model is None
            else {"name": self.model[0], "digest": self.model[1]},
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
        """The page: one file, without script, that asks nothing of a network.

        Raises
        ------
        MissingExtraError
            If the extra ``report`` is not installed.
        """
        from churnkit.report.html import render

        return render(self)

    def write(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        return _write(Path(path), self.html)

    def write_csv(self, folder: str | Path) -> list[Path]:
        """Write the numbers of each chart and table as a CSV file.

        A text that a spreadsheet would take for a formula gets an apostrophe before it.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        return [
            _write(target / f"{block.name}.csv", to_csv(block))
            for section in self.sections
            for block in section.blocks
            if isinstance(block, (Table, Chart))
        ]

    def _repr_html_(self) -> str:
        return self.html


def build_report(
    tables: Mapping[str, Any] | None = None, *, title: str = "Retention report", **settings: Any
) -> Report:
    """Gather all that tables and a model allow, and make a report of it.

    Parameters
    ----------
    tables
        Raw tables by name; see `churnkit.report.gather`.
    title
        At the head of the page.
    settings
        As in `churnkit.report.gather`: ``model``, ``customers``, ``as_of``, ``budget``...

    Examples
    --------
    >>> report = build_report()
    >>> [section.name for section in report.sections][:3]
    ['headline', 'scorecard', 'revenue']
    """
    return Report.of(gather(tables, **settings), title=title)


def to_csv(block: Table | Chart) -> str:
    """Write the numbers of a chart or table as CSV; formulas are made text.

    Examples
    --------
    >>> from churnkit.report.blocks import Column
    >>> print(to_csv(Table("t", "?", (Column("who"),), (("=cmd()",),))).splitlines()[1])
    '=cmd()
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_safe(column.title) for column in block.columns])
    writer.writerows([_safe(cell) for cell in row] for row in block.rows)
    return stream.getvalue()


def _safe(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell


def _write(path: Path, text: str) -> Path:
    if path.is_dir():
        raise ChurnkitError(f"{path} is a folder: name a file in it")
    write_atomic(path, text)
    return path

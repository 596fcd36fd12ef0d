"""Blocks of a report: sections of figures, charts, tables, cards and text, as plain data.

The page, the JSON summary and the CSV files are all written from these blocks, so they agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.translation import _

if TYPE_CHECKING:
    from churnkit.insights.figure import Figure

__all__ = [
    "Card", "Cards", "Chart", "Column", "Figures", "Missing", "Section", "Table", "Text",
    "interval_columns",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart or table.

    Parameters
    ----------
    title
        Label.
    unit
        Unit that decides how the numbers are formatted, as for
        `churnkit.core.number_format.format_quantity`; ``"text"`` for text.
    role
        Role in a chart: ``"x"``, ``"y"``, ``"low"`` or ``"high"``; empty for a column that only
        the table shows.
    tone
        Meaning of a drawn column, which has the same color in all charts: ``"churn"`` or
        ``"saved"``; empty for the color of its position.
    """

    title: str
    unit: str = "text"
    role: str = ""
    tone: str = ""


def interval_columns(unit: str) -> tuple[Column, Column]:
    """Return the columns of an interval's two ends."""
    return Column(_("Lower bound"), unit, "low"), Column(_("Upper bound"), unit, "high")


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table.

    Parameters
    ----------
    name
        Unique name in the report, used for the CSV file and the page's anchor.
    title
        Heading.
    columns
        Titles and units.
    rows
        Cells; None for an empty cell.
    caption
        Finding and method, in a sentence or two.
    heat
        Positions of the columns whose cells are shaded by their value.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""
    heat: tuple[int, ...] = ()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Chart(Table):
    """A chart and the table of its numbers.

    Parameters
    ----------
    name, title, columns, rows, caption, heat
        As for `Table`.
    chart_type
        ``"line"``, ``"stack"``, ``"bars"`` or ``"points"``.
    diagonal
        Whether a dashed line marks where both axes are equal.
    """

    chart_type: str = "line"
    diagonal: bool = False
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True, slots=True)
class Figures:
    """Tiles with one number each, and its formula."""

    figures: tuple[Figure, ...]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True, slots=True)
class Card:
    """A card with a title, a text, and optionally a formatted number and a rank."""

    title: str
    text: str
    figure: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """A row of cards under a title."""

    title: str
    cards: tuple[Card, ...]
    kind: str = field(default="cards", init=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A list of sentences."""

    lines: tuple[str, ...]
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """The input that a section needs and did not get."""

    text: str
    kind: str = field(default="missing", init=False)


Block = Table | Chart | Figures | Cards | Text | Missing


@dataclass(frozen=True, slots=True)
class Section(Result):
    """A section of the report.

    Parameters
    ----------
    name
        Anchor: ``revenue``, ``cohorts``...
    title
        Heading.
    blocks
        Content.
    lead
        Main finding in a sentence.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""

    @property
    def is_missing(self) -> bool:
        """True if the section had no input."""
        return all(isinstance(block, Missing) for block in self.blocks)

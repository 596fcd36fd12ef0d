"""What a report is made of: sections of figures, charts, tables and words, as plain data.

The page, the JSON and the CSV files all come from these, so that they say the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.insights.figure import Figure

__all__ = ["Card", "Cards", "Chart", "Column", "Figures", "Missing", "Section", "Table", "Text"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart's or table's numbers.

    Parameters
    ----------
    title
        As people read it.
    unit
        How its numbers are shown: a figure's unit, or ``text``.
    role
        For a chart: ``x``, ``y``, ``low``, ``high``, ``ghost``; empty if only the table shows it.
    """

    title: str
    unit: str = "text"
    role: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a question.

    Parameters
    ----------
    name
        Short and unique in the report; the CSV file's name.
    question
        What it answers.
    columns
        Titles and units.
    rows
        Cells; None where there is nothing.
    answer
        The finding in a sentence.
    heat
        Columns whose cells are shaded by their share.
    """

    name: str
    question: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    answer: str = ""
    heat: tuple[int, ...] = ()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of a table's numbers, and the table.

    Parameters
    ----------
    name, question, columns, rows, answer
        As `Table`.
    draws
        ``line``, ``stack``, ``bars`` or ``points``.
    diagonal
        Whether a line shows where both axes are equal.
    """

    name: str
    question: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    answer: str = ""
    draws: str = "line"
    diagonal: bool = False
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers with their formulas."""

    figures: tuple[Figure, ...]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to do or to know.

    Parameters
    ----------
    title, text
        In words.
    figure
        A number, as it is shown.
    tag
        Its place.
    """

    title: str
    text: str
    figure: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """A few cards beside each other, with a title above them."""

    title: str
    cards: tuple[Card, ...]
    kind: str = field(default="cards", init=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, or a list where there are several."""

    lines: tuple[str, ...]
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """What to give for a part that could not be made."""

    text: str
    kind: str = field(default="missing", init=False)


Block = Table | Chart | Figures | Cards | Text | Missing


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    name
        Its anchor: ``revenue``, ``cohorts``...
    title
        In a word or two.
    blocks
        What is in it.
    lead
        Its finding in a sentence.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether nothing could be made for it."""
        return all(isinstance(block, Missing) for block in self.blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return the section as JSON-able data."""
        return {
            "name": self.name,
            "title": self.title,
            "lead": self.lead,
            "blocks": [_block(block) for block in self.blocks],
        }


def _block(block: Block) -> dict[str, Any]:
    data = asdict(block)
    if isinstance(block, (Table, Chart)):
        data["rows"] = [list(row) for row in block.rows]
    return data

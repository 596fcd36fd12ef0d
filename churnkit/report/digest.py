"""A short text of a report, for chat and e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.core.number_format import format_interval, format_quantity
from churnkit.core.translation import _, format_day, use_locale
from churnkit.report.blocks import Cards, Figures

if TYPE_CHECKING:
    from churnkit.report.report import Report

__all__ = ["write_digest"]


def write_digest(report: Report) -> str:
    """Return the summary of a report as text: the finding, the key figures, the next steps.

    Parameters
    ----------
    report
        A report.

    Returns
    -------
    str
        Lines of plain text without markup.

    Examples
    --------
    >>> from churnkit.report import build_report
    >>> write_digest(build_report(title="Retention in May"))
    'Retention in May'
    """
    with use_locale(report.locale):
        return _write_lines(report)


def _write_lines(report: Report) -> str:
    section = report.sections[0]
    dated = (
        _("{title}, as of {as_of}", title=report.title, as_of=format_day(report.as_of))
        if report.as_of
        else report.title
    )
    lines = [dated, *([section.lead] if section.lead else [])]
    for block in section.blocks:
        if isinstance(block, Figures):
            for figure in block.figures:
                value = format_quantity(figure.value, figure.unit, currency=report.currency)
                interval = ""
                if figure.low is not None and figure.high is not None:
                    bounds = format_interval(
                        figure.low, figure.high, figure.unit, currency=report.currency
                    )
                    interval = f" ({bounds})"
                lines.append(f"- {figure.title}: {value}{interval}")
        elif isinstance(block, Cards):
            lines.append(f"{block.title}:")
            for card in block.cards:
                figure_text = f" {card.figure}." if card.figure else ""
                lines.append(f"{card.tag}. {card.title}.{figure_text} {card.text}")
    return "\n".join(lines)

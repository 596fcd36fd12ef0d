"""Blocks of the section on survival: the competing reasons of churn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from churnkit.core.number_format import format_percent
from churnkit.core.translation import _
from churnkit.report.blocks import Chart, Column, Table

if TYPE_CHECKING:
    from churnkit.insights.metrics.churn_reasons import ChurnReasons
    from churnkit.report.blocks import Block

__all__ = ["reason_blocks"]

_LONGEST: Final = 37


def reason_blocks(reasons: ChurnReasons | None) -> list[Block]:
    """Return the chart and the table of the reasons of churn; empty if none are recorded."""
    if reasons is None:
        return []
    first = reasons.reasons[0]
    months = reasons.months[:_LONGEST]
    return [
        Chart(
            "churn_reasons",
            _("Customers who left, by reason and months since joining"),
            (
                Column(_("Months since joining"), "months", "x"),
                *(Column(_(reason.name), "share", "y") for reason in reasons.reasons),
            ),
            tuple((m, *(reason.incidence[m] for reason in reasons.reasons)) for m in months),
            _(
                "Cumulative incidence (Aalen-Johansen): the share of all customers that has left for "
                "a reason, when a customer who left for another can no longer leave for this one."
            ),
        ),
        Table(
            "reasons",
            _("Reasons of churn"),
            (
                Column(_("Reason")),
                Column(_("Customers who left"), "customers"),
                Column(_("Share"), "share"),
            ),
            tuple((_(reason.name), reason.customers, reason.share) for reason in reasons.reasons),
            _(
                "{name} is the most frequent recorded reason, with {share} of the customers who left.",
                name=_(first.name),
                share=format_percent(first.share, 1),
            ),
        ),
    ]

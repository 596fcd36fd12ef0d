"""Section: journeys of customers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from churnkit.core.number_format import format_percent
from churnkit.core.translation import _
from churnkit.report.blocks import Chart, Column, Missing, Section, interval_columns
from churnkit.report.sections.customers import describe_highest, ratio_chart

if TYPE_CHECKING:
    from churnkit.insights.metrics.journeys import FunnelStep, Journeys
    from churnkit.report.blocks import Block
    from churnkit.report.gather import ReportData

__all__ = ["journeys"]


def journeys(data: ReportData) -> Section:
    """Build the funnel of new customers and the paths before churn."""
    title, found = _("Journeys"), data.journeys
    if found is None:
        need = _(
            "Provide events (--table events=FILE: customer, date, kind) and subscriptions, with "
            "a history of several months."
        )
        return Section("journeys", title, (Missing(need),))
    blocks: list[Block] = []
    lead = ""
    if found.funnel:
        lead = _funnel_lead(found.funnel)
        blocks.append(_funnel(found))
    if found.paths:
        highest = describe_highest(
            lambda name: _("Customers with the path {quoted}", quoted=_("“{text}”", text=name)),
            found.paths,
        )
        blocks.append(
            ratio_chart(
                "paths",
                _("Relative churn rate by path"),
                found.paths,
                _(
                    "The last different events of the {path_days} days before, in order; the most "
                    "frequent paths. {highest} An association, not necessarily a cause.",
                    path_days=found.path_days,
                    highest=highest,
                ),
                of=_("Path"),
            )
        )
    return Section("journeys", title, tuple(blocks), lead)


def _funnel_lead(funnel: tuple[FunnelStep, ...]) -> str:
    losses = [(before.share - step.share, step.name) for before, step in itertools.pairwise(funnel)]
    lost, name = max(losses)
    return _(
        "{share} of new customers take all steps to regular use. Most, {lost}, are lost at "
        "“{name}”.",
        share=format_percent(funnel[-1].share, 1),
        lost=format_percent(lost, 1),
        name=name,
    )


def _funnel(found: Journeys) -> Chart:
    return Chart(
        "funnel",
        _("From joining to regular use"),
        (
            Column(_("Step"), role="x"),
            Column(_("Share of new customers"), "share", "y"),
            *interval_columns("share"),
            Column(_("Customers"), "customers"),
            Column(_("Churn rate"), "share"),
        ),
        tuple(
            (step.name, step.share, step.low, step.high, step.customers, step.rate)
            for step in found.funnel
        ),
        _(
            "Customers who took a step and all steps before it, among those who joined in the 12 "
            "months before the last {churn_days} days. Churn rate: within {churn_days} days of "
            "joining.",
            churn_days=found.churn_days,
        ),
        chart_type="bars",
    )

"""Balanced scorecard: financial, customer, process and learning measures with targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.translation import _, mark_text
from churnkit.insights.figure import ratio, results_to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from churnkit.insights.metrics.retention import RetentionMetrics
    from churnkit.insights.metrics.surveys import Satisfaction
    from churnkit.insights.metrics.treatment_effects import MeasuredEffect

__all__ = ["Goal", "Scorecard", "build_scorecard"]

_PREVIOUS_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Goal(Result):
    """A measure of the scorecard.

    Parameters
    ----------
    name
        Name by which a target is set.
    perspective
        ``financial``, ``customer``, ``process`` or ``learning``.
    title, unit, formula
        As for a `Figure`.
    value
        Value of the last complete month, or the current one.
    target
        Lower bound to reach, or upper bound if `at_most`.
    at_most
        Whether lower is better.
    is_custom
        Whether the target was set by the user; otherwise it is the mean of previous months.
    series
        Value of each month, the earliest first; None if unknown.
    """

    name: str
    perspective: str
    title: str
    unit: str
    formula: str
    value: float | None
    target: float | None
    at_most: bool
    is_custom: bool
    series: tuple[tuple[str, float | None], ...] = ()

    @property
    def met(self) -> bool | None:
        """True if the target is met; None without a value or target."""
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def trend(self) -> str:
        """Comparison of the last three months with the three before."""
        values = [value for _, value in self.series if value is not None]
        if len(values) < 6:
            return _("not enough data")
        recent, before = sum(values[-3:]) / 3, sum(values[-6:-3]) / 3
        if abs(recent - before) <= 0.02 * abs(before):
            return _("steady")
        return _("better") if (recent < before) == self.at_most else _("worse")

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON-able data."""
        return {**Result.to_dict(self), "met": self.met, "trend": self.trend}


@dataclass(frozen=True, slots=True)
class Scorecard(Result):
    """The measures of the scorecard by perspective."""

    goals: tuple[Goal, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per measure."""
        return results_to_frame(self.goals)


def build_scorecard(
    *,
    retention: RetentionMetrics | None = None,
    satisfaction: Satisfaction | None = None,
    effects: Sequence[MeasuredEffect] = (),
    actions: int = 0,
    auc: float | None = None,
    rule_auc: float | None = None,
    targets: Mapping[str, float] | None = None,
) -> Scorecard:
    """Build a scorecard; measures without data are left out.

    Parameters
    ----------
    retention, satisfaction, effects
        Results to take measures from.
    actions
        Number of actions in the plan.
    auc, rule_auc
        AUC of the model and of the best single rule on held-out customers.
    targets
        Targets by measure; default: the mean of up to 12 previous months.

    Returns
    -------
    Scorecard
        The measures that have a value.

    Examples
    --------
    >>> card = build_scorecard(auc=0.8, rule_auc=0.7, targets={"model": 0.75})
    >>> card.goals[0].perspective, card.goals[0].met
    ('learning', True)
    """
    custom = dict(targets or {})
    tested = sum(effect.randomized for effect in effects)
    series = _retention_series(retention) | _survey_series(satisfaction)
    values = {name: [v for _, v in months if v is not None] for name, months in series.items()}
    defaults = {name: _mean(numbers[:-1][-_PREVIOUS_MONTHS:]) for name, numbers in values.items()}
    current = {name: numbers[-1] for name, numbers in values.items() if numbers}
    if auc is not None:
        current["model"], defaults["model"] = auc, rule_auc
    if actions or tested:
        current["tested"], defaults["tested"] = float(tested), 1.0
    return Scorecard(
        tuple(
            Goal(
                name,
                perspective,
                _(label),
                unit,
                _(formula),
                current[name],
                custom.get(name, defaults[name]),
                at_most=name in _LOWER_IS_BETTER,
                is_custom=name in custom,
                series=tuple(series.get(name, ())),
            )
            for name, (perspective, label, unit, formula) in _MEASURES.items()
            if name in current
        )
    )


# Perspective, title, unit and formula of each measure.
_MEASURES = {
    "nrr": (
        "financial", mark_text("Net revenue retention, monthly"), "share",
        mark_text("(opening - churn - contraction + expansion) / opening monthly revenue"),
    ),
    "mrr": (
        "financial", mark_text("Monthly revenue"), "money a month", mark_text("sum of active subscriptions at month end"),
    ),
    "revenue": ("financial", mark_text("Order revenue, monthly"), "money", mark_text("orders less refunds")),
    "churn": (
        "customer", mark_text("Customer churn, monthly"), "share",
        mark_text("customers lost / customers at the start of the month"),
    ),
    "nps": (
        "customer", mark_text("Net promoter score, monthly"), "points",
        mark_text("100 x (share of scores 9 and 10 - share of scores 0 to 6)"),
    ),
    "stickiness": (
        "process", mark_text("Stickiness"), "share", mark_text("daily active customers / monthly active customers"),
    ),
    "response": (
        "process", mark_text("Survey response rate"), "share", mark_text("surveys answered / surveys sent in the month"),
    ),
    "model": (
        "learning", mark_text("Model AUC on held-out customers"), "count",
        mark_text("probability that a churned customer is ranked above one who stayed; target: best " "single rule"),
    ),
    "tested": (
        "learning", mark_text("Actions with a measured effect"), "count",
        mark_text("actions with an effect measured in an experiment; target: 1"),
    ),
}  # fmt: skip
_LOWER_IS_BETTER = frozenset({"churn"})


Series = dict[str, list[tuple[str, float | None]]]


def _retention_series(retention: RetentionMetrics | None) -> Series:
    series: Series = {}
    if retention is None:
        return series
    if retention.movements is not None:
        months = [month for month in retention.movements.months if month.complete]
        series["nrr"] = [
            (m.name, ratio(m.opening_mrr + m.expansion_mrr - m.contraction_mrr - m.churn_mrr, m.opening_mrr))
            for m in months
        ]  # fmt: skip
        series["mrr"] = [(m.name, m.closing_mrr) for m in months]
        series["churn"] = [(m.name, ratio(m.left_customers, m.opening_customers)) for m in months]
    elif retention.purchases is not None:
        series["revenue"] = [(m.name, m.revenue) for m in retention.purchases.months if m.complete]
    if retention.activity is not None:
        series["stickiness"] = [
            (m.name, m.stickiness) for m in retention.activity.months if m.complete
        ]
    return series


def _survey_series(satisfaction: Satisfaction | None) -> Series:
    if satisfaction is None:
        return {}
    counts: dict[str, tuple[int, int]] = {}
    for month in satisfaction.months:
        answers, sent = counts.get(month.name, (0, 0))
        counts[month.name] = answers + month.answers, sent + month.sent
    return {
        "nps": [(m.name, m.value) for m in satisfaction.months if m.kind == "NPS"],
        "response": [(name, ratio(answers, sent)) for name, (answers, sent) in counts.items()],
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

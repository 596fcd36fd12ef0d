"""Balanced scorecard: financial, customer, process and learning measures with targets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from churnkit.insights.metrics.retention import RetentionMetrics
    from churnkit.insights.metrics.surveys import Satisfaction
    from churnkit.insights.metrics.treatment_effects import MeasuredEffect

__all__ = ["Goal", "Scorecard", "build_scorecard"]

_PREVIOUS_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Goal:
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
        """Whether the target is met; None without a value or target."""
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def trend(self) -> str:
        """Comparison of the last three months with the three before."""
        values = [value for _, value in self.series if value is not None]
        if len(values) < 6:
            return "not enough data"
        recent, before = sum(values[-3:]) / 3, sum(values[-6:-3]) / 3
        if abs(recent - before) <= 0.02 * abs(before):
            return "steady"
        return "better" if (recent < before) == self.at_most else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON-able data."""
        series = [list(pair) for pair in self.series]
        return {**asdict(self), "series": series, "met": self.met, "trend": self.trend}


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The measures of the scorecard by perspective."""

    goals: tuple[Goal, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the measures as JSON-able data."""
        return {"goals": [goal.to_dict() for goal in self.goals]}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per measure."""
        import pandas as pd

        return pd.DataFrame([goal.to_dict() for goal in self.goals])


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
    goals = [
        *_financial(retention, custom),
        *_customer(retention, satisfaction, custom),
        *_process(retention, satisfaction, custom),
        *_learning(effects, actions, auc, rule_auc, custom),
    ]
    return Scorecard(tuple(goal for goal in goals if goal.value is not None))


def _goal(
    name: str,
    perspective: str,
    title: str,
    unit: str,
    *,
    formula: str,
    series: Sequence[tuple[str, float | None]],
    custom: Mapping[str, float],
    at_most: bool = False,
) -> Goal:
    values = [value for _, value in series if value is not None]
    previous = values[:-1][-_PREVIOUS_MONTHS:]
    mean = sum(previous) / len(previous) if previous else None
    return Goal(
        name,
        perspective,
        title,
        unit,
        formula,
        values[-1] if values else None,
        custom.get(name, mean),
        at_most,
        name in custom,
        tuple(series),
    )


def _financial(retention: RetentionMetrics | None, custom: Mapping[str, float]) -> list[Goal]:
    if retention is None:
        return []
    goals = []
    if retention.movements is not None:
        complete = [month for month in retention.movements.months if month.complete]
        kept = [
            (
                m.name,
                ratio(m.opening_mrr + m.expansion_mrr - m.contraction_mrr - m.churn_mrr, m.opening_mrr),
            )
            for m in complete
        ]  # fmt: skip
        goals.append(
            _goal("nrr", "financial", "Net revenue retention, monthly", "share",
                  formula="(opening - churn - contraction + expansion) / opening monthly revenue", series=kept, custom=custom)
        )  # fmt: skip
        revenue = [(m.name, m.closing_mrr) for m in complete]
        goals.append(
            _goal("mrr", "financial", "Monthly revenue", "money a month",
                  formula="sum of active subscriptions at month end", series=revenue, custom=custom)
        )  # fmt: skip
    elif retention.purchases is not None:
        series = [(m.name, m.revenue) for m in retention.purchases.months if m.complete]
        goals.append(
            _goal("revenue", "financial", "Order revenue, monthly", "money",
                  formula="orders less refunds", series=series, custom=custom)
        )  # fmt: skip
    return goals


def _customer(
    retention: RetentionMetrics | None,
    satisfaction: Satisfaction | None,
    custom: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if retention is not None and retention.movements is not None:
        series = [
            (m.name, ratio(m.left_customers, m.opening_customers))
            for m in retention.movements.months
            if m.complete
        ]
        goals.append(
            _goal("churn", "customer", "Customer churn, monthly", "share",
                  formula="customers lost / customers at the start of the month", series=series, custom=custom,
                  at_most=True)
        )  # fmt: skip
    if satisfaction is not None:
        months = [(m.name, m.value) for m in satisfaction.months if m.kind == "NPS"]
        goals.append(
            _goal("nps", "customer", "Net promoter score, monthly", "points",
                  formula="100 x (share of scores 9 and 10 - share of scores 0 to 6)", series=months, custom=custom)
        )  # fmt: skip
    return goals


def _process(
    retention: RetentionMetrics | None,
    satisfaction: Satisfaction | None,
    custom: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if retention is not None and retention.activity is not None:
        series = [(m.name, m.stickiness) for m in retention.activity.months if m.complete]
        goals.append(
            _goal("stickiness", "process", "Stickiness (daily / monthly active)", "share",
                  formula="daily active customers / monthly active customers", series=series, custom=custom)
        )  # fmt: skip
    if satisfaction is not None:
        answered: dict[str, list[int]] = {}
        for month in satisfaction.months:
            counts = answered.setdefault(month.name, [0, 0])
            counts[0] += month.answers
            counts[1] += month.asked
        rates = [(name, ratio(answers, sent)) for name, (answers, sent) in answered.items()]
        goals.append(
            _goal("response", "process", "Survey response rate", "share",
                  formula="surveys answered / surveys sent in the month", series=rates, custom=custom)
        )  # fmt: skip
    return goals


def _learning(
    effects: Sequence[MeasuredEffect],
    actions: int,
    auc: float | None,
    rule_auc: float | None,
    custom: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if auc is not None:
        goals.append(
            Goal("model", "learning", "Model AUC on held-out customers", "count",
                 "probability that a churned customer is ranked above one who stayed; target: the best single rule",
                 auc, custom.get("model", rule_auc), at_most=False, is_custom="model" in custom)
        )  # fmt: skip
    tested = len([effect for effect in effects if effect.randomized])
    if actions or tested:
        goals.append(
            Goal("tested", "learning", "Actions with a measured effect", "count",
                 "actions with an effect measured in an experiment; target: 1",
                 float(tested), custom.get("tested", 1.0), at_most=False, is_custom="tested" in custom)
        )  # fmt: skip
    return goals

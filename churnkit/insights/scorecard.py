"""One page for a manager: financial, customer, process, learning; each with target and trend."""

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

__all__ = ["Goal", "Scorecard", "make_scorecard"]

_BEFORE = 12


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the scorecard.

    Parameters
    ----------
    name
        What targets are given by.
    perspective
        ``financial``, ``customer``, ``process`` or ``learning``.
    title, unit, formula
        As a figure's.
    value
        Of the last complete month, or now.
    target
        What it should be at least, or at most.
    at_most
        Whether less is better.
    given
        Whether a person gave the target; else it is the mean of the months before.
    series
        The months up to now, the earliest first; None where nothing is known.
    """

    name: str
    perspective: str
    title: str
    unit: str
    formula: str
    value: float | None
    target: float | None
    at_most: bool
    given: bool
    series: tuple[tuple[str, float | None], ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where one of both is not known."""
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def trend(self) -> str:
        """Whether the last three months were better than the three before."""
        known = [value for _, value in self.series if value is not None]
        if len(known) < 6:
            return "too short to tell"
        recent, before = sum(known[-3:]) / 3, sum(known[-6:-3]) / 3
        if abs(recent - before) <= 0.02 * abs(before):
            return "steady"
        return "better" if (recent < before) == self.at_most else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return the line as JSON-able data."""
        series = [list(pair) for pair in self.series]
        return {**asdict(self), "series": series, "met": self.met, "trend": self.trend}


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The lines of the scorecard, by perspective."""

    goals: tuple[Goal, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the lines as JSON-able data."""
        return {"goals": [goal.to_dict() for goal in self.goals]}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a line."""
        import pandas as pd

        return pd.DataFrame([goal.to_dict() for goal in self.goals])


def make_scorecard(
    *,
    retention: RetentionMetrics | None = None,
    satisfaction: Satisfaction | None = None,
    effects: Sequence[MeasuredEffect] = (),
    actions: int = 0,
    auc: float | None = None,
    rule_auc: float | None = None,
    targets: Mapping[str, float] | None = None,
) -> Scorecard:
    """Put the scorecard together from what is known; lines without data are left out.

    Parameters
    ----------
    retention, satisfaction, effects
        What was measured.
    actions
        How many actions the catalogue names.
    auc, rule_auc
        Of the model and of the best single rule, on held-out customers.
    targets
        By the lines' names; without one the target is the mean of up to twelve months before.

    Examples
    --------
    >>> card = make_scorecard(auc=0.8, rule_auc=0.7, targets={"model": 0.75})
    >>> card.goals[0].perspective, card.goals[0].met
    ('learning', True)
    """
    given = dict(targets or {})
    goals = [
        *_financial(retention, given),
        *_customer(retention, satisfaction, given),
        *_process(retention, satisfaction, given),
        *_learning(effects, actions, auc, rule_auc, given),
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
    given: Mapping[str, float],
    at_most: bool = False,
) -> Goal:
    known = [value for _, value in series if value is not None]
    before = known[:-1][-_BEFORE:]
    usual = sum(before) / len(before) if before else None
    return Goal(
        name,
        perspective,
        title,
        unit,
        formula,
        known[-1] if known else None,
        given.get(name, usual),
        at_most,
        name in given,
        tuple(series),
    )


def _financial(retention: RetentionMetrics | None, given: Mapping[str, float]) -> list[Goal]:
    if retention is None:
        return []
    goals = []
    if retention.movements is not None:
        over = [month for month in retention.movements.months if month.complete]
        kept = [
            (
                m.name,
                ratio(m.opening_mrr + m.expansion_mrr - m.contraction_mrr - m.churn_mrr, m.opening_mrr),
            )
            for m in over
        ]  # fmt: skip
        goals.append(
            _goal("nrr", "financial", "Net revenue retention, month", "share",
                  formula="(opening - churn - contraction + expansion) / opening monthly revenue", series=kept, given=given)
        )  # fmt: skip
        revenue = [(m.name, m.closing_mrr) for m in over]
        goals.append(
            _goal("mrr", "financial", "Monthly revenue", "money a month",
                  formula="sum of what runs at the month's end", series=revenue, given=given)
        )  # fmt: skip
    elif retention.purchases is not None:
        series = [(m.name, m.revenue) for m in retention.purchases.months if m.complete]
        goals.append(
            _goal("revenue", "financial", "Revenue of the month", "money",
                  formula="amounts of orders less refunds", series=series, given=given)
        )  # fmt: skip
    return goals


def _customer(
    retention: RetentionMetrics | None,
    satisfaction: Satisfaction | None,
    given: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if retention is not None and retention.movements is not None:
        series = [
            (m.name, ratio(m.left_customers, m.opening_customers))
            for m in retention.movements.months
            if m.complete
        ]
        goals.append(
            _goal("churn", "customer", "Customers lost, month", "share",
                  formula="customers lost / customers there at the month's beginning", series=series, given=given,
                  at_most=True)
        )  # fmt: skip
    if satisfaction is not None:
        months = [(m.name, m.value) for m in satisfaction.months if m.kind == "NPS"]
        goals.append(
            _goal("nps", "customer", "Net promoter score, month", "points",
                  formula="share of 9 and 10 less share of 0 to 6, x 100", series=months, given=given)
        )  # fmt: skip
    return goals


def _process(
    retention: RetentionMetrics | None,
    satisfaction: Satisfaction | None,
    given: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if retention is not None and retention.activity is not None:
        series = [(m.name, m.stickiness) for m in retention.activity.months if m.complete]
        goals.append(
            _goal("stickiness", "process", "Stickiness of the product", "share",
                  formula="active on a day / active in the month", series=series, given=given)
        )  # fmt: skip
    if satisfaction is not None:
        answered: dict[str, list[int]] = {}
        for month in satisfaction.months:
            own = answered.setdefault(month.name, [0, 0])
            own[0] += month.answers
            own[1] += month.asked
        rates = [(name, ratio(answers, asked)) for name, (answers, asked) in answered.items()]
        goals.append(
            _goal("response", "process", "Surveys answered", "share",
                  formula="surveys answered / sent in the month, all kinds", series=rates, given=given)
        )  # fmt: skip
    return goals


def _learning(
    effects: Sequence[MeasuredEffect],
    actions: int,
    auc: float | None,
    rule_auc: float | None,
    given: Mapping[str, float],
) -> list[Goal]:
    goals = []
    if auc is not None:
        goals.append(
            Goal("model", "learning", "Model's AUC on held-out customers", "count",
                 "chance that a leaver is ranked above a stayer; the target is the best single rule's",
                 auc, given.get("model", rule_auc), at_most=False, given="model" in given)
        )  # fmt: skip
    tested = len([effect for effect in effects if effect.randomised])
    if actions or tested:
        goals.append(
            Goal("tested", "learning", "Actions with a measured effect", "count",
                 "actions whose effect an experiment has measured; the target is one",
                 float(tested), given.get("tested", 1.0), at_most=False, given="tested" in given)
        )  # fmt: skip
    return goals

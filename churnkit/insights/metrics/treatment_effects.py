"""Effects of past actions on churn, weighted by inverse propensity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.stats.special import NORMAL_95
from churnkit.core.translation import _
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "MeasuredEffect", "measure_effects"]

_CONTROL_NAMES = ("none", "control", "no", "nothing", "")
_FEWEST = 50

# Two passes: weighted churn rates, then the variance around them.
_RATES = """
CREATE OR REPLACE TEMP TABLE ck_rates AS
SELECT action, count(*) AS customers, sum(weight * churned) / sum(weight) AS rate,
  sum(weight) AS weights
FROM ck_treated GROUP BY action
"""

_SPREAD = """
SELECT r.action, min(r.customers), min(r.rate),
  sum(t.weight * t.weight * (t.churned - r.rate) * (t.churned - r.rate))
    / (min(r.weights) * min(r.weights))
FROM ck_treated AS t JOIN ck_rates AS r ON r.action = t.action
GROUP BY r.action ORDER BY r.action
"""

QUERIES = {"rates": _RATES, "spread": _SPREAD}


@dataclass(frozen=True, slots=True)
class MeasuredEffect(Result):
    """Effect of an action on the churn rate.

    Parameters
    ----------
    action
        Name of the action.
    customers, control_customers
        Number of customers with the action, and without any.
    rate, control_rate
        Weighted churn rates.
    value, low, high
        Difference of the rates with its 95% interval; negative values reduce churn.
    randomized
        Whether propensities were recorded; without them the groups are compared unweighted.
    formula
        Definition of the effect.
    """

    action: str
    customers: int
    control_customers: int
    rate: float
    control_rate: float
    value: float
    low: float
    high: float
    randomized: bool
    formula: str

    @property
    def verdict(self) -> str:
        """Conclusion from the interval."""
        if self.high < 0:
            return _("reduces churn")
        return _("increases churn") if self.low > 0 else _("no significant effect")

    def to_dict(self) -> dict[str, Any]:
        """Return the effect as JSON-able data."""
        return {**Result.to_dict(self), "verdict": self.verdict}


def measure_effects(session: InsightsSession) -> tuple[MeasuredEffect, ...]:
    """Estimate the effect of each action compared with no action.

    Decisions with a known outcome are weighted by inverse propensity (Hajek estimator).

    Parameters
    ----------
    session
        Session with the table ``treatments``.

    Returns
    -------
    tuple of MeasuredEffect
        The strongest reduction first; empty without customers who got no action.
    """
    moment = f"TIMESTAMP '{session.as_of:%Y-%m-%d %H:%M:%S}'"
    randomized = session.has("treatments", "propensity")
    weight = "1.0 / propensity" if randomized else "1.0"
    condition = "AND propensity > 0" if randomized else ""
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_treated AS "  # noqa: S608  (built from constants of this module)
        f"SELECT lower(coalesce(action, 'none')) AS action, {weight} AS weight, "
        "CASE WHEN churned THEN 1.0 ELSE 0.0 END AS churned FROM ck_in_treatments "
        f"WHERE churned IS NOT NULL AND decided < {moment} {condition}"
    )
    session.run(transpile_sql(_RATES))
    groups = {name: row for name, *row in session.rows(transpile_sql(_SPREAD))}
    control = next((groups[name] for name in _CONTROL_NAMES if name in groups), None)
    if control is None:
        return ()
    weighting = (
        _("weighted by inverse propensity")
        if randomized
        else _("unweighted: without recorded propensities this is not an experiment")
    )
    effects = []
    for name, (customers, rate, variance) in groups.items():
        if name in _CONTROL_NAMES or customers < _FEWEST:
            continue
        value = float(rate) - float(control[1])
        half = NORMAL_95 * math.sqrt(float(variance) + float(control[2]))
        effects.append(
            MeasuredEffect(
                name,
                int(customers),
                int(control[0]),
                float(rate),
                float(control[1]),
                value,
                value - half,
                value + half,
                randomized,
                _(
                    "churn rate with the action - churn rate without, {weighting}",
                    weighting=weighting,
                ),
            )
        )
    return tuple(sorted(effects, key=lambda effect: effect.value))

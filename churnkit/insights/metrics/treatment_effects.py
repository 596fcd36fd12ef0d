"""What past actions did, by the propensities with which they were taken: a causal answer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Z95
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "MeasuredEffect", "measure_effects"]

_NOTHING = ("none", "control", "no", "nothing", "")
_FEWEST = 50

# Two passes: the weighted shares that left, then the variance about them.
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
class MeasuredEffect:
    """What an action did to the share that left.

    Parameters
    ----------
    action
        Its name.
    customers, control_customers
        Who got it, and who got nothing.
    rate, control_rate
        Weighted shares that left.
    value, low, high
        Their difference with its 95% interval; below 0 the action keeps customers.
    randomised
        Whether propensities were recorded; without them groups are compared as they are.
    formula
        In words.
    """

    action: str
    customers: int
    control_customers: int
    rate: float
    control_rate: float
    value: float
    low: float
    high: float
    randomised: bool
    formula: str

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.high < 0:
            return "keeps customers"
        return "drives customers away" if self.low > 0 else "no effect shown"

    def to_dict(self) -> dict[str, Any]:
        """Return the effect as JSON-able data."""
        return {**asdict(self), "verdict": self.verdict}


def measure_effects(business: InsightsSession) -> tuple[MeasuredEffect, ...]:
    """Compare each action with doing nothing; empty where nobody got nothing.

    Decisions count whose outcome is known. Each is weighted by one over the probability with
    which it was taken (Hajek), so that who was chosen more often does not count more.
    """
    moment = f"TIMESTAMP '{business.as_of:%Y-%m-%d %H:%M:%S}'"
    randomised = business.has("treatments", "propensity")
    weight = "1.0 / propensity" if randomised else "1.0"
    known = "AND propensity > 0" if randomised else ""
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_treated AS "  # noqa: S608  (of this module's own words)
        f"SELECT lower(coalesce(action, 'none')) AS action, {weight} AS weight, "
        "CASE WHEN churned THEN 1.0 ELSE 0.0 END AS churned FROM ck_in_treatments "
        f"WHERE churned IS NOT NULL AND decided < {moment} {known}"
    )
    business.run(in_dialect(_RATES))
    found = {name: row for name, *row in business.rows(in_dialect(_SPREAD))}
    control = next((found[name] for name in _NOTHING if name in found), None)
    if control is None:
        return ()
    how = (
        "weighted by 1 / the probability of the decision"
        if randomised
        else "as the groups are: no propensities were recorded, so this is no experiment"
    )
    effects = []
    for name, (customers, rate, variance) in found.items():
        if name in _NOTHING or customers < _FEWEST:
            continue
        value = float(rate) - float(control[1])
        half = Z95 * math.sqrt(float(variance) + float(control[2]))
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
                randomised,
                f"share that left with the action less the share that left without, {how}",
            )
        )
    return tuple(sorted(effects, key=lambda one: one.value))

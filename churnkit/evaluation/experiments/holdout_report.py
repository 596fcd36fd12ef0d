"""The journal's own experiments: everybody outside a holdout against those inside.

Holdouts are drawn by a hash of the customer, so that customers inside and outside differ by
chance alone. All customers count who were decided on, whether they got an action or not: that
is the effect of letting the policy decide, and cannot be bent by whom it chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError
from churnkit.evaluation.experiments.ab_test import ExperimentReadout, read_experiment
from churnkit.evaluation.experiments.outcomes import Outcomes, outcomes_after
from churnkit.evaluation.experiments.overrides import ActionOverrides, count_overrides

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["ExperimentReport", "experiment_report"]

_GLOBAL = "global"


@dataclass(frozen=True)
class ExperimentReport:
    """What `experiment_report` found.

    Attributes
    ----------
    readouts
        For ``"global"`` and each action with a holdout of its own: the readout.
    unread
        The same for holdouts that nothing can be read from yet: why.
    customers
        How many have an outcome by now.
    immature
        How many were decided on too short a time ago.
    outcome
        What was measured.
    overrides
        How people took the recommendations, by action; empty if nobody spoke.
    """

    readouts: Mapping[str, ExperimentReadout]
    unread: Mapping[str, str]
    customers: int
    immature: int
    outcome: str
    overrides: tuple[ActionOverrides, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "outcome": self.outcome,
            "customers": self.customers,
            "immature": self.immature,
            "readouts": {name: readout.to_dict() for name, readout in self.readouts.items()},
            "unread": dict(self.unread),
            "overrides": [each.to_dict() for each in self.overrides],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a holdout."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "holdout": name,
                    "treated": found.treated,
                    "control": found.control,
                    "effect": found.best.value,
                    "low": found.best.low,
                    "high": found.best.high,
                    "verdict": found.verdict,
                }
                for name, found in self.readouts.items()
            ],
            columns=["holdout", "treated", "control", "effect", "low", "high", "verdict"],
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.5f}".format))


def experiment_report(
    decisions: pa.Table,
    outcomes: pa.Table,
    *,
    kind: str,
    horizon_days: float,
    until: datetime | None = None,
    shares: Mapping[str, float] | None = None,
    before: Mapping[str, float] | None = None,
    lower_is_better: bool = False,
    level: float = 0.95,
) -> ExperimentReport:
    """Read the effect of the policy, and of each action, out of the journal's tables.

    Parameters
    ----------
    decisions, outcomes
        `Journal.decisions` and `Journal.outcomes` as Arrow tables.
    kind
        The outcome that counts, such as ``"stayed"`` or ``"spend"``; its values are summed.
    horizon_days
        How long after a customer's first decision an outcome counts.
    until
        The time at which the tables were read; decisions less than a horizon before it are
        left out. The latest observation if not given.
    shares
        The share held out by design, by holdout (``"global"`` or an action), for the
        sample-ratio check.
    before
        For each customer what was known before, such as last year's spend, to take variance
        out (CUPED).
    lower_is_better
        For outcomes like ``"churned"``: effects are then turned round.
    level
        Confidence of the intervals.

    Raises
    ------
    EvaluationError
        Nobody was decided on, no decision is old enough, or nobody is held out.
    """
    counted = outcomes_after(decisions, outcomes, kind=kind, horizon_days=horizon_days, until=until)
    if not len(counted):
        raise EvaluationError(
            f"none of {counted.immature} customers was decided on {horizon_days:g} days before the "
            "latest observation: wait, or shorten the horizon"
        )
    value = -counted.value if lower_is_better else counted.value
    inside = {name: _inside(counted, name) for name in _names(counted)}
    if not inside:
        raise EvaluationError(
            f"none of {len(counted)} customers is held out: set holdout in the catalogue, or "
            "nothing can ever be proven"
        )
    everywhere = inside.get(_GLOBAL, np.zeros(len(counted), dtype=bool))
    known = None if before is None else np.array([before.get(c, np.nan) for c in counted.customer])
    readouts: dict[str, ExperimentReadout] = {}
    unread: dict[str, str] = {}
    for name, held in inside.items():
        rows = np.ones(len(counted), dtype=bool) if name == _GLOBAL else ~everywhere
        share = (shares or {}).get(name)
        try:
            readouts[name] = read_experiment(
                value[rows],
                ~held[rows],
                before=None if known is None else known[rows],
                share=None if share is None else 1 - share,
                level=level,
            )
        except EvaluationError as error:
            unread[name] = str(error)
    overrides = count_overrides(decisions)
    return ExperimentReport(readouts, unread, len(counted), counted.immature, kind, overrides)


def _names(counted: Outcomes) -> list[str]:
    names = {name for held in counted.holdout for name in _split(held)}
    return sorted(names, key=lambda name: (name != _GLOBAL, name))


def _inside(counted: Outcomes, name: str) -> NDArray[np.bool_]:
    return np.array([name in _split(held) for held in counted.holdout], dtype=bool)


def _split(held: str | None) -> list[str]:
    return [] if held is None else [name.strip() for name in held.split(",") if name.strip()]

"""Experiments from the journal: customers outside a holdout compared with those inside.

Holdouts are drawn by a hash of the customer, so customers inside and outside differ by chance
alone. All customers with a decision count, with or without an action: this is the effect of the
policy (intention to treat), which the policy's choice of customers cannot bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.evaluation.experiments.ab_test import ExperimentReadout, read_experiment
from churnkit.evaluation.experiments.outcomes import Outcomes, outcomes_after
from churnkit.evaluation.experiments.overrides import ActionOverrides, count_overrides
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["ExperimentReport", "experiment_report"]

_GLOBAL = "global"


@dataclass(frozen=True)
class ExperimentReport(PlottableResult):
    """Result of `experiment_report`.

    Parameters
    ----------
    readouts
        Readout by holdout: ``"global"``, and each action that has a holdout.
    unread
        Holdouts that cannot be read yet, with the reason.
    customers
        Number of customers whose horizon has passed.
    immature
        Number of customers decided on less than a horizon ago.
    outcome
        The kind of outcome measured.
    overrides
        Verdicts of people on the recommendations, by action; empty if there are none.
    """

    _display: ClassVar[str] = "IntervalDisplay"
    display_title: ClassVar[str] = "Effect by holdout"

    readouts: Mapping[str, ExperimentReadout]
    unread: Mapping[str, str]
    customers: int
    immature: int
    outcome: str
    overrides: tuple[ActionOverrides, ...] = ()

    @property
    def intervals(self) -> dict[str, Interval]:
        """The effect by holdout."""
        return {name: readout.best for name, readout in self.readouts.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "outcome": self.outcome,
            "customers": self.customers,
            "immature": self.immature,
            "readouts": {name: readout.to_dict() for name, readout in self.readouts.items()},
            "unread": dict(self.unread),
            "overrides": [override.to_dict() for override in self.overrides],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per holdout."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "holdout": name,
                    "treated": readout.treated,
                    "control": readout.control,
                    "effect": readout.best.value,
                    "low": readout.best.low,
                    "high": readout.best.high,
                    "verdict": readout.verdict,
                }
                for name, readout in self.readouts.items()
            ],
            columns=["holdout", "treated", "control", "effect", "low", "high", "verdict"],
        )


def experiment_report(
    decisions: pa.Table,
    outcomes: pa.Table,
    *,
    kind: str,
    horizon_days: float,
    until: datetime | None = None,
    shares: Mapping[str, float] | None = None,
    covariate: Mapping[str, float] | None = None,
    lower_is_better: bool = False,
    level: float = 0.95,
) -> ExperimentReport:
    """Estimate the effect of the policy, and of each action, from the journal's tables.

    Parameters
    ----------
    decisions, outcomes
        `Journal.decisions` and `Journal.outcomes` as Arrow tables.
    kind
        The kind of outcome, such as ``"stayed"`` or ``"spend"``; its values are summed.
    horizon_days
        Days after a customer's first decision within which an outcome counts.
    until
        Time at which the tables were read; decisions less than a horizon before it are
        excluded. The latest observation if not given.
    shares
        Share held out by design, by holdout (``"global"`` or an action), for the sample-ratio
        check.
    covariate
        A number per customer from before the experiment, such as last year's spend, to reduce
        variance (CUPED).
    lower_is_better
        For outcomes like ``"churned"``: effects change their sign.
    level
        Confidence level of the intervals.

    Returns
    -------
    ExperimentReport
        A readout per holdout.

    Raises
    ------
    EvaluationError
        There is no decision, none is old enough, or no customer is held out.
    """
    counted = outcomes_after(decisions, outcomes, kind=kind, horizon_days=horizon_days, until=until)
    if not len(counted):
        raise EvaluationError(
            f"all decisions, for {counted.immature} customers, are less than {horizon_days:g} days "
            "older than the latest observation: wait, or shorten the horizon"
        )
    value = -counted.value if lower_is_better else counted.value
    inside = {name: _inside(counted, name) for name in _names(counted)}
    if not inside:
        raise EvaluationError(
            f"none of {len(counted)} customers is held out: set holdout in the catalogue to "
            "measure effects"
        )
    global_holdout = inside.get(_GLOBAL, np.zeros(len(counted), dtype=bool))
    values = None
    if covariate is not None:
        values = np.fromiter(
            (
                covariate.get(customer, np.nan)
                for chunk in counted.customer.chunks
                for customer in chunk.to_pylist()
            ),
            dtype=np.float64,
            count=len(counted),
        )
    readouts: dict[str, ExperimentReadout] = {}
    unread: dict[str, str] = {}
    for name, held in inside.items():
        rows = np.ones(len(counted), dtype=bool) if name == _GLOBAL else ~global_holdout
        share = (shares or {}).get(name)
        try:
            readouts[name] = read_experiment(
                value[rows],
                ~held[rows],
                covariates=None if values is None else values[rows],
                share=None if share is None else 1 - share,
                level=level,
            )
        except EvaluationError as error:
            unread[name] = str(error)
    return ExperimentReport(
        readouts, unread, len(counted), counted.immature, kind, count_overrides(decisions)
    )


def _names(counted: Outcomes) -> list[str]:
    names = {name for held in counted.holdout.unique().to_pylist() for name in _split(held)}
    return sorted(names, key=lambda name: (name != _GLOBAL, name))


def _inside(counted: Outcomes, name: str) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = [held for held in counted.holdout.unique().to_pylist() if name in _split(held)]
    held = pc.is_in(counted.holdout, value_set=pa.array(kinds, pa.string()))
    return np.asarray(held.to_numpy(), dtype=bool)


def _split(held: str | None) -> list[str]:
    return [] if held is None else [name.strip() for name in held.split(",") if name.strip()]

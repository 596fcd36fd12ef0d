"""What became of earlier customers, beside what the model had said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.validation.labels import encode_label
from churnkit.errors import DataError
from churnkit.evaluation.drift.performance_estimation import reconcile
from churnkit.monitoring.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.evaluation.drift.performance_estimation import Reconciled
    from churnkit.journal import Journal

__all__ = ["what_came"]

# A rate that is off by a fifth misplaces money; less is not worth waking anybody for.
_OFF = 0.2
_AUC_LOST = 0.03


def what_came(
    model: RetentionModel, labelled: Any, *, journal: Journal | None
) -> tuple[Reconciled, int, list[Finding]]:
    """Reconcile; return also how many treated customers were left out, and the findings.

    Raises
    ------
    DataError
        If a column or the label is missing, or nobody is left.
    """
    table = as_arrow(labelled, name="the labelled table")
    label = model.contract.label
    if label is None or label.name not in table.column_names:
        named = "the label" if label is None else f"column '{label.name}'"
        raise DataError("the labelled table", [f"{named} is missing: give what became of them"])
    encoded = model.encode(table)
    y, wrong = encode_label(model.contract, table)
    probability = model.probabilities(encoded)
    usable = encoded.valid.copy()
    for finding in wrong:
        usable[finding.positions] = False
    weight, treated = _left_alone(journal, table[model.contract.entity.name].to_pylist())
    left_out = int((usable & treated).sum())
    usable &= ~treated
    if not usable.any():
        raise DataError(
            "the labelled table",
            ["no row is left: all break the contract, have no label, or had an action"],
        )
    came = reconcile(y[usable], probability[usable], weight=weight[usable])
    return came, left_out, _findings(came)


def _left_alone(
    journal: Journal | None, customers: list[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Weigh those whom chance left alone; tell who had an action, which may change the label."""
    weight = np.ones(len(customers))
    treated = np.zeros(len(customers), dtype=bool)
    if journal is None:
        return weight, treated
    log = journal.decisions().to_pylist()
    turned_down = {row["about"] for row in log if row["verdict"] in {"reject", "snooze"}}
    acted: set[str] = set()
    alone: dict[str, float] = {}
    for row in log:
        if row["verdict"] != "decide" or row["key"] in turned_down:
            continue
        if row["action"] is not None:
            acted.add(row["customer"])
        elif row["propensity"]:
            alone[row["customer"]] = alone.get(row["customer"], 1.0) * row["propensity"]
    for place, customer in enumerate(map(str, customers)):
        treated[place] = customer in acted
        weight[place] = 1.0 / alone.get(customer, 1.0)
    return weight, treated


def _findings(came: Reconciled) -> list[Finding]:
    findings = []
    ratio = came.ratio
    if ratio.low > 1.0 or ratio.high < 1.0:
        findings.append(
            Finding(
                "CK206",
                "calibration",
                f"is off: {came.churned:,.0f} left where {came.expected:,.0f} were expected, "
                f"ratio {ratio:.2f}",
                alarm=ratio.low > 1.0 + _OFF or ratio.high < 1.0 - _OFF,
            )
        )
    # What was foreseen is of these very customers; the test's figure was of others.
    if came.auc.high < came.foreseen.auc.low:
        findings.append(
            Finding(
                "CK207",
                "AUC",
                f"is {came.auc} where {came.foreseen.auc} was foreseen: the features say less "
                "than they did",
                alarm=came.auc.high < came.foreseen.auc.low - _AUC_LOST,
            )
        )
    return findings

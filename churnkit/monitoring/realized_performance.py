"""Comparison of realized churn with earlier predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.parsing.arrow_columns import complete_keys
from churnkit.contracts.validation.labels import encode_label
from churnkit.errors import DataError
from churnkit.evaluation.drift.performance_estimation import compare_realized
from churnkit.monitoring.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.evaluation.drift.performance_estimation import RealizedPerformance
    from churnkit.journal import Journal

__all__ = ["check_realized"]

# A churn rate off by 20% misallocates money; less does not justify an alarm.
_RATIO_TOLERANCE = 0.2
_AUC_TOLERANCE = 0.03


def check_realized(
    model: RetentionModel, labeled: Any, *, journal: Journal | None
) -> tuple[RealizedPerformance, int, list[Finding]]:
    """Compare realized with predicted churn.

    Parameters
    ----------
    model
        A loaded bundle.
    labeled
        Earlier customers with their labels.
    journal
        Log of actions; treated customers are excluded.

    Returns
    -------
    performance, left_out, findings
        The comparison, the number of treated customers excluded, and the findings.

    Raises
    ------
    DataError
        A column or the label is missing, or no row remains.
    """
    table = complete_keys(as_arrow(labeled, name="the labeled table"), model.contract)
    label = model.contract.label
    if label is None or label.name not in table.column_names:
        column = "the label" if label is None else f"column '{label.name}'"
        raise DataError("the labeled table", [f"{column} is missing: add the realized outcomes"])
    encoded = model.encode(table)
    y, label_findings = encode_label(model.contract, table)
    probability = model.probabilities(encoded)
    usable = encoded.valid.copy()
    for finding in label_findings:
        usable[finding.positions] = False
    ids = table[model.contract.entity.name].to_pylist()
    weight, treated = _untreated_weights(journal, ids)
    left_out = int((usable & treated).sum())
    usable &= ~treated
    if not usable.any():
        raise DataError(
            "the labeled table",
            ["no row remains: all violate the contract, lack a label, or had an action"],
        )
    performance = compare_realized(
        y[usable],
        probability[usable],
        weight=weight[usable],
        customers=np.array([str(name) for name in ids])[usable],
    )
    return performance, left_out, _findings(performance)


def _untreated_weights(
    journal: Journal | None, customers: list[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the inverse probability of remaining untreated, and which customers were treated."""
    weight = np.ones(len(customers))
    treated = np.zeros(len(customers), dtype=bool)
    if journal is None:
        return weight, treated
    log = journal.decisions().to_pylist()
    overridden = {row["about"] for row in log if row["verdict"] in {"reject", "snooze"}}
    had_action: set[str] = set()
    probability: dict[str, float] = {}
    for row in log:
        if row["verdict"] != "decide" or row["key"] in overridden:
            continue
        customer = row["customer"]
        if row["action"] is not None:
            had_action.add(customer)
        elif row["propensity"]:
            probability[customer] = probability.get(customer, 1.0) * row["propensity"]
    for position, customer in enumerate(map(str, customers)):
        treated[position] = customer in had_action
        weight[position] = 1.0 / probability.get(customer, 1.0)
    return weight, treated


def _findings(performance: RealizedPerformance) -> list[Finding]:
    findings = []
    ratio = performance.ratio
    if ratio.low > 1.0 or ratio.high < 1.0:
        findings.append(
            Finding(
                "CK206",
                "calibration",
                f"is off: {performance.churned:,.0f} churned, {performance.expected:,.0f} "
                f"expected, ratio {ratio:.2f}",
                alarm=ratio.low > 1.0 + _RATIO_TOLERANCE or ratio.high < 1.0 - _RATIO_TOLERANCE,
            )
        )
    # The estimate is for these very customers; the test set's AUC was for others.
    expected = performance.estimate.auc
    if performance.auc.high < expected.low:
        findings.append(
            Finding(
                "CK207",
                "AUC",
                f"is {performance.auc}, expected {expected}: the features predict less than they "
                "did",
                alarm=performance.auc.high < expected.low - _AUC_TOLERANCE,
            )
        )
    return findings

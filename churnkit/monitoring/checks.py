"""Checks of new customers, and of the outcomes of earlier ones, against a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.result import PlottableResult
from churnkit.core.time import from_microseconds
from churnkit.errors import RecipeError
from churnkit.evaluation.drift.profile import Profile, holm_adjust
from churnkit.monitoring.batch_totals import BatchTotals, customer_batches
from churnkit.monitoring.finding import Finding
from churnkit.monitoring.realized_performance import check_realized

if TYPE_CHECKING:
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.contract import Contract
    from churnkit.evaluation.drift.performance_estimation import (
        PerformanceEstimate,
        RealizedPerformance,
    )
    from churnkit.evaluation.drift.profile import ColumnDrift
    from churnkit.journal import Journal

__all__ = ["MonitorReport", "monitor"]

# One set of columns in a thousand is reported as drifted by chance.
_SIGNIFICANCE = 0.001
_INVALID_SHARE = 0.01
_UNSEEN_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class MonitorReport(PlottableResult):
    """Result of `monitor`.

    Parameters
    ----------
    model
        The model's name.
    rows, invalid
        Number of customers checked, and of those that violate the contract.
    findings
        Alarms first.
    drift
        Drift of every column and of the score, largest first.
    estimate
        Expected metrics of the model on these customers, if calibration holds.
    realized
        Realized against predicted churn of labeled customers; None without labels.
    left_out
        Number of labeled customers excluded because an action may have changed their label.
    """

    _display: ClassVar[str] = "DriftDisplay"

    model: str
    rows: int
    invalid: int
    findings: tuple[Finding, ...]
    drift: tuple[ColumnDrift, ...]
    estimate: PerformanceEstimate | None
    realized: RealizedPerformance | None = None
    left_out: int = 0

    @property
    def alarm(self) -> bool:
        """True if any finding is an alarm."""
        return any(finding.alarm for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "model": self.model,
            "rows": self.rows,
            "invalid": self.invalid,
            "alarm": self.alarm,
            "findings": [finding.to_dict() for finding in self.findings],
            "drift": [column.to_dict() for column in self.drift],
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "realized": None if self.realized is None else self.realized.to_dict(),
            "left_out": self.left_out,
        }


def monitor(
    model: RetentionModel,
    customers: Any,
    *,
    labeled: Any = None,
    journal: Journal | None = None,
    as_of: datetime | None = None,
    every_days: float = 31.0,
) -> MonitorReport:
    """Check new customers, and the outcomes of earlier ones.

    Parameters
    ----------
    model
        From `churnkit.load`; its bundle has a profile of the training rows.
    customers
        Today's customers: a pandas, polars or pyarrow table, a list of dicts, or a source from
        `churnkit.batch.open_source`, which is read in batches with constant memory.
    labeled
        Earlier customers as they were then, with their labels.
    journal
        Log of actions: customers with an action are excluded from `labeled`, and untreated
        customers are weighted to represent them.
    as_of
        The moment of the check; rows older than `every_days` are then stale.
    every_days
        How often new rows are due, days.

    Returns
    -------
    MonitorReport
        Findings, drift, and the expected and realized performance.

    Raises
    ------
    DataError
        A column is missing.
    RecipeError
        The model has no profile.
    """
    profile = _load_profile(model)
    totals = BatchTotals(model, profile)
    for batch in customer_batches(model, customers):
        totals.add(batch)
    findings = [*_check_contract(totals), *_check_categories(totals)]
    drift = totals.drift()
    findings += _check_drift(drift)
    findings += _check_freshness(model.contract, totals.newest, as_of=as_of, every_days=every_days)
    realized, left_out = None, 0
    if labeled is not None:
        realized, left_out, realized_findings = check_realized(model, labeled, journal=journal)
        findings += realized_findings
    return MonitorReport(
        model=model.name,
        rows=totals.rows,
        invalid=totals.rows - totals.valid,
        findings=tuple(sorted(findings, key=lambda finding: not finding.alarm)),
        drift=tuple(sorted(drift, key=lambda column: -column.psi)),
        estimate=totals.estimate(),
        realized=realized,
        left_out=left_out,
    )


def _load_profile(model: RetentionModel) -> Profile:
    if model.contents.profile is None:
        raise RecipeError(f"model '{model.name}' has no profile of its training rows: retrain it")
    profile = Profile.from_dict(model.contents.profile)
    if len(profile.columns) != len(model.contract.features):
        raise RecipeError(
            f"the profile of model '{model.name}' has {len(profile.columns)} columns and its "
            f"contract {len(model.contract.features)} features: retrain it"
        )
    return profile


def _check_contract(totals: BatchTotals) -> list[Finding]:
    rows = totals.rows
    if not rows:
        return [Finding("CK203", "the table", "has no rows: the feed may be broken", alarm=True)]
    return [
        Finding(
            "CK203",
            column,
            f"violates '{rule}' in {count:,} of {rows:,} rows",
            alarm=count > _INVALID_SHARE * rows,
        )
        for (column, rule), count in totals.violations.items()
    ]


def _check_categories(totals: BatchTotals) -> list[Finding]:
    rows = totals.rows
    return [
        Finding(
            "CK204",
            column,
            f"has categories unseen in training in {count:,} of {rows:,} rows; they are treated as "
            "missing",
            alarm=count > _UNSEEN_SHARE * rows,
        )
        for column, count in totals.unseen.items()
    ]


def _check_drift(drift: tuple[ColumnDrift, ...]) -> list[Finding]:
    findings = []
    p_values = holm_adjust([column.p_value for column in drift])
    for position, (column, p_value) in enumerate(zip(drift, p_values, strict=True)):
        if p_value > _SIGNIFICANCE or column.level == "none":
            continue
        code = "CK202" if position == len(drift) - 1 else "CK201"
        message = f"has drifted: stability index {column.psi:.2f}"
        if abs(column.missing_now - column.missing_before) >= 0.01:
            message += f", missing {column.missing_now:.0%}, was {column.missing_before:.0%}"
        findings.append(Finding(code, column.name, message, alarm=column.level == "large"))
    return findings


def _check_freshness(
    contract: Contract, newest: int | None, *, as_of: datetime | None, every_days: float
) -> list[Finding]:
    """Report rows whose newest date is older than the interval at which new rows are due."""
    if as_of is None or contract.as_of is None or newest is None:
        return []
    now = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    days = (now - from_microseconds(newest)).total_seconds() / 86_400
    if days <= every_days:
        return []
    message = f"is stale: the newest row is {days:,.0f} days old, rows are due every {every_days:g}"
    return [Finding("CK205", contract.as_of.name, message, alarm=True)]

"""Look at new customers, and at what became of earlier ones, with a model's eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError
from churnkit.evaluation.drift.performance_estimation import foresee
from churnkit.evaluation.drift.profile import Profile, adjusted
from churnkit.monitoring.findings import Finding
from churnkit.monitoring.freshness import stale_rows
from churnkit.monitoring.realized_performance import what_came

if TYPE_CHECKING:
    from datetime import datetime

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.evaluation.drift.performance_estimation import PerformanceEstimate, Reconciled
    from churnkit.evaluation.drift.profile import ColumnDrift
    from churnkit.journal import Journal

__all__ = ["MonitorReport", "monitor"]

# One set of columns in a thousand is called drifted by chance.
_CHANCE = 0.001
_INVALID_SHARE = 0.01
_UNSEEN_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What was found.

    Parameters
    ----------
    model
        The model's name.
    rows, invalid
        How many customers were looked at, and how many break the contract.
    findings
        Alarms first.
    drift
        Every column, the score last, the furthest first.
    foreseen
        What the model's figures will be on these customers, if calibration holds.
    came
        What became of labelled customers, beside what was foreseen; None without labels.
    left_out
        Labelled customers who had an action, which may have changed the label.
    """

    model: str
    rows: int
    invalid: int
    findings: tuple[Finding, ...]
    drift: tuple[ColumnDrift, ...]
    foreseen: PerformanceEstimate | None
    came: Reconciled | None = None
    left_out: int = 0

    @property
    def alarm(self) -> bool:
        """Whether any finding is an alarm."""
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
            "foreseen": None if self.foreseen is None else self.foreseen.to_dict(),
            "came": None if self.came is None else self.came.to_dict(),
            "left_out": self.left_out,
        }


def monitor(
    model: RetentionModel,
    customers: Any,
    *,
    labelled: Any = None,
    journal: Journal | None = None,
    as_of: datetime | None = None,
    every_days: float = 31.0,
) -> MonitorReport:
    """Look at new customers, and at what became of earlier ones.

    Parameters
    ----------
    model
        From `churnkit.load`; trained by a churnkit that keeps profiles.
    customers
        The customers of today: a pandas, polars or pyarrow table, or a list of dicts.
    labelled
        Earlier customers as they were then, with the label that is known now.
    journal
        Where actions were logged: customers who had one since are left out of `labelled`, and
        those who were left alone by chance stand for them.
    as_of
        The moment of looking; with it rows that are older than `every_days` are stale.
    every_days
        How often new rows are due.

    Raises
    ------
    DataError
        If a column is missing.
    RecipeError
        If the model holds no profile.
    """
    profile = _profile(model)
    encoded = model.encode(customers)
    probability = model.probabilities(encoded)
    valid = encoded.valid
    findings = [*_broken(encoded), *_unseen(encoded)]
    drift = (*profile.compare(encoded.features[valid]), profile.score.compare(probability[valid]))
    findings += _drifted(drift)
    findings += stale_rows(model.contract, customers, as_of=as_of, every_days=every_days)
    came, left_out = None, 0
    if labelled is not None:
        came, left_out, more = what_came(model, labelled, journal=journal)
        findings += more
    return MonitorReport(
        model=model.name,
        rows=len(valid),
        invalid=int((~valid).sum()),
        findings=tuple(sorted(findings, key=lambda found: not found.alarm)),
        drift=tuple(sorted(drift, key=lambda column: -column.psi)),
        foreseen=foresee(probability[valid]) if valid.any() else None,
        came=came,
        left_out=left_out,
    )


def _profile(model: RetentionModel) -> Profile:
    if model.parts.profile is None:
        raise RecipeError(
            f"model '{model.name}' was trained by a churnkit that kept no profile: train it again"
        )
    profile = Profile.from_dict(model.parts.profile)
    if len(profile.columns) != len(model.contract.features):
        raise RecipeError(f"the profile of model '{model.name}' is another one's: train it again")
    return profile


def _broken(encoded: Encoded) -> list[Finding]:
    rows = len(encoded.matrix)
    if not rows:
        return [Finding("CK203", "the table", "has no rows: the feed may be cut off", alarm=True)]
    return [
        Finding(
            "CK203",
            violation.column,
            f"breaks '{violation.rule}' in {violation.count:,} of {rows:,} rows",
            alarm=violation.count > _INVALID_SHARE * rows,
        )
        for violation in encoded.violations
    ]


def _unseen(encoded: Encoded) -> list[Finding]:
    rows = len(encoded.matrix)
    return [
        Finding(
            "CK204",
            found.column,
            f"has categories that training never saw in {len(found.positions):,} of {rows:,} rows; "
            "they are read as missing",
            alarm=len(found.positions) > _UNSEEN_SHARE * rows,
        )
        for found in encoded.warnings
    ]


def _drifted(drift: tuple[ColumnDrift, ...]) -> list[Finding]:
    findings = []
    chance = adjusted([column.p_value for column in drift])
    for place, (column, p) in enumerate(zip(drift, chance, strict=True)):
        if p > _CHANCE or column.level == "none":
            continue
        code = "CK202" if place == len(drift) - 1 else "CK201"
        says = f"has moved: stability index {column.psi:.2f}"
        moved = column.missing_now - column.missing_before
        if abs(moved) >= 0.01:
            says += f", missing {column.missing_now:.0%} after {column.missing_before:.0%}"
        findings.append(Finding(code, column.name, says, alarm=column.level == "large"))
    return findings

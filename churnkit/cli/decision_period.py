"""The period that decisions are made for, and the journal that records them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from churnkit.cli.output import print_status

if TYPE_CHECKING:
    from churnkit.batch import DecisionPeriod, PlanReport, RankReport
    from churnkit.bundle.model import RetentionModel

__all__ = ["open_decision_period", "print_row_counts"]


@contextmanager
def open_decision_period(
    model: RetentionModel,
    *,
    journal: str | None,
    period: str | None,
    day: datetime | None,
    as_of: str | None,
) -> Iterator[DecisionPeriod | None]:
    """Yield the decision period; None if the decisions depend on neither journal nor day."""
    from churnkit.decisions.eligibility.context import context_requirements

    rules = model.contents.rules
    has_journal = bool(
        journal is not None or period is not None or os.environ.get("CHURNKIT_JOURNAL")
    )
    if not (has_journal or day or (rules is not None and context_requirements(rules))):
        yield None
        return
    from churnkit.batch import DecisionPeriod

    now = datetime.now(UTC)
    date = day if day is not None or as_of is None else datetime.fromisoformat(as_of)
    opened = DecisionPeriod((date or now).date(), now if date is None else None, period or "")
    if not has_journal:
        yield opened
        return
    from churnkit.journal import Journal

    with Journal.open(journal) as store:
        yield replace(opened, journal=store)
        print_status(f"journal: {store.url}")


def print_row_counts(report: PlanReport | RankReport) -> None:
    """Print how many rows are invalid, and how many customers had been decided on before."""
    if report.invalid:
        print_status(f"{report.invalid:,} rows violate the contract; see column 'problem'")
    for note in report.notes:
        print_status(note)
    if report.before:
        print_status(
            f"{report.before:,} customers already had a decision for this period, which is kept"
        )

"""The period that decisions are made for, as the command line names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from churnkit.cli.output import say

if TYPE_CHECKING:
    from churnkit.batch import DecisionPeriod
    from churnkit.bundle.model import RetentionModel

__all__ = ["open_decision_period"]


@contextmanager
def open_decision_period(
    model: RetentionModel,
    *,
    journal: str | None,
    period: str | None,
    day: datetime | None,
    as_of: str | None,
) -> Iterator[DecisionPeriod | None]:
    """Open the journal if one is meant; None where decisions need neither journal nor day."""
    from churnkit.decisions.eligibility.context import context_requirements

    wanted = journal is not None or period is not None or bool(os.environ.get("CHURNKIT_JOURNAL"))
    rules = model.contents.rules
    if not (wanted or day is not None or (rules is not None and context_requirements(rules))):
        yield None
        return
    from churnkit.batch import DecisionPeriod

    now = datetime.now(UTC)
    # The date of raw tables has been read by whoever made rows of them.
    told = day if day is not None or as_of is None else datetime.fromisoformat(as_of)
    opened = DecisionPeriod((told or now).date(), now if told is None else None, period or "")
    if not wanted:
        yield opened
        return
    from churnkit.journal import Journal

    with Journal.open(journal) as store:
        yield replace(opened, journal=store)
        say(f"the journal is {store.url}")

"""The occasion that decisions are made for, as the command line names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from churnkit.cli.output import say

if TYPE_CHECKING:
    from churnkit.batch import Occasion
    from churnkit.bundle.model import RetentionModel

__all__ = ["open_occasion"]


@contextmanager
def open_occasion(
    model: RetentionModel,
    *,
    journal: str | None,
    period: str | None,
    day: datetime | None,
    as_of: str | None,
) -> Iterator[Occasion | None]:
    """Open the journal if one is meant; None where decisions need neither journal nor day."""
    from churnkit.decisions.eligibility.context import needs_context

    wanted = journal is not None or period is not None or bool(os.environ.get("CHURNKIT_JOURNAL"))
    rules = model.parts.rules
    if not (wanted or day is not None or (rules is not None and needs_context(rules))):
        yield None
        return
    from churnkit.batch import Occasion

    now = datetime.now(UTC)
    # The date of raw tables has been read by whoever made rows of them.
    told = day if day is not None or as_of is None else datetime.fromisoformat(as_of)
    occasion = Occasion((told or now).date(), now if told is None else None, period)
    if not wanted:
        yield occasion
        return
    from churnkit.journal import Journal

    with Journal.open(journal) as opened:
        yield replace(occasion, journal=opened)
        say(f"the journal is {opened.url}")

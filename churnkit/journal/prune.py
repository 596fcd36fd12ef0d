"""Delete journal entries that are older than a date and that nothing needs any more.

A decision is kept while its outcome is open, a contact limit may count it, its period goes on or is
the policy's latest, an experiment with a holdout runs, a delivery is not finished, or an outcome or
a review of it is recent. Reviews and deliveries are deleted with their decision. Outcomes are
deleted separately, as those of one policy's decisions also count for other policies' decisions for
the customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, exists, func, inspect, or_, select, true, tuple_

from churnkit.core.result import Result
from churnkit.core.time import from_microseconds, to_microseconds
from churnkit.errors import JournalError
from churnkit.journal.entry_keys import MICROSECONDS_A_DAY, moment
from churnkit.journal.outbox_schema import outbox
from churnkit.journal.schema import decisions, outcomes

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.selectable import FromClause

    from churnkit.journal.database import Database

__all__ = ["PruneResult", "Retention", "prune_entries"]

# Entries per transaction, so that other writers wait for a moment only.
_GROUP = 5000
_UNFINISHED = ("pending", "sending")
_MAX_DAYS = 36_500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What a journal must keep, in microseconds since 1970.

    Parameters
    ----------
    before
        Entries from this time on are kept.
    outcomes_since
        Decisions from this time on still wait for their outcome.
    contacts_since
        Contacts from this time on still count in contact limits.
    experiments_since
        Start of the running experiments; None for their first decision.
    """

    before: int
    outcomes_since: int
    contacts_since: int
    experiments_since: int | None = None

    @classmethod
    def from_days(
        cls,
        before: date | datetime,
        *,
        now: date | datetime,
        outcome_days: float,
        contact_days: float,
        experiments_since: date | datetime | None = None,
    ) -> Retention:
        """Derive the times from lengths in days.

        Raises
        ------
        JournalError
            If a length is not from 0 to 36,500 days, or `before` is after `now`.

        Examples
        --------
        >>> from datetime import date
        >>> day = date(1970, 1, 3)
        >>> Retention.from_days(day, now=day, outcome_days=1, contact_days=2).cutoff
        0
        """
        at, limit = to_microseconds(moment("now", now)), to_microseconds(moment("before", before))
        if limit > at:
            raise JournalError("prune: before must not be in the future")
        if not all(0.0 <= days <= _MAX_DAYS for days in (outcome_days, contact_days)):
            raise JournalError(
                f"prune: outcome_days and contact_days must be from 0 to {_MAX_DAYS:,.0f}"
            )
        start = (
            None
            if experiments_since is None
            else to_microseconds(moment("experiments_since", experiments_since))
        )
        return cls(
            before=limit,
            outcomes_since=at - round(outcome_days * MICROSECONDS_A_DAY),
            contacts_since=at - round(contact_days * MICROSECONDS_A_DAY),
            experiments_since=start,
        )

    @property
    def cutoff(self) -> int:
        """Time before which entries may be deleted."""
        return min(self.before, self.outcomes_since, self.contacts_since)


@dataclass(frozen=True)
class PruneResult(Result):
    """Result of deleting old entries, or of a dry run.

    Parameters
    ----------
    decisions, reviews, outcomes, deliveries
        Numbers of deleted rows.
    kept
        Number of decisions before the date that are kept, by reason.
    remaining_decisions, remaining_outcomes
        Numbers of rows that are left, reviews included.
    oldest
        Time of the oldest decision that is left; None if there is none.
    dry_run
        Whether nothing was changed.
    """

    decisions: int
    reviews: int
    outcomes: int
    deliveries: int
    kept: dict[str, int]
    remaining_decisions: int
    remaining_outcomes: int
    oldest: datetime | None
    dry_run: bool


def prune_entries(database: Database, retention: Retention, *, dry_run: bool) -> PruneResult:
    """Delete old entries in groups; an interrupted call can be repeated."""
    with database.reading() as connection:
        has_outbox = inspect(connection).has_table(outbox.name)
        rules = _Rules(retention, _latest_periods(connection), has_outbox=has_outbox)
        kept = rules.count_kept(connection)
        if dry_run:
            deleted = rules.count_deletable(connection)
    if not dry_run:
        deleted = _delete_decisions(database, rules)
        deleted["outcomes"] = _delete_outcomes(database, rules)
    with database.reading() as connection:
        left = {
            table: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (decisions, outcomes)
        }
        still = true() if not dry_run else ~rules.is_deletable(decisions)
        oldest = connection.scalar(
            select(func.min(decisions.c.decided_at)).where(decisions.c.verdict == "decide", still)
        )
    gone = deleted if dry_run else dict.fromkeys(deleted, 0)
    return PruneResult(
        **deleted,
        kept=kept,
        remaining_decisions=left[decisions] - gone["decisions"] - gone["reviews"],
        remaining_outcomes=left[outcomes] - gone["outcomes"],
        oldest=None if oldest is None else from_microseconds(oldest),
        dry_run=dry_run,
    )


class _Rules:
    """Conditions on decisions and outcomes that may be deleted."""

    def __init__(
        self, retention: Retention, latest_periods: list[tuple[str, str]], *, has_outbox: bool
    ) -> None:
        self.retention = retention
        self.latest_periods = latest_periods
        self.has_outbox = has_outbox

    def reasons(self, decided: FromClause) -> dict[str, ColumnElement[bool]]:
        """Return the reasons to keep a decision, most recent entries first."""
        cutoff, column = self.retention.cutoff, decided.c
        recent = decisions.alias("recent")
        periods = select(recent.c.policy, recent.c.period).where(
            recent.c.decided_at >= cutoff, recent.c.period.is_not(None)
        )
        running = select(recent.c.policy).where(
            recent.c.decided_at >= cutoff, recent.c.holdout.is_not(None)
        )
        start = self.retention.experiments_since
        # All decisions of the policy: without those of treated customers, those of customers
        # held out have nothing to be compared with.
        experiment = column.policy.in_(running.distinct())
        review, result = decisions.alias("review"), outcomes.alias("result")
        reasons = {
            "open outcomes": column.decided_at >= self.retention.outcomes_since,
            "contact limits": column.decided_at >= self.retention.contacts_since,
            "unfinished periods": or_(
                tuple_(column.policy, column.period).in_(periods.distinct()),
                tuple_(column.policy, column.period).in_(self.latest_periods),
            ),
            "running experiments": (
                experiment if start is None else and_(experiment, column.decided_at >= start)
            ),
            "recent outcomes and reviews": or_(
                exists().where(result.c.decision == column.key, result.c.observed_at >= cutoff),
                exists().where(review.c.about == column.key, review.c.decided_at >= cutoff),
            ),
        }
        if self.has_outbox:
            reasons["unfinished deliveries"] = exists().where(
                outbox.c.decision == column.key, outbox.c.state.in_(_UNFINISHED)
            )
        return {name: func.coalesce(condition, False) for name, condition in reasons.items()}

    def is_deletable(self, decided: FromClause) -> ColumnElement[bool]:
        """Return the condition that nothing needs a decision."""
        return and_(
            decided.c.verdict == "decide",
            decided.c.decided_at < self.retention.cutoff,
            *(~reason for reason in self.reasons(decided).values()),
        )

    def is_spent(self, outcome: FromClause, *, only_deleted: bool) -> ColumnElement[bool]:
        """Return the condition that an outcome is old and follows no decision that is kept."""
        cause = decisions.alias("cause")
        stays = and_(
            cause.c.verdict == "decide",
            cause.c.customer == outcome.c.customer,
            or_(
                cause.c.decided_at <= outcome.c.observed_at,
                cause.c.key == outcome.c.decision,
            ),
        )
        if only_deleted:
            stays = and_(stays, ~self.is_deletable(cause))
        return and_(outcome.c.observed_at < self.retention.cutoff, ~exists().where(stays))

    def count_kept(self, connection: Connection) -> dict[str, int]:
        """Count decisions before the date by the first reason to keep them."""
        reasons = self.reasons(decisions)
        reason = case(*((condition, name) for name, condition in reasons.items()), else_=None)
        labeled = (
            select(reason.label("reason"))
            .where(
                decisions.c.verdict == "decide",
                decisions.c.decided_at < self.retention.before,
            )
            .subquery()
        )
        query = select(labeled.c.reason, func.count()).group_by(labeled.c.reason)
        counts = {name: count for name, count in connection.execute(query) if name is not None}
        return {name: counts[name] for name in reasons if name in counts}

    def count_deletable(self, connection: Connection) -> dict[str, int]:
        """Count the rows that would be deleted."""
        decided = decisions.alias("decided")
        gone = select(decided.c.key).where(self.is_deletable(decided))

        def count(query: Select[Any]) -> int:
            return connection.scalar(query) or 0

        rows = select(func.count())
        spent = self.is_spent(outcomes, only_deleted=True)
        return {
            "decisions": count(rows.select_from(decided).where(self.is_deletable(decided))),
            "reviews": count(rows.select_from(decisions).where(decisions.c.about.in_(gone))),
            "outcomes": count(rows.select_from(outcomes).where(spent)),
            "deliveries": (
                count(rows.select_from(outbox).where(outbox.c.decision.in_(gone)))
                if self.has_outbox
                else 0
            ),
        }


def _latest_periods(connection: Connection) -> list[tuple[str, str]]:
    """Return each policy with the period of its latest decision that has one.

    A long period can go on without a decision after the date.
    """
    has_period = and_(decisions.c.verdict == "decide", decisions.c.period.is_not(None))
    latest = (
        select(decisions.c.policy, func.max(decisions.c.decided_at).label("at"))
        .where(has_period)
        .group_by(decisions.c.policy)
        .subquery()
    )
    query = (
        select(decisions.c.policy, decisions.c.period)
        .join(
            latest,
            and_(latest.c.policy == decisions.c.policy, latest.c.at == decisions.c.decided_at),
        )
        .where(has_period)
        .distinct()
    )
    return [(row.policy, row.period) for row in connection.execute(query)]


def _delete_decisions(database: Database, rules: _Rules) -> dict[str, int]:
    """Delete decisions with their reviews and deliveries."""
    deleted = dict.fromkeys(("decisions", "reviews", "deliveries"), 0)
    after: tuple[int, str] | None = None
    while True:
        query = select(decisions.c.decided_at, decisions.c.key).where(rules.is_deletable(decisions))
        if after is not None:
            query = query.where(tuple_(decisions.c.decided_at, decisions.c.key) > after)
        query = query.order_by(decisions.c.decided_at, decisions.c.key).limit(_GROUP)
        with database.writing(exclusive=True) as connection:
            rows = connection.execute(query).all()
            if not rows:
                return deleted
            after = rows[-1].decided_at, rows[-1].key
            keys = [row.key for row in rows]
            of_decisions = {
                "reviews": (decisions, decisions.c.about),
                "decisions": (decisions, decisions.c.key),
            }
            if rules.has_outbox:
                of_decisions["deliveries"] = (outbox, outbox.c.decision)
            for name, (table, column) in of_decisions.items():
                done = connection.execute(delete(table).where(database.is_in(column, keys)))
                deleted[name] += done.rowcount


def _delete_outcomes(database: Database, rules: _Rules) -> int:
    """Delete old outcomes that follow no decision for their customer any more."""
    count = 0
    after: tuple[int, str] | None = None
    spent = rules.is_spent(outcomes, only_deleted=False)
    while True:
        query = select(outcomes.c.observed_at, outcomes.c.key).where(spent)
        if after is not None:
            query = query.where(tuple_(outcomes.c.observed_at, outcomes.c.key) > after)
        query = query.order_by(outcomes.c.observed_at, outcomes.c.key).limit(_GROUP)
        with database.writing(exclusive=True) as connection:
            rows = connection.execute(query).all()
            if not rows:
                return count
            after = rows[-1].observed_at, rows[-1].key
            keys = [row.key for row in rows]
            done = connection.execute(delete(outcomes).where(database.is_in(outcomes.c.key, keys)))
            count += done.rowcount

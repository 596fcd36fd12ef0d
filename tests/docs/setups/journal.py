from datetime import UTC, datetime

from churnkit.journal import DecisionRecord


def names(_reader):
    now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    decisions = [DecisionRecord("k2", "c2", now, now, "shop", action="call", propensity=0.95)]
    yield {"as_of": now, "now": now, "decisions": decisions}

"""Journeys: funnel and paths against counts by hand and a slow recount."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from churnkit.datasets import simulate
from churnkit.insights.metrics.journeys import measure_journeys
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.metrics.subscriptions import prepare_subscriptions
from churnkit.insights.sql_session import open_session

START = datetime(2025, 1, 1)  # noqa: DTZ001  (times without a zone are UTC)
AS_OF = "2026-01-01"


def measure(tables, **settings):
    with open_session(tables, as_of=AS_OF, settings=RetentionSettings(**settings)) as session:
        prepare_subscriptions(session)
        return measure_journeys(session)


def business(uses, ends=None):
    """Customers who joined on day 10, with (day, kind) of their events after joining."""
    ends = ends or {}
    joined = START + timedelta(days=10)
    rows = [
        {
            "customer": name,
            "started": joined,
            "ended": joined + timedelta(days=ends[name]) if name in ends else None,
            "mrr": 10.0,
        }
        for name in uses
    ]
    events = [
        {"customer": name, "occurred_at": joined + timedelta(days=day, hours=1), "kind": kind}
        for name, used in uses.items()
        for day, kind in used
    ]
    events.append({"customer": "nobody", "occurred_at": START, "kind": "login"})
    return {"subscriptions": pd.DataFrame(rows), "events": pd.DataFrame(events)}


REGULAR = [(1, "login"), (2, "export"), (3, "login"), (40, "login")]


def test_the_funnel_counts_customers_who_took_a_step_and_all_before():
    uses = {
        "none": [],
        "late": [(8, "login"), (9, "export"), (10, "login"), (40, "login")],
        "two days": [(1, "login"), (2, "export"), (40, "login")],
        "one kind": [(1, "login"), (2, "login"), (3, "login"), (40, "login")],
        "stopped": REGULAR[:3],
        "regular": REGULAR,
        "left": REGULAR,
    }
    found = measure(business(uses, {"left": 70, "none": 20}))
    assert [step.customers for step in found.funnel] == [7, 5, 4, 3, 2]
    assert [step.left for step in found.funnel] == [2, 1, 1, 1, 1]
    assert [step.joined for step in found.funnel] == [7] * 5
    assert found.funnel[-1].share == pytest.approx(2 / 7)
    assert found.funnel[-1].low < 2 / 7 < found.funnel[-1].high
    assert found.churn_days == 60 + RetentionSettings().horizon_days


def test_customers_whose_horizon_has_not_ended_or_who_joined_before_the_events_are_left_out():
    tables = business(dict.fromkeys("abcdef", REGULAR))
    late = tables["subscriptions"].assign(started=datetime(2025, 12, 1))  # noqa: DTZ001
    early = tables["subscriptions"].assign(started=datetime(2024, 1, 1))  # noqa: DTZ001
    for other in (late, early):
        other["customer"] = other["customer"] + "2"
    tables["subscriptions"] = pd.concat([tables["subscriptions"], late, early])
    assert measure(tables).funnel[0].customers == 6


def test_paths_are_counted_as_a_slow_recount_does():
    tables = simulate(customers=1_500, months=18, seed=3).tables
    sources = {name: tables[name] for name in ("subscriptions", "events", "tickets")}
    with open_session(sources) as session:
        prepare_subscriptions(session)
        found = measure_journeys(session)
        as_of, horizon = session.as_of, session.settings.horizon_days
        spells = session.rows(
            "SELECT c.customer, s.began, s.left_at FROM ck_spells AS s "
            "JOIN ck_customers AS c ON c.customer_key = s.customer_key"
        )
    assert found is not None
    until = as_of.replace(tzinfo=None) - timedelta(days=horizon)
    begin = until - timedelta(days=60)
    steps: dict[str, list[tuple[datetime, str]]] = {}
    events, tickets = tables["events"].to_pandas(), tables["tickets"].to_pandas()
    pairs = [*zip(events["customer_id"], events["occurred_at"], events["event_type"], strict=True)]
    topics = "ticket " + tickets["topic"]
    pairs += [*zip(tickets["customer_id"], tickets["opened_at"], topics, strict=True)]
    for name, at, part in pairs:
        moment = at.tz_localize(None).to_pydatetime()
        if begin <= moment < until:
            steps.setdefault(name, []).append((moment, part))
    counts: dict[str, list[int]] = {}
    active: dict[str, bool] = {}
    for name, began, left in spells:
        if began < until and (left is None or left >= until):
            gone = left is not None and (left - until) < timedelta(days=horizon)
            active[name] = active.get(name, False) or gone
    for name, gone in active.items():
        path: list[str] = []
        for _, part in sorted(steps.get(name, [])):
            if not path or path[-1] != part:
                path.append(part)
        key = " \N{RIGHTWARDS ARROW} ".join(path[-3:]) or "No event in 60 days"
        row = counts.setdefault(key, [0, 0])
        row[0] += 1
        row[1] += gone
    assert len(found.paths) >= 5
    for ratio in found.paths:
        assert [ratio.customers, ratio.left] == counts[ratio.name]
        assert ratio.customers + ratio.other_customers == len(active)
        assert ratio.left + ratio.other_left == sum(active.values())
    fewest = min(ratio.customers for ratio in found.paths)
    assert sum(row[0] > fewest for row in counts.values()) <= len(found.paths)


def test_without_events_or_with_too_few_customers_there_is_no_journey():
    tables = business({"a": REGULAR, "b": REGULAR})
    assert measure(tables) is None
    assert measure({"subscriptions": tables["subscriptions"]}) is None


def test_events_without_a_kind_have_no_step_of_kinds():
    tables = business(dict.fromkeys("abcdef", REGULAR))
    tables["events"] = tables["events"].drop(columns="kind")
    found = measure(tables)
    assert [step.customers for step in found.funnel] == [6, 6, 6, 6]

"""The cause of churn in snapshots: of the end that is the outcome, and of no other row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from churnkit.errors import RecipeError
from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    Cause,
    ContractualChurn,
    Count,
    Current,
    EventChurn,
    ObservedChurn,
    Snapshots,
    Table,
    Timeline,
    Where,
    build,
)

GROUPS = {"voluntary": ["price", "moved"], "involuntary": ["card expired"]}
SUBSCRIPTIONS = Table(
    "subscriptions",
    "customer",
    happened="started",
    ended="ended",
    columns={"mrr": "number", "reason": "string"},
    known_at_end=("reason",),
)
SPELLS = [
    # customer, start, end in July 2024 as (day, hour), reason
    ("a", None, (10, 0), "price"),
    ("b", None, (20, 0), " card expired "),
    ("c", None, None, None),
    ("d", None, (5, 0), None),
    # A change of plan is no churn, and its reason none either.
    ("e", None, (5, 10), "upgraded"),
    ("e", (5, 10), (5, 15), "moved"),
    # The first of two ends counts.
    ("f", None, (5, 0), "price"),
    ("f", (20, 0), (25, 0), "card expired"),
    ("g", None, (5, 0), "closed by us"),
    ("h", None, (6, 0), " "),
    ("i", None, (7, 0), "\tprice\r\n"),
    ("j", None, (7, 0), "\n\t"),
    # The larger text of two at one moment, without the blanks around it.
    ("k", None, (8, 0), " price"),
    ("k", None, (8, 0), "card expired"),
]
EXPECTED = {
    "a": "voluntary", "b": "involuntary", "c": None, "d": None, "e": "voluntary",
    "f": "voluntary", "g": "other", "h": None, "i": "voluntary", "j": None, "k": "voluntary",
}  # fmt: skip


def july(moment):
    return None if moment is None else datetime(2024, 7, *moment, tzinfo=UTC)  # type: ignore[misc]


def subscriptions():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        {
            "customer": customer,
            "started": july(begin) or start,
            "ended": july(end),
            "mrr": 10.0,
            "reason": reason,
        }
        for customer, begin, end, reason in SPELLS
    ]


def contractual(cause, **settings):
    return Timeline(
        [SUBSCRIPTIONS],
        {"mrr": Current("subscriptions", "mrr")},
        Snapshots(dates=("2024-07-01",)),
        ActiveSubscription("subscriptions"),
        ContractualChurn("subscriptions", horizon_days=30, cause=cause),
        **settings,
    )


def causes(timeline, tables, **settings):
    rows = build(timeline, tables, known_until="2025-01-01", **settings).to_pylist()
    return {row[timeline.entity]: row[timeline.cause_name] for row in rows}, rows


def test_the_cause_is_that_of_the_end_in_the_window():
    timeline = contractual(Cause("reason", GROUPS))
    found, rows = causes(timeline, {"subscriptions": subscriptions()})
    assert found == EXPECTED
    # A customer who churned without a reason has no cause but is churned.
    assert [row["customer"] for row in rows if not row["churned"]] == ["c"]


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_same_causes_on_spark(spark):
    import pyarrow as pa

    table = pa.Table.from_pylist(subscriptions())
    views = {"subscriptions": spark.createDataFrame(table.to_pandas())}
    timeline = contractual(Cause("reason", GROUPS))
    local, _ = causes(timeline, {"subscriptions": table})
    assert causes(timeline, views, engine="spark")[0] == local == EXPECTED


def test_without_groups_each_reason_is_a_cause():
    found, _ = causes(contractual("reason"), {"subscriptions": subscriptions()})
    assert found["g"] == "closed by us"
    assert found["b"] == "card expired"
    assert found["h"] is None


def event_tables():
    used = [
        {"customer": c, "at": datetime(2024, 6, 1, tzinfo=UTC), "kind": "use", "why": "x"}
        for c in "abc"
    ]
    later = [("a", 3, "cancel", "price"), ("a", 2, "cancel", "card"), ("b", 3, "use", "zzz")]
    return {
        "events": [
            *used,
            *(
                {"customer": c, "at": datetime(2024, 7, day, tzinfo=UTC), "kind": kind, "why": why}
                for c, day, kind, why in later
            ),
        ],
        "outcomes": [
            {"customer": "a", "left": "1", "why": "price"},
            {"customer": "b", "left": "0", "why": "none"},
        ],
    }


def test_the_cause_of_events_and_of_recorded_outcomes():
    tables = [
        Table("events", "customer", happened="at", columns={"kind": "string", "why": "string"}),
        Table("outcomes", "customer", happened=None, columns={"left": "string", "why": "string"}),
    ]
    labels = {
        EventChurn("events", horizon_days=30, where=Where("kind", "==", "cancel"), cause="why"): {
            "a": "card",
            "b": None,
            "c": None,
        },
        ObservedChurn("outcomes", horizon_days=30, where=Where("left", "==", "1"), cause="why"): {
            "a": "price",
            "b": None,
            "c": None,
        },
    }
    for label, expected in labels.items():
        timeline = Timeline(
            tables,
            {"uses": Count("events", window_days=60)},
            Snapshots(dates=("2024-07-01",)),
            ActiveWithin("events", days=90),
            label,  # type: ignore[arg-type]
            cause_name="why_left",
        )
        assert timeline.column_names[-1] == "why_left"
        assert causes(timeline, event_tables())[0] == expected
        assert Timeline.from_json(timeline.to_json()) == timeline


def test_blanks_around_reasons_do_not_count():
    padded = Cause("reason", {"voluntary": ["price\n", "moved", " price"], "involuntary": [
        "\tcard expired"]})  # fmt: skip
    assert padded == Cause("reason", GROUPS)


def test_a_timeline_stores_its_cause_and_scores_without():
    timeline = contractual(Cause("reason", GROUPS))
    assert Timeline.from_json(timeline.to_json()) == timeline
    assert timeline.column_types["cause"] == "string"
    assert "cause" not in timeline.at("2024-08-01").column_names
    # Text of timelines without a cause is as before.
    assert "cause" not in contractual(None).to_json()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contractual("mrr"), "'mrr' has type number; choose a column of type string"),
        (lambda: contractual("why"), "label: cause: .*'why'"),
        (lambda: contractual(3), "ContractualChurn: cause must be a column or Cause"),
        (lambda: Cause(""), "column must be the name"),
        (lambda: Cause("r", {"a": ["x"], "b": ["x"]}), "'x' is listed for two causes"),
        (lambda: Cause("r", {"a": ["x "], "b": ["\tx\n"]}), "'x' is listed for two causes"),
        (lambda: Cause("r", (("a", ("x",)), ("a", ("y",)))), "two groups have the same name"),
        (lambda: Cause("r", {"a": []}), "cause 'a': list its reasons"),
        (lambda: Cause("r", {"": ["x"]}), "groups must have names"),
        (lambda: contractual("reason", cause_name="mrr"), "more than one column is named 'mrr'"),
    ],
)
def test_invalid_causes_are_refused(make, message):
    with pytest.raises(RecipeError, match=message):
        make()

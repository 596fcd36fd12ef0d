"""Invalid timelines are refused, and valid ones survive JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from churnkit.contracts import Column, Contract
from churnkit.errors import ChurnkitError, RecipeError
from churnkit.timeline import (
    DIALECTS,
    ActiveSubscription,
    ActiveWithin,
    ContractualChurn,
    Count,
    Current,
    CurrentSum,
    DaysSince,
    InactivityChurn,
    Last,
    Mean,
    OpenCount,
    Ratio,
    RawColumn,
    RevenueContraction,
    Share,
    Snapshots,
    Sum,
    Table,
    Timeline,
    Trend,
    Where,
    to_sql,
)

EVENTS = Table(
    "events",
    "who",
    happened="at",
    columns={
        "kind": RawColumn("kind", "string", ("visit", "order")),
        "amount": "number",
        "opened": "datetime",
    },
)
SPELLS = Table(
    "spells",
    "who",
    happened="began",
    ended="ended",
    columns={"reason": "string", "ended": "datetime", "fee": "number"},
    known_at_end="reason",
)


def timeline(feature, **changes):
    settings: dict[str, Any] = {
        "tables": [EVENTS, SPELLS],
        "features": {"one": feature},
        "snapshots": Snapshots(dates=("2025-02-01",)),
        "eligible": ActiveWithin("events", days=90),
    }
    return Timeline(**(settings | changes))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Count("events", window_days=0), ["window_days", "1 to"]),
        (lambda: Count("events", lag_days=-1), ["lag_days", "0 to"]),
        (lambda: Count("events", window_days=1.5), ["must be an integer"]),  # type: ignore[arg-type]
        (lambda: Trend("events", window_days=30, against_days=30), ["against_days", "31"]),
        (lambda: Where("kind", "like", "a%"), ["'like'", "use one of"]),  # type: ignore[arg-type]
        (lambda: Where("kind", "in", "visit"), ["list of values"]),
        (lambda: Where("kind", "==", float("nan")), ["finite"]),
        (lambda: Where("kind", "is known", 1), ["takes no value"]),
        (lambda: Count("events", where=["kind"]), ["Where("]),  # type: ignore[list-item]
        (lambda: Ratio(Count("events"), 3), ["must be features"]),  # type: ignore[arg-type]
        (lambda: ActiveWithin("events", days=0), ["days", "1 to"]),
        (lambda: InactivityChurn("events", horizon_days=0), ["horizon_days"]),
        (lambda: ContractualChurn("s", horizon_days=1, grace_days=-1), ["grace_days"]),
        (lambda: RevenueContraction("s", column="m", share=0, horizon_days=1), ["share"]),
        (lambda: Table("ck_x", "who", happened="at"), ["ck_x"]),
        (lambda: Table("a b", "who", happened="at"), ["'a b'"]),
        (lambda: Table("t", "w", happened="at", columns={"a": "text"}), ["'a'", "'text'"]),
        (lambda: Table("t", "w", happened="at", columns={"ck_day": "number"}), ["rename it"]),
        (lambda: Snapshots(every="1 fortnight", start="2025-01-01", end="2025-02-01"), ["every"]),
        (lambda: Snapshots(every="1 month", start="2025-01-01"), ["every, start and end"]),
        (lambda: Snapshots(every="1 month", start="2025-02-01", end="2025-01-01"), ["swap"]),
        (lambda: Snapshots(every="1 day", start="2000-01-01", end="2025-01-01"), ["2,000"]),
        (lambda: Snapshots(dates=("01.02.2025",)), ["YYYY-MM-DD"]),
        (lambda: Snapshots(dates=("2025-01-01", "2025-01-02T06:00")), ["time of day"]),
        (lambda: Snapshots(dates=("2025-01-01",), every="1 day"), ["not both"]),
        (lambda: timeline(Count("evnts")), ["'evnts'", "did you mean 'events'"]),
        (lambda: timeline(Sum("events", "amonut")), ["'one'", "'events'", "did you mean 'amount'"]),
        (lambda: timeline(Mean("events", "kind")), ["'kind'", "string", "integer or number"]),
        (lambda: timeline(Last("events", "opened")), ["'opened'", "datetime"]),
        (lambda: timeline(Share("events", "kind", "vist")), ["'vist'", "'visit', 'order'"]),
        (lambda: timeline(Count("events", where=Where("kind", "<", "a"))), ["no order"]),
        (lambda: timeline(Count("events", where=Where("amount", "==", "1"))), ["number", "str"]),
        (lambda: timeline(Count("events", where=Where("opened", ">", 1))), ["is a time"]),
        (lambda: timeline(OpenCount("events")), ["'events'", "ended="]),
        (lambda: timeline(CurrentSum("events", "amount")), ["ended="]),
        (lambda: timeline(Current("spells", "reason")), ["'reason'", "once the row has ended"]),
        (lambda: timeline(Count("spells", where=Where("reason", "==", "a"))), ["'spells_ended'"]),
        (lambda: timeline(DaysSince("spells", "ended")), ["'ended'", "not known"]),
        (lambda: timeline(Count("spells", where=Where("ended", "is known"))), ["not known"]),
        (lambda: timeline(Count("events"), eligible=ActiveSubscription("events")), ["eligible"]),
        (lambda: timeline(Count("events"), label=ContractualChurn("events", horizon_days=9)), ["label", "ended="]),
        (lambda: timeline(Count("events"), features={"a": Count("events"), "A": Count("events")}), ["rename"]),
        (lambda: timeline(Count("events"), features={"as_of": Count("events")}), ["'as_of'"]),
        (lambda: timeline(Count("events"), features={}), ["at least one"]),
        (lambda: timeline(Count("events"), tables=[EVENTS, EVENTS]), ["'events'"]),
        (lambda: timeline(Ratio(Count("events"), Last("events", "kind"))), ["numbers"]),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_with_its_correction(make, words):
    with pytest.raises(ChurnkitError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_a_plan_with_everything_survives_json(plan, label, eligible):
    full = replace(plan, label=label, eligible=eligible)
    assert Timeline.from_json(full.to_json()) == full
    assert Timeline.from_json(full.to_json()).to_json() == full.to_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": true}',
        '{"format": "' + "9" * 5_000 + '"}',
        '{"format": 1, "features": {}}',
        "{" * 9999,
    ],
)
def test_text_that_is_no_plan_is_refused(text):
    with pytest.raises(RecipeError) as refusal:
        Timeline.from_json(text)
    assert len(str(refusal.value)) < 300


def test_a_date_for_scoring_drops_the_label(plan, label):
    scoring = replace(plan, label=label).at("2025-07-01")
    assert scoring.label is None
    assert scoring.snapshots.dates == ("2025-07-01T00:00:00+00:00",)
    assert dict(scoring.features) == dict(plan.features)


def test_steps_of_months_keep_to_the_months_end():
    dates = Snapshots(every="1 month", start="2024-01-31", end="2024-04-30").dates
    assert [date[:10] for date in dates] == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]


def test_dates_with_an_offset_become_utc():
    assert Snapshots(dates=("2025-01-01T01:00:00+01:00",)).dates == ("2025-01-01T00:00:00+00:00",)


def test_a_schema_gives_types_categories_and_times_but_no_personal_data():
    contract = Contract(
        "visits",
        (
            Column("member", "string", ("entity",)),
            Column("mail", "string", ("pii",)),
            Column("kind", "string", ("feature",), levels=("a", "b")),
            Column("at", "datetime", ("ignore",)),
            Column("known_at", "datetime", ("as_of",)),
        ),
    )
    table = Table.from_schema(contract, happened="at")
    assert [column.name for column in table.raw_columns] == ["kind", "at", "known_at"]
    assert table["kind"].categories == ("a", "b")
    with pytest.raises(RecipeError, match="did you mean 'at'"):
        Table.from_schema(contract, happened="att")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_text_in_a_condition_stays_a_text(dialect):
    nasty = "x' OR 1=1; DROP TABLE events; -- \\"
    table = replace(EVENTS, columns={"kind": "string"})
    text = to_sql(
        timeline(Count("events", where=Where("kind", "==", nasty)), tables=[table]), dialect
    )
    (one,) = sqlglot.parse(text, dialect=dialect)
    assert one is not None
    found = {literal.this for literal in one.find_all(exp.Literal) if literal.is_string}
    assert nasty in found


def test_no_join_has_a_disjunction(plan):
    """DuckDB 1.x runs a left join on a disjunction as a nested loop, for minutes."""
    lasting = {name: one for name, one in plan.features.items() if isinstance(one, (Last, Count))}
    parsed = sqlglot.parse_one(to_sql(replace(plan, features=lasting)), read="duckdb")
    joins = [join for join in parsed.find_all(exp.Join) if join.side == "LEFT"]
    assert joins
    assert not [join for join in joins if join.args["on"].find(exp.Or)]


def test_an_unknown_dialect_is_refused(plan):
    with pytest.raises(RecipeError, match="choose one of"):
        to_sql(plan, "oracle")


def test_a_warehouse_is_not_asked_to_convert_zones():
    table = Table("events", "who", happened="at", time_zone="Europe/Berlin")
    with pytest.raises(RecipeError, match="a view with times in UTC"):
        to_sql(timeline(Count("events"), tables=[table]), "snowflake")


def test_declaring_a_plan_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from churnkit.timeline import Timeline, Table, Count, Snapshots; "
        "print([m for m in ('duckdb', 'sqlglot', 'pandas', 'pyarrow', 'pyspark') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

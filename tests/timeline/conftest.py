"""A plan with every feature, tables whose times sit on every edge, and a reference by hand.

The reference is written from the definitions, row by row in Python, and shares nothing with the
lowering but the plan.
"""

from __future__ import annotations

import datetime as dt
import operator
import random
from dataclasses import replace

import pytest

from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    ChurnEvents,
    ContractualChurn,
    Count,
    Current,
    CurrentSum,
    DaysSince,
    DistinctDays,
    EventChurn,
    InactivityChurn,
    Last,
    Max,
    Mean,
    Min,
    ObservedChurn,
    OpenCount,
    Ratio,
    Recency,
    Related,
    RevenueContraction,
    Share,
    Snapshots,
    Sum,
    Table,
    Tenure,
    Timeline,
    Trend,
    Where,
)

DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
KINDS = ("visit", "order", 'it\'s "odd" \\ %s')

TABLES = (
    Table(
        "events",
        "customer",
        happened="at",
        available="known_at",
        columns={"kind": "string", "amount": "number", "units": "integer", "mobile": "boolean"},
    ),
    Table(
        "contracts",
        "customer",
        happened="began",
        available="known_at",
        ended="ended",
        columns={"plan": "string", "fee": "number", "seats": "integer", "began": "datetime"},
    ),
)

ORDERS = Where("kind", "==", "order")
FEATURES = {
    "rows_30": Count("events", window_days=30),
    "rows_before": Count("events", window_days=30, lag_days=30),
    "rows_ever": Count("events"),
    "odd_7": Count("events", window_days=7, where=Where("kind", "==", KINDS[2])),
    "not_visits": Count("events", window_days=90, where=Where("kind", "not in", ["visit"])),
    "on_mobile": Count("events", where=[Where("mobile", "==", True), Where("units", ">", 1)]),
    "cheap": Count("events", where=[Where("amount", "<=", 2.25), Where("kind", "!=", "visit")]),
    "unpriced": Count("events", window_days=60, where=Where("amount", "is missing")),
    "spend_30": Sum("events", "amount", window_days=30),
    "spend_lagged": Sum("events", "amount", window_days=7, lag_days=1, where=ORDERS),
    "mean_90": Mean("events", "amount", window_days=90),
    "mean_units": Mean("events", "units", where=Where("kind", "in", ["order", "visit"])),
    "least": Min("events", "amount", window_days=60),
    "most": Max("events", "amount", window_days=60, lag_days=2),
    "last_amount": Last("events", "amount"),
    "last_kind_30": Last("events", "kind", window_days=30),
    "last_units_lag": Last("events", "units", window_days=20, lag_days=10, where=ORDERS),
    "last_mobile": Last("events", "mobile", window_days=45),
    "days_30": DistinctDays("events", window_days=30),
    "order_days": DistinctDays("events", where=ORDERS),
    "recency": Recency("events"),
    "order_recency_60": Recency("events", window_days=60, where=ORDERS),
    "tenure": Tenure("events"),
    "trend": Trend("events", window_days=7, against_days=30),
    "spend_trend": Trend("events", "amount", window_days=14, against_days=60, lag_days=1),
    "visit_share": Share("events", "kind", "visit", window_days=60),
    "mobile_share": Share("events", "mobile", True, window_days=30, where=ORDERS),
    "week_of_month": Ratio(Count("events", window_days=7), Sum("events", "amount", window_days=30)),
    "plan": Current("contracts", "plan"),
    "seats": Current("contracts", "seats", where=Where("fee", ">=", 5)),
    "fee": CurrentSum("contracts", "fee"),
    "big_fee": CurrentSum("contracts", "fee", where=Where("seats", ">", 2)),
    "contract_days": DaysSince("contracts", "began"),
    "open": OpenCount("contracts"),
    "open_basic": OpenCount("contracts", where=Where("plan", "==", "basic")),
    "contracts_ever": Count("contracts"),
    "spend_of_kinds": Related("events", "kind", Sum("events", "amount", window_days=30)),
    "mean_of_kind": Related(
        "events",
        "kind",
        Mean("events", "amount", where=Where("mobile", "==", True)),
        window_days=30,
        lag_days=1,
        combine="last",
    ),
    "mobile_of_kinds": Related(
        "events", "kind", Share("events", "mobile", True, window_days=14), combine="max"
    ),
    "fee_of_seats": Related("contracts", "seats", Mean("contracts", "fee"), combine="last"),
    "rate_of_plans": Related(
        "contracts",
        "plan",
        Ratio(Count("contracts", window_days=90, where=Where("seats", ">", 2)), Count("contracts")),
        where=Where("fee", ">=", 2),
        combine="min",
    ),
    "last_event_kind": Current("events", "kind", where=Where("amount", "is known")),
}
LABELS = {
    "contractual": ContractualChurn("contracts", horizon_days=30, gap_days=7, grace_days=10),
    "contractual_now": ContractualChurn("contracts", horizon_days=30),
    "inactive": InactivityChurn("events", horizon_days=14, gap_days=3, where=ORDERS),
    "contraction": RevenueContraction(
        "contracts", column="fee", share=0.25, horizon_days=40, gap_days=5
    ),
    "event": EventChurn("events", horizon_days=14, gap_days=2, where=ORDERS),
    "observed": ObservedChurn("contracts", horizon_days=30, where=Where("seats", ">=", 4)),
    "observed_then": ObservedChurn(
        "events", horizon_days=30, where=Where("kind", "==", "visit"), dated=True
    ),
}
ELIGIBLE: dict[str, ActiveSubscription | ActiveWithin] = {
    "active": ActiveSubscription("contracts"),
    "active_basic": ActiveSubscription("contracts", where=Where("plan", "==", "basic")),
    "within": ActiveWithin("events", days=30),
    "ordered": ActiveWithin("events", days=60, where=ORDERS),
    "not_churned": ActiveWithin(
        "events", days=60, unless=ChurnEvents("events", where=Where("kind", "==", KINDS[2]))
    ),
    "not_ended": ActiveWithin("events", days=90, where=ORDERS, unless=ChurnEvents("contracts")),
}


@pytest.fixture(scope="session")
def plan():
    """Every feature there is, at four dates."""
    return Timeline(
        tables=TABLES,
        features=FEATURES,
        snapshots=Snapshots(every="1 month", start="2025-03-01", end="2025-06-01"),
        eligible=ELIGIBLE["active"],
    )


@pytest.fixture(scope="session")
def raw():
    """Tables of 40 customers whose times sit on, just before and just after every edge."""
    return edge_tables(seed=7)


@pytest.fixture(scope="session")
def make_raw():
    return edge_tables


@pytest.fixture(scope="session")
def by_hand():
    return reference


@pytest.fixture(params=sorted(LABELS))
def label(request):
    return LABELS[request.param]


@pytest.fixture(params=sorted(ELIGIBLE))
def eligible(request):
    return ELIGIBLE[request.param]


def edge_tables(seed, customers=40, events=900, contracts=110):
    rng = random.Random(seed)  # noqa: S311
    dates = [dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (3, 4, 5, 6)]
    spans = (0, 1, 2, 3, 5, 7, 8, 10, 14, 15, 17, 20, 30, 37, 44, 45, 47, 60, 62, 90)

    def moment():
        if rng.random() < 0.6:
            edge = rng.choice(dates) + rng.choice((-1, 1)) * rng.choice(spans) * DAY
            return edge + rng.choice((-TICK, 0 * TICK, TICK))
        return START + rng.randrange(200 * 24 * 60) * dt.timedelta(minutes=1)

    def known(at):
        late = rng.random()
        if late < 0.2:
            return max(at, moment())
        return at - DAY if late < 0.25 else at

    def event():
        at = moment()
        return {
            "customer": f"c{rng.randrange(customers):02d}" if rng.random() > 0.02 else None,
            "at": at if rng.random() > 0.02 else None,
            "known_at": known(at),
            "kind": rng.choice((*KINDS, None)),
            "amount": rng.choice((None, rng.randrange(40) / 4)),
            "units": rng.choice((None, rng.randrange(5))),
            "mobile": rng.choice((None, True, False)),
        }

    def contract():
        began = moment() - rng.choice((0, 60)) * DAY
        ended = rng.choice((None, began + rng.randrange(90) * DAY, moment()))
        return {
            "customer": f"c{rng.randrange(customers):02d}",
            "began": began,
            "known_at": known(began),
            "ended": ended,
            "plan": rng.choice(("basic", "plus", None)),
            "fee": rng.choice((None, rng.randrange(80) / 4)),
            "seats": rng.choice((None, rng.randrange(6))),
        }

    return {
        "events": [event() for _ in range(events)],
        "contracts": [contract() for _ in range(contracts)],
    }


COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def meets(row, conditions):
    for one in conditions:
        value = row[one.column]
        if one.op == "is missing":
            holds = value is None
        elif value is None:
            holds = False
        elif one.op in {"in", "not in"}:
            holds = (value in one.value) == (one.op == "in")
        else:
            holds = one.op == "is known" or COMPARE[one.op](value, one.value)
        if not holds:
            return False
    return True


def known_rows(table, rows):
    """Rows that have happened to somebody, each with the later of its two times."""
    for row in rows:
        if row[table.entity] is None or row[table.happened] is None:
            continue
        time = row[table.happened]
        if table.available and row[table.available] > time:
            time = row[table.available]
        yield {**row, "_time": time}


def in_window(feature, rows, as_of):
    end = as_of - feature.lag_days * DAY
    begin = None if feature.window_days is None else end - feature.window_days * DAY
    return [
        row
        for row in rows
        if row["_time"] < end
        and (begin is None or row["_time"] >= begin)
        and meets(row, feature.where)
    ]


def whole_days(as_of, time):
    """The number of the day, counted back from `as_of`: 0 is the last day before it."""
    back = 0
    while not as_of - (back + 1) * DAY <= time:
        back += 1
    return back


def runs(table, row, as_of):
    end = row[table.ended] if table.ended else None
    return row["_time"] < as_of and (end is None or end >= as_of)


def over(a, b):
    return None if a is None or b is None or b == 0 else a / b


def latest(rows, column):
    """Of the rows with the latest time the largest value; missing values come last."""
    time = max(row["_time"] for row in rows)
    values = [row[column] for row in rows if row["_time"] == time and row[column] is not None]
    return max(values, default=None)


def feature_value(plan, feature, rows, as_of):  # noqa: C901, PLR0911  (one definition after the other)
    if isinstance(feature, Ratio):
        parts = [feature_value(plan, one, rows, as_of) for one in (feature.over, feature.under)]
        return over(*parts)
    table, own = plan.table(feature.table), rows[feature.table]
    if isinstance(feature, (Current, CurrentSum, DaysSince, OpenCount)):
        return state_value(feature, [r for r in own if runs(table, r, as_of)], as_of)
    if isinstance(feature, Trend):
        recent = replace_window(feature, feature.window_days)
        longer = replace_window(feature, feature.against_days)
        sums = [feature_value(plan, one, rows, as_of) for one in (recent, longer)]
        return over(sums[0] / feature.window_days, sums[1] / feature.against_days)
    found = in_window(feature, own, as_of)
    if isinstance(feature, Count):
        return len(found)
    if isinstance(feature, Share):
        return over(sum(row[feature.column] == feature.value for row in found), len(found))
    numbers = [whole_days(as_of, row["_time"]) for row in found]
    if isinstance(feature, DistinctDays):
        return len(set(numbers))
    if isinstance(feature, Recency):
        return min(numbers, default=None)
    if isinstance(feature, Tenure):
        return max(numbers, default=None)
    there = [row for row in found if row[feature.column] is not None]
    values = [row[feature.column] for row in there]
    if isinstance(feature, Last):
        return latest(there, feature.column) if there else None
    if isinstance(feature, Sum):
        return float(sum(values))
    if isinstance(feature, Mean):
        return over(float(sum(values)), len(values))
    extreme = min if isinstance(feature, Min) else max
    found_value = extreme(values, default=None)
    return None if found_value is None else float(found_value)


def related_value(plan, feature, customer, rows, as_of):
    """Value of the keys in a customer's rows, each from the rows of all others with the key."""
    own = [row for row in rows[feature.table] if row["customer"] == customer]
    linked = [row for row in in_window(feature, own, as_of) if row[feature.key] is not None]
    keys = [row[feature.key] for row in linked]
    if feature.combine == "last" and linked:
        keys = [latest(linked, feature.key)]
    values = []
    for key in keys:
        others = {
            name: [
                row for row in each if row["customer"] != customer and row.get(feature.key) == key
            ]
            for name, each in rows.items()
        }
        values.append(feature_value(plan, feature.feature, others, as_of))
    values = [float(value) for value in values if value is not None]
    if not values:
        return None
    if feature.combine in {"min", "max"}:
        return min(values) if feature.combine == "min" else max(values)
    return sum(values) / len(values)


def replace_window(trend, days):
    settings = {"window_days": days, "lag_days": trend.lag_days, "where": trend.where}
    if trend.column is None:
        return Count(trend.table, **settings)
    return Sum(trend.table, trend.column, **settings)


def state_value(feature, own, as_of):
    own = [row for row in own if meets(row, feature.where)]
    if isinstance(feature, OpenCount):
        return len(own)
    if isinstance(feature, CurrentSum):
        return float(sum(row[feature.column] or 0 for row in own))
    if not own:
        return None
    if isinstance(feature, DaysSince):
        time = latest(own, feature.column)
        return None if time is None or time >= as_of else whole_days(as_of, time)
    return latest(own, feature.column)


def is_eligible(plan, rows, as_of):
    who = plan.eligible
    table, own = plan.table(who.table), rows[who.table]
    if isinstance(who, ActiveSubscription):
        return any(runs(table, row, as_of) and meets(row, who.where) for row in own)
    active = [row["_time"] for row in own if row["_time"] < as_of and meets(row, who.where)]
    if not any(as_of - who.days * DAY <= time for time in active):
        return False
    if who.unless is None:
        return True
    churned = [row for row in rows[who.unless.table] if meets(row, who.unless.where)]
    days_ago = [whole_days(as_of, row["_time"]) for row in churned if row["_time"] < as_of]
    return not days_ago or min(days_ago) > min(whole_days(as_of, time) for time in active)


def label_value(plan, rows, as_of):
    label = plan.label
    table = plan.table(label.table)
    begin = as_of + label.gap_days * DAY
    end = begin + label.horizon_days * DAY
    own = [row for row in rows[label.table] if meets(row, label.where)]
    if isinstance(label, ObservedChurn):
        recorded = [
            row
            for row in rows[label.table]
            if all(row[one.column] is not None for one in label.conditions)
            and (not label.dated or as_of <= row[table.happened] < as_of + DAY)
        ]
        return any(meets(row, label.where) for row in recorded) if recorded else None
    if isinstance(label, EventChurn):
        return any(begin <= row[table.happened] < end for row in own)
    if isinstance(label, InactivityChurn):
        return not any(begin <= row[table.happened] < end for row in own)
    if isinstance(label, ContractualChurn):
        left = [time for time in leaving_times(label, table, own) if as_of <= time < end]
        if any(time < begin for time in left):
            return None
        return bool(left)
    before = sum(row[label.column] or 0 for row in own if runs(table, row, as_of))
    after = sum(
        row[label.column] or 0
        for row in own
        if row[table.happened] < end and (row[table.ended] is None or row[table.ended] >= end)
    )
    return None if before <= 0 else before - after >= label.share * before


def leaving_times(label, table, own):
    """Ends after which nothing runs on, nor begins within the grace."""
    for row in own:
        end = row[table.ended]
        if end is None:
            continue
        followed = any(
            (other[table.happened] <= end or other[table.happened] < end + label.grace_days * DAY)
            and (other[table.ended] is None or other[table.ended] > end)
            for other in own
        )
        if not followed:
            yield end


def reference(plan, raw):
    """Work a plan out row by row, as a list of dicts by date and customer."""
    rows = {table.name: list(known_rows(table, raw[table.source])) for table in plan.tables}
    customers = sorted({row["customer"] for own in rows.values() for row in own})
    result = []
    for as_of in plan.snapshots.timestamps:
        for customer in customers:
            mine = {
                name: [row for row in own if row["customer"] == customer]
                for name, own in rows.items()
            }
            if not is_eligible(plan, mine, as_of):
                continue
            found = {plan.entity: customer, plan.as_of: as_of}
            for name, feature in plan.features.items():
                if isinstance(feature, Related):
                    found[name] = related_value(plan, feature, customer, rows, as_of)
                else:
                    found[name] = feature_value(plan, feature, mine, as_of)
            if plan.label:
                found[plan.label_name] = label_value(plan, mine, as_of)
            result.append(found)
    return result


@pytest.fixture(scope="session")
def with_label():
    return lambda plan, label: replace(plan, label=label)

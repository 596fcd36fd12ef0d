"""Features of products and accounts against a slow computation with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import (
    ActiveWithin,
    Count,
    Last,
    Lookup,
    Max,
    Mean,
    OpenCount,
    Ratio,
    Recency,
    Related,
    Snapshots,
    Sum,
    Table,
    Timeline,
    Where,
    build,
    to_sql,
)
from churnkit.timeline.data_coverage import longest_windows

DATES = pd.to_datetime(["2025-03-01", "2025-04-01", "2025-05-01"], utc=True)
DAY = pd.Timedelta(days=1)
TABLES = [
    Table("visits", "user_id", happened="at"),
    Table("users", "user_id", happened=None,
          columns={"account_id": "string", "parent_id": "string"},
          lookups=[Lookup("accounts", "account_id")]),
    Table("memberships", "user_id", happened="at", available="known_at",
          columns={"account_id": "string", "parent_id": "string"},
          lookups=[Lookup("accounts", "account_id")]),
    Table("tickets", "user_id", happened="at", available="known_at",
          columns={"account_id": "string", "parent_id": "string", "severe": "boolean"},
          lookups=[Lookup("accounts", "account_id")]),
    Table("invoices", "account_id", happened="at", columns={"amount": "number"}),
    Table("orders", "user_id", happened="at", available="known_at",
          columns={"product_id": "integer"}),
    Table("returns", "user_id", happened="at", available="known_at",
          columns={"product_id": "integer"}),
]  # fmt: skip
SEVERE = Where("severe", "==", True)
RETURN_RATE = Ratio(Count("returns", window_days=90), Count("orders", window_days=90))
FEATURES = {
    "tickets": Related("memberships", "account_id", Count("tickets", window_days=30), combine="last"),
    "invoiced": Related(
        "memberships", "account_id", Sum("invoices", "amount", window_days=60), combine="last"
    ),
    "invoice_recency": Related("memberships", "account_id", Recency("invoices"), combine="last"),
    "severe_of_parent": Related(
        "memberships", "parent_id", Ratio(Count("tickets", where=SEVERE), Count("tickets")),
        combine="last",
    ),
    "tickets_of_first_parent": Related(
        "users", "parent_id", Count("tickets", window_days=30), combine="last"
    ),
    "mean_of_first_account": Related("users", "account_id", Count("tickets", window_days=60)),
    "return_rate": Related("orders", "product_id", RETURN_RATE, window_days=30, lag_days=1),
    "worst_rate": Related("orders", "product_id", RETURN_RATE, combine="max"),
    "invoiced_over_visits": Ratio(
        Related("memberships", "account_id", Sum("invoices", "amount"), combine="last"),
        Count("visits"),
    ),
}  # fmt: skip
TIMELINE = Timeline(
    TABLES, FEATURES, Snapshots(dates=tuple(map(str, DATES))), ActiveWithin("visits", days=400)
)


def company(seed):
    """Draw tables with ties at the edges of windows, rows known late, and missing ids."""
    rng = np.random.default_rng(seed)
    users = np.array([f"u{number:02d}" for number in range(12)], dtype=object)

    def rows(count, **columns):
        edges = pd.Series(DATES[rng.integers(0, 3, count)])
        ticks = pd.to_timedelta(rng.integers(-1, 2, count), unit="us")
        at = edges + pd.to_timedelta(30 * rng.integers(-3, 4, count), unit="D") + ticks
        late = at + pd.to_timedelta(rng.choice([0, 0, 0, 1, 30], count), unit="D")
        user = np.where(rng.random(count) < 0.05, None, rng.choice(users, count))
        return pd.DataFrame({"user_id": user, "at": at, "known_at": late, **columns})

    def ids(count, names):
        return np.where(rng.random(count) < 0.1, None, rng.choice(names, count))

    accounts = [f"a{number}" for number in range(5)]
    first = DATES[0] - 100 * DAY
    products = {n: pd.array(ids(n, [1, 2, 3, 4]), dtype="Int64") for n in (90, 40)}
    tickets = rows(80, account_id=ids(80, accounts))
    tickets["severe"] = pd.array(ids(80, [True, False]), dtype="boolean")
    return {
        "visits": pd.DataFrame({"user_id": users, "at": first}),
        "memberships": rows(30, account_id=ids(30, accounts)),
        "users": pd.DataFrame(
            {"user_id": users, "account_id": np.resize(["a0", "a1", "a2", "a4", None], 12)}
        ),
        "accounts": pd.DataFrame(
            {"account_id": accounts, "parent_id": ["p0", "p0", "p1", "p1", None]}
        ),
        "tickets": tickets,
        "invoices": pd.DataFrame(
            {"account_id": ids(40, accounts), "at": rows(40)["at"],
             "amount": rng.integers(0, 40, 40) / 4}
        ),
        "orders": rows(90, product_id=products[90]),
        "returns": rows(40, product_id=products[40]),
    }  # fmt: skip


def window(frame, as_of, days=None, lag=0):
    end = as_of - lag * DAY
    return frame[(frame.time < end) & (days is None or frame.time >= end - (days or 0) * DAY)]


def by_pandas(raw):
    """Compute the features row by row."""
    tables = {}
    for name, frame in raw.items():
        if "at" not in frame:
            continue
        joined = frame
        if name in {"memberships", "tickets"}:
            joined = frame.merge(raw["accounts"], on="account_id", how="left")
        if "user_id" in joined:
            joined = joined[joined.user_id.notna()]
        time = joined[["at", "known_at"]].max(axis=1) if "known_at" in joined else joined["at"]
        tables[name] = joined.assign(time=time)
    users = raw["users"].merge(raw["accounts"], on="account_id", how="left").set_index("user_id")
    result = []
    for as_of in DATES:
        for user in raw["visits"].user_id:
            row = {"user_id": user, "as_of": as_of}
            own = window(tables["memberships"][tables["memberships"].user_id == user], as_of)
            account, parent = (last_key(own, key) for key in ("account_id", "parent_id"))
            others = {
                name: frame[frame.user_id != user]
                for name, frame in tables.items()
                if "user_id" in frame
            }
            tickets = others["tickets"]
            invoices = tables["invoices"][tables["invoices"].account_id == account]
            of_account = tickets[tickets.account_id == account]
            of_parent = window(tickets[tickets.parent_id == parent], as_of)
            recent, ever = window(invoices, as_of, 60), window(invoices, as_of)
            if account is not None:
                row["tickets"] = len(window(of_account, as_of, 30))
                row["invoiced"] = recent.amount.sum()
                row["invoiced_over_visits"] = ever.amount.sum()
                if len(ever):
                    ago = (as_of - ever.time.max()) / DAY
                    row["invoice_recency"] = np.ceil(ago) - 1
            if parent is not None and len(of_parent):
                row["severe_of_parent"] = (of_parent.severe.fillna(False)).mean()
            row |= of_user(users.loc[user], tickets, as_of)
            bought = tables["orders"][tables["orders"].user_id == user].dropna()
            rates = [
                product_rate(others, product, as_of)
                for product in window(bought, as_of, 30, lag=1).product_id
            ]
            row["return_rate"] = pd.Series(rates, dtype=float).mean()
            rates = [
                product_rate(others, product, as_of) for product in window(bought, as_of).product_id
            ]
            row["worst_rate"] = pd.Series(rates, dtype=float).max()
            result.append(row)
    return pd.DataFrame(result, columns=TIMELINE.column_names)


def of_user(user, tickets, as_of):
    """Count the tickets of others with the account and the parent that the user's row has."""
    days = {
        "mean_of_first_account": ("account_id", 60),
        "tickets_of_first_parent": ("parent_id", 30),
    }
    return {
        name: len(window(tickets[tickets[key] == user[key]], as_of, width))
        for name, (key, width) in days.items()
        if pd.notna(user[key])
    }


def last_key(rows, key):
    rows = rows[rows[key].notna()]
    return None if rows.empty else rows[rows.time == rows.time.max()][key].max()


def product_rate(others, product, as_of):
    counts = [
        len(window(others[name][others[name].product_id == product], as_of, 90))
        for name in ("returns", "orders")
    ]
    return counts[0] / counts[1] if counts[1] else np.nan


@pytest.mark.parametrize("seed", range(4))
def test_duckdb_computes_what_pandas_does(seed):
    raw = company(seed)
    found = build(TIMELINE, raw, threads=1).to_pandas()
    wanted = by_pandas(raw)
    assert found[list(FEATURES)].notna().sum().min() > 0
    pd.testing.assert_frame_equal(
        found.drop(columns="as_of"), wanted.drop(columns="as_of"), check_dtype=False, rtol=1e-12
    )


def test_a_customers_own_returns_do_not_change_the_rate_of_a_product():
    raw = company(0)
    more = raw["returns"].assign(user_id="u03").dropna()
    changed = {**raw, "returns": pd.concat([raw["returns"], more], ignore_index=True)}
    before, after = (build(TIMELINE, each).to_pandas() for each in (raw, changed))
    rates = ["return_rate", "worst_rate"]
    same = before.user_id == "u03"
    pd.testing.assert_frame_equal(after[same][rates], before[same][rates], rtol=1e-12)
    assert not after[~same][rates].equals(before[~same][rates])


BOUNDED = {
    f"{combine}_{days}_{lag}": Related(
        "orders", "product_id", RETURN_RATE, window_days=days, lag_days=lag, combine=combine
    )
    for combine in ("mean", "max", "last")
    for days, lag in ((20, 0), (30, 1), (31, 30))
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("names", [*((name,) for name in BOUNDED), tuple(BOUNDED)], ids="+".join)
def test_keys_of_bounded_windows_have_the_values_that_pandas_computes(seed, names):
    raw = company(seed)
    features = {name: BOUNDED[name] for name in names}
    timeline = Timeline(TABLES, features, TIMELINE.snapshots, TIMELINE.eligible)
    found = build(timeline, raw, threads=1).to_pandas()
    orders, returns = (
        raw[name][raw[name].user_id.notna()].assign(
            time=lambda rows: rows[["at", "known_at"]].max(axis=1)
        )
        for name in ("orders", "returns")
    )
    for row in found.to_dict("records"):
        others = {
            name: frame[frame.user_id != row["user_id"]]
            for name, frame in (("orders", orders), ("returns", returns))
        }
        bought = orders[orders.user_id == row["user_id"]].dropna()
        for name, feature in features.items():
            keys = window(bought, row["as_of"], feature.window_days, feature.lag_days)
            if feature.combine == "last":
                keys = keys[keys.time == keys.time.max()].nlargest(1, "product_id")
            rates = pd.Series(
                [product_rate(others, product, row["as_of"]) for product in keys.product_id],
                dtype=float,
            )
            wanted = rates.max() if feature.combine == "max" else rates.mean()
            assert row[name] == pytest.approx(wanted, rel=1e-12, nan_ok=True), name


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("features", [FEATURES, BOUNDED], ids=["all rows", "bounded"])
def test_spark_computes_what_duckdb_does(spark, features):
    from churnkit.contracts.arrow_interop import as_arrow

    raw = company(1)
    timeline = Timeline(TABLES, features, TIMELINE.snapshots, TIMELINE.eligible)
    frames = {name: spark.createDataFrame(as_arrow(rows)) for name, rows in raw.items()}
    found = build(timeline, frames, engine="spark").to_pandas()
    wanted = build(timeline, raw).to_pandas()
    pd.testing.assert_frame_equal(found, wanted, rtol=1e-12)


def test_the_declaration_survives_json_and_counts_as_a_lookback():
    assert Timeline.from_json(TIMELINE.to_json()) == TIMELINE
    assert longest_windows(TIMELINE)["returns"] == ("return_rate", 90)
    views = [
        Table("orders", "user_id", happened="at", columns={"product_id": "integer"}),
        Table("returns", "user_id", happened="at", columns={"product_id": "integer"}),
    ]
    timeline = Timeline(
        views, {"rate": FEATURES["worst_rate"]}, TIMELINE.snapshots, ActiveWithin("orders", days=9)
    )
    assert '"product_id"' in to_sql(timeline, "postgres")


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (lambda: Related("orders", "product_id", Count("returns"), combine="sum"), "combine"),
        (lambda: Related("orders", "product_id", Last("returns", "product_id")), "windowed"),
        (lambda: Related("orders", "product_id", OpenCount("returns")), "windowed"),
        (lambda: Related("orders", "product_id", FEATURES["tickets"]), "windowed"),
        (lambda: Related("orders", "product", Count("returns")), "declares no column 'product'"),
        (lambda: Related("orders", "product_id", Count("tickets")), "table 'tickets' declares no"),
        (
            lambda: Related("users", "account_id", Count("tickets"), window_days=30),
            "table 'users' has no time, so that its rows lie in no window",
        ),
        (lambda: Last("users", "account_id", window_days=30), "has no time"),
        (
            lambda: Related("orders", "product_id", Max("returns", "product_id")),
            "cannot leave out the customer's own rows",
        ),
    ],
)
def test_what_has_no_value_without_the_own_rows_is_refused_by_name(feature, message):
    with pytest.raises(ChurnkitError, match=message):
        Timeline(TABLES, {"x": feature()}, TIMELINE.snapshots, TIMELINE.eligible)


def test_keys_of_another_type_than_the_ids_of_their_table_are_refused():
    raw = company(0)
    raw["invoices"] = raw["invoices"].assign(account_id=1)
    with pytest.raises(ChurnkitError, match="column 'account_id' has integers, but related"):
        build(TIMELINE, raw)


def of_related(rows, *, tables=("orders",), **features):
    columns = {"product_id": "integer", "amount": "number", "discount": "number"}
    day = pd.Timestamp("2025-02-01", tz="UTC")
    timeline = Timeline(
        [
            Table("visits", "user_id", happened="at"),
            *(Table(name, "user_id", happened="at", columns=columns) for name in tables),
        ],
        {name: Related(tables[0], "product_id", one, combine="max")
         for name, one in features.items()},
        Snapshots(dates=("2025-03-01",)),
        ActiveWithin("visits", days=400),
    )  # fmt: skip
    raw = {
        name: pd.DataFrame(
            [row[1:] for row in rows if row[0] == name],
            columns=["user_id", "product_id", "amount", "discount"],
        ).assign(at=day)
        for name in tables
    }
    raw["visits"] = pd.DataFrame({"user_id": ["u0", "u1", "u2"]}).assign(at=day)
    found = build(timeline, raw).to_pandas().set_index("user_id")
    return {name: found[name].tolist() for name in features}


def test_sums_of_other_customers_are_exact_whatever_the_customer_s_own_values():
    # Of the products 1 and 2, the others have no amount beside u0's 0.1 + 0.2 + ...; of 3, they
    # have 5 beside 1e17, where a difference of sums is 0.
    cents = [0.1, 0.2, 0.3, 0.7, 1.1, 33.33]
    noise = [("orders", "u0", product, x, x / 3) for product in (1, 2) for x in cents]
    others = [("orders", user, product, 0.0, 0.0) for user in ("u1", "u2") for product in (1, 2)]
    spend, discount = Sum("orders", "amount"), Sum("orders", "discount")
    found = of_related([*noise, *others], spend=spend, rate=Ratio(discount, spend))
    assert found["spend"][0] == 0.0
    assert np.isnan(found["rate"][0])
    assert found["rate"][1:] == pytest.approx([1 / 3, 1 / 3])
    huge = [
        ("orders", "u0", 3, 1e17, 1.0),
        ("orders", "u1", 3, 5.0, 2.0),
        ("orders", "u2", 4, 7.0, 3.0),
    ]
    found = of_related(huge, spend=spend, mean=Mean("orders", "amount"))
    # u2 is alone with its product: nothing was spent on it, and there is no mean.
    assert found["spend"] == [5.0, 1e17, 0.0]
    assert found["mean"][:2] == [5.0, 1e17]
    assert np.isnan(found["mean"][2])


def test_a_customer_without_rows_in_the_summed_table_has_the_sum_of_all_others():
    rows = [
        *(("orders", user, 1, 1.0, 0.0) for user in ("u0", "u1", "u2")),
        ("returns", "u1", 1, 2.5, 0.0),
        ("returns", "u2", 1, 0.25, 0.0),
    ]
    found = of_related(rows, tables=("orders", "returns"), returned=Sum("returns", "amount"))
    assert found["returned"] == [2.75, 0.25, 2.5]

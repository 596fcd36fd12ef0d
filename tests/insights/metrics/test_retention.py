"""Retention metrics compared with pandas."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from churnkit.errors import DataError, RecipeError
from churnkit.insights import RetentionSettings, retention_metrics

UTC = dt.UTC


@pytest.fixture(scope="module")
def found(company):
    tables = {name: company.tables[name] for name in ("subscriptions", "events")}
    return retention_metrics(tables, threads=1)


@pytest.fixture(scope="module")
def subscriptions(company):
    frame = company.tables["subscriptions"].to_pandas()
    for name in ("started_at", "ended_at"):
        frame[name] = frame[name].dt.tz_convert(None)
    return frame


def running(frame, moment):
    """Monthly revenue of everybody with a row that began before a moment and did not end before."""
    there = (frame["started_at"] < moment) & ~(frame["ended_at"] < moment)
    return frame[there].groupby("customer_id")["mrr"].sum()


def test_the_date_is_the_midnight_after_the_last_row(found):
    assert found.as_of == "2026-01-01T00:00:00+00:00"


def test_every_monthly_movement_equals_a_comparison_of_two_days(found, subscriptions):
    first = subscriptions.groupby("customer_id")["started_at"].min()
    for month in found.movements.months:
        begin = pd.Timestamp(month.name)
        end = begin + pd.offsets.MonthBegin(1)
        before, after = running(subscriptions, begin), running(subscriptions, end)
        stayed = before.index.intersection(after.index)
        came = after.index.difference(before.index)
        new = came[(first[came] >= begin).to_numpy()]
        back = came.difference(new)
        gone = before.index.difference(after.index)
        change = (after[stayed] - before[stayed]).to_numpy()
        expected = {
            "opening_customers": len(before),
            "closing_customers": len(after),
            "new_customers": len(new),
            "returned_customers": len(back),
            "left_customers": len(gone),
            "opening_mrr": before.sum(),
            "closing_mrr": after.sum(),
            "new_mrr": after[new].sum(),
            "reactivation_mrr": after[back].sum(),
            "expansion_mrr": change[change > 0].sum(),
            "contraction_mrr": -change[change < 0].sum(),
            "churn_mrr": before[gone].sum(),
        }
        assert {name: getattr(month, name) for name in expected} == expected


def test_movements_add_up_to_the_cent(found):
    for month in found.movements.months:
        moved = month.new_mrr + month.reactivation_mrr + month.expansion_mrr
        lost = month.contraction_mrr + month.churn_mrr
        assert month.opening_mrr + moved - lost == month.closing_mrr


def test_yearly_retention_compares_the_customers_of_a_year_ago(found, subscriptions):
    before = running(subscriptions, pd.Timestamp("2025-01-01"))
    after = running(subscriptions, pd.Timestamp("2026-01-01")).reindex(before.index).fillna(0.0)
    assert found["nrr_year"].value == pytest.approx(after.sum() / before.sum(), abs=1e-12)
    kept = np.minimum(before, after).sum()
    assert found["grr_year"].value == pytest.approx(kept / before.sum(), abs=1e-12)
    assert found["logo_churn_year"].value == pytest.approx((after == 0).mean(), abs=1e-12)


def test_cohorts_follow_customers_and_revenue_and_leave_the_future_empty(found, subscriptions):
    first = subscriptions.groupby("customer_id")["started_at"].min()
    rows = {row.name: row for row in found.cohorts.rows}
    for name in ("2024-02", "2025-06", "2025-12"):
        begin = pd.Timestamp(name)
        joined = first.index[(first.dt.to_period("M") == begin.to_period("M")).to_numpy()]
        row = rows[name]
        assert row.size == len(joined)
        for since, (count, money) in enumerate(zip(row.customers, row.revenue, strict=True)):
            end = begin + pd.offsets.MonthBegin(since + 1)
            if end > pd.Timestamp("2026-01-01"):
                assert (count, money) == (None, None)
                continue
            there = running(subscriptions, end)
            there = there[there.index.isin(joined)]
            assert (count, money) == (len(there), there.sum())


def test_activity_equals_distinct_counts(found, company):
    events = company.tables["events"].select(["customer_id", "occurred_at"]).to_pandas()
    day = events["occurred_at"].dt.tz_convert(None).dt.normalize()
    last = day >= pd.Timestamp("2026-01-01") - pd.Timedelta(days=30)
    daily = events[last].assign(day=day)[["customer_id", "day"]].drop_duplicates()
    assert found["dau"].value == len(daily) / 30
    assert found["mau"].value == daily["customer_id"].nunique()
    week = daily["day"] >= pd.Timestamp("2026-01-01") - pd.Timedelta(days=7)
    assert found["wau"].value == daily.loc[week, "customer_id"].nunique()
    by_month = events.groupby(day.dt.strftime("%Y-%m"))["customer_id"].nunique()
    assert {one.name: one.active_customers for one in found.activity.months} == by_month.to_dict()


def test_survival_is_that_of_lifelines_product_limit_by_hand(found, subscriptions):
    end = pd.Timestamp("2026-01-01")
    spells = []
    for _, own in subscriptions.sort_values("started_at").groupby("customer_id"):
        rows = own[["started_at", "ended_at"]].to_numpy()
        stop = rows[0][1]
        for began, ended in rows[1:]:
            if pd.isna(stop) or began > stop:
                break
            stop = ended
        spells.append((rows[0][0], stop))
    frame = pd.DataFrame(spells, columns=["began", "left"])
    since = frame["left"].min()
    day = np.timedelta64(1, "D")
    days = np.floor((frame["left"].fillna(end) - frame["began"]).to_numpy() / day) + 1
    entry = np.floor((since - frame["began"]).to_numpy() / day).clip(min=0)
    left = frame["left"].notna().to_numpy()
    share = 1.0
    for day in sorted(set(days[left])):
        at_risk = ((entry < day) & (days >= day)).sum()
        if day > 12 * 30.4375:
            break
        share *= 1 - ((days == day) & left).sum() / at_risk
    assert found.survival.curves[""]["survival"][12] == pytest.approx(share, abs=1e-12)


def test_the_median_stay_is_near_the_truth_of_the_simulation(found):
    # One in four leaves within a year, by the simulation's description.
    year = found.survival.curves[""]["survival"][12]
    assert 0.68 < year < 0.82


@pytest.fixture(scope="module")
def retail(data_dir):
    from churnkit.datasets import load

    frame = load("online_retail").to_pandas()
    return frame.assign(InvoiceDate=pd.to_datetime(frame["InvoiceDate"]))


@pytest.mark.data
def test_on_online_retail_revenue_repeat_rate_and_cohorts_equal_pandas(retail):
    import pyarrow as pa

    lines = retail.dropna(subset=["CustomerID"]).copy()
    lines["revenue"] = lines["Quantity"] * lines["UnitPrice"]
    lines["CustomerID"] = lines["CustomerID"].astype(int).astype(str)
    table = pa.Table.from_pandas(
        lines[["CustomerID", "InvoiceDate", "InvoiceNo", "revenue"]], preserve_index=False
    )
    found = retention_metrics({"orders": table}, threads=1)
    assert found.purchases is not None
    assert found.order_cohorts is not None
    orders = lines.groupby(["CustomerID", "InvoiceNo"]).agg(
        at=("InvoiceDate", "min"), amount=("revenue", "sum")
    )
    orders = orders.reset_index()
    month = orders["at"].dt.strftime("%Y-%m")
    revenue = orders.groupby(month)["amount"].sum()
    assert {one.name: one.revenue for one in found.purchases.months} == pytest.approx(
        revenue.to_dict(), abs=1e-6
    )
    bought = orders[orders["amount"] > 0]
    each = bought.groupby("CustomerID").size()
    assert found["repeat_rate"].value == pytest.approx((each >= 2).mean(), abs=1e-12)
    first = bought.groupby("CustomerID")["at"].min().dt.to_period("M")
    cells = (
        bought.assign(cohort=bought["CustomerID"].map(first), month=bought["at"].dt.to_period("M"))
        .groupby(["cohort", "month"])["CustomerID"]
        .nunique()
    )
    for row in found.order_cohorts.rows:
        for since, count in enumerate(row.customers):
            at = pd.Period(row.name, "M") + since
            if at >= pd.Period("2011-12", "M"):
                assert count is None  # December 2011 is not over in the data
            else:
                assert count == cells.get((pd.Period(row.name, "M"), at), 0)


def moment(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def subscription(customer, started, ended, mrr, *, name="", status="active"):
    return {
        "customer": customer,
        "subscription": name or customer,
        "started": moment(started),
        "ended": moment(ended) if ended else None,
        "mrr": mrr,
        "status": status,
    }


ANCHOR = [subscription("anchor", "2024-12-01", None, 100.0)]


def of_march(rows, **settings):
    found = retention_metrics(
        {"subscriptions": [*ANCHOR, *rows]},
        as_of="2025-04-01",
        settings=RetentionSettings(**settings),
        threads=1,
    )
    assert found.movements is not None
    month = found.movements.months[-1]
    moved = month.new_mrr + month.reactivation_mrr + month.expansion_mrr
    assert month.opening_mrr + moved - month.contraction_mrr - month.churn_mrr == month.closing_mrr
    return month


def test_customers_who_join_and_leave_in_a_month_count_by_the_settings():
    rows = [subscription("brief", "2025-03-05", "2025-03-20", 7.0)]
    out, counted = of_march(rows), of_march(rows, same_month="counted")
    assert (out.new_customers, out.left_customers, out.churn_mrr) == (0, 0, 0.0)
    assert (counted.new_customers, counted.left_customers, counted.churn_mrr) == (1, 1, 7.0)
    assert out.brief_customers == counted.brief_customers == 1


def test_losing_one_of_two_subscriptions_is_contraction_or_churn_by_the_settings():
    rows = [
        subscription("two", "2025-01-05", "2025-03-20", 7.0, name="a"),
        subscription("two", "2025-01-05", None, 5.0, name="b"),
    ]
    shrunk, churned = of_march(rows), of_march(rows, partial_loss="churn")
    assert (shrunk.contraction_mrr, shrunk.churn_mrr) == (7.0, 0.0)
    assert (churned.contraction_mrr, churned.churn_mrr) == (0.0, 7.0)
    assert shrunk.left_customers == churned.left_customers == 0


def test_a_paused_customer_is_kept_or_lost_by_the_settings():
    rows = [
        subscription("rests", "2025-01-05", "2025-03-10", 7.0),
        subscription("rests", "2025-03-10", None, 7.0, status="Paused"),
    ]
    kept, lost = of_march(rows), of_march(rows, paused="lost")
    assert (kept.left_customers, kept.contraction_mrr, kept.churn_mrr) == (0, 7.0, 0.0)
    assert (lost.left_customers, lost.contraction_mrr, lost.churn_mrr) == (1, 0.0, 7.0)


def test_returning_customers_are_reactivated_and_not_new():
    rows = [
        subscription("back", "2025-01-05", "2025-02-10", 7.0),
        subscription("back", "2025-03-10", None, 9.0),
    ]
    month = of_march(rows)
    assert (month.new_mrr, month.reactivation_mrr, month.returned_customers) == (0.0, 9.0, 1)


def test_an_incomplete_month_is_marked_and_has_no_rate_and_no_cohort_cell():
    found = retention_metrics({"subscriptions": ANCHOR}, as_of="2025-03-15", threads=1)
    assert found.movements is not None
    assert found.cohorts is not None
    assert [month.complete for month in found.movements.months] == [True, True, True, False]
    assert "February 2025" in found["logo_churn_month"].title
    assert {row.name for row in found.cohorts.rows} == {"2024-12"}


def test_every_figure_has_a_formula(found):
    assert all(len(figure.formula) > 10 for figure in found.all_figures)
    assert len(found.to_frame()) == len(found.all_figures)


def test_results_are_json(found):
    import json

    json.dumps(found.to_dict(), allow_nan=False)


def test_a_missing_column_is_named_with_the_remedy():
    rows = [{"customer": "a", "started": moment("2025-01-01"), "ended": None, "fee": 1.0}]
    with pytest.raises(DataError, match=r"--column subscriptions\.mrr=COLUMN"):
        retention_metrics({"subscriptions": rows})
    found = retention_metrics(
        {"subscriptions": rows}, as_of="2025-02-01", columns={"subscriptions": {"mrr": "fee"}}
    )
    assert found["mrr"].value == 1.0


def test_the_row_of_all_cohorts_compares_each_month_with_its_own_start(found):
    rows = found.cohorts.rows
    size, customers, revenue = found.cohorts.total
    assert size == sum(row.size for row in rows)
    for month, (share, kept) in enumerate(zip(customers, revenue, strict=True)):
        complete = [row for row in rows if row.customers[month] is not None]
        remaining = sum(row.customers[month] for row in complete)
        assert share == pytest.approx(remaining / sum(row.size for row in complete))
        money = sum(row.revenue[month] for row in complete)
        assert kept == pytest.approx(money / sum(row.first_revenue for row in complete))


@pytest.mark.parametrize(
    "settings", [{"paused": "maybe"}, {"margin": 0.0}, {"months": 0}, {"grace_days": -1}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(RecipeError):
        RetentionSettings(**settings)


def test_every_query_translates_to_spark_sql():
    from churnkit.insights.metrics import activity, cohorts, subscriptions, survival
    from churnkit.insights.metrics.revenue import mrr_movements, orders, revenue_forecast
    from churnkit.insights.sql_session import transpile_sql

    modules = (
        activity, cohorts, mrr_movements, orders, revenue_forecast, survival, subscriptions,
    )  # fmt: skip
    for module in modules:
        for query in module.QUERIES.values():
            assert transpile_sql(query, "spark")

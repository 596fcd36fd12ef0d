"""Drafts of timelines: formats, what churn means, and dates from the history that there is."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from churnkit.core.io.raw_tables import find_tables
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import draft_column
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.raw.churn_rules import ChurnRule
from churnkit.pipeline.scaffold.raw.event_log import find_log_entity
from churnkit.pipeline.scaffold.raw.history import History
from churnkit.pipeline.scaffold.raw.snapshot_dates import Schedule, choose_schedule
from churnkit.pipeline.scaffold.raw.tables.column_format import number_formats, time_format
from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.timeline_draft import draft_timeline
from churnkit.timeline import DistinctDays, RawColumn, Snapshots, Where, build

START = dt.date(2020, 1, 1)


def profile(name, texts):
    return profile_column(name, pa.chunked_array([pa.array(texts)]))


@pytest.mark.parametrize(
    ("name", "texts", "written"),
    [
        ("at", ["2024-01-31", "2024-02-01 10:00:00 UTC"], None),
        ("at", ["31/01/2024", "01/02/2024"], "DD/MM/YYYY"),
        ("at", ["01/31/2024 8:26", "02/01/2024 17:00"], "MM/DD/YYYY"),
        ("at", ["1/31/2024 8:26 AM", "2/1/2024 5:00 PM"], "MM/DD/YYYY"),
        ("at", ["31-01-24", "01-02-24"], "DD/MM/YYYY"),
        ("at", ["20240131", "20240201"], "YYYYMMDD"),
        ("ts", ["1706659200", "1706745600"], "epoch seconds"),
        ("event_timestamp", ["1706659200000", "1706745600123"], "epoch milliseconds"),
        ("created", ["1706659200000000", "1706745600123456"], "epoch microseconds"),
        ("signup_date", [str(45_322 + n / 4) for n in range(10)], "Excel serial"),
        *(
            (name, [str(45_322 + n) for n in range(10)], "Excel serial")
            for name in ("created_at", "joined_on", "Signup", "date_of_birth", "fecha_alta")
        ),
        ("left", ["Jan-24", "Feb. 2024"], "MM/YYYY"),
        ("month", ["01/2024", "02/2024"], "MM/YYYY"),
        ("period", ["Jan24", "Jan24"], "MM/YYYY"),
    ],
)
def test_formats_of_times_are_inferred(name, texts, written):
    form = time_format(profile(name, [*texts, ""]))
    assert form is not None
    review = "" if written != "MM/YYYY" else form.review
    assert (form.written, form.review) == (written, review)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("phone", ["1706659200", "1706745600"]),
        ("order_id", ["20240131", "20240201"]),
        ("at", ["31/01/2024", "01/31/2024"]),
        ("price", ["12.50", "13.75"]),
        ("price", ["45322", "45323"]),
        ("signup_date", [str(45_322 + n) for n in range(9)]),
        *(
            (name, [str(30_000 + 997 * n) for n in range(30)])
            for name in (
                "session_time_ms",
                "day_minutes",
                "start_salary",
                "spend_on_travel",
                "income_month",
                "left_amount",
                "end_balance",
                "mobile_data",
                "date_spend",
                "steps_day",
                "spend_at",
            )
        ),
        ("customer_id", [f"{n % 12 + 1:02d}-{1990 + n}" for n in range(30)]),
        ("customer_id", [f"{n % 12 + 1:02d}-{1000 + n}" for n in range(80)]),
        ("month_id", ["01-2001", "02-2002"]),
        ("room", ["12-1001", "12-1002"]),
        ("room", ["12-2001", "11-2002"]),
        ("month", ["12-1001", "12-2101"]),
        ("store", ["MAR01", "MAY02"]),
        ("store", ["2001MAR", "2002MAY"]),
        ("set", ["set 12", "set 13"]),
        ("quarter", ["Q1 2024", "Q2 2024"]),
        ("plan", ["basic", "pro"]),
    ],
)
def test_other_columns_are_no_times(name, texts):
    assert time_format(profile(name, texts)) is None


@pytest.mark.parametrize(
    "name", ["session_time_ms", "start_salary", "spend_on_travel", "day_minutes", "income_month"]
)
def test_numbers_as_large_as_days_of_a_spreadsheet_stay_numbers(name):
    draft = draft_column(profile(name, [str(30_000 + 97 * n) for n in range(300)] * 3))
    assert (draft.type, draft.role) == ("int", "feature")


@pytest.mark.parametrize("number", [1_000, 1_990])
def test_ids_like_months_are_the_customers(tmp_path, number):
    ids = [f"{n % 12 + 1:02d}-{number + n}" for n in range(80)]
    pcsv.write_csv(
        pa.table({"customer_id": ids, "plan": ["a", "b"] * 40}), tmp_path / "customers.csv"
    )
    days = [str(dt.date(2024, 1, 1) + dt.timedelta(n)) for n in range(240)]
    orders = pa.table({"customer_id": ids * 3, "ordered_on": days, "amount": [1.5] * 240})
    pcsv.write_csv(orders, tmp_path / "orders.csv")
    raw = read_raw_tables({n: tmp_path / f"{n}.csv" for n in ("customers", "orders")}, entity=None)
    assert {table.entity for table in raw.tables} == {"customer_id"}
    assert not raw.question


def test_a_date_of_the_seventies_in_milliseconds_is_no_open_date():
    years = [170_812_800_000, 200_000_000_000, *(800_000_000_000 + n * 10**9 for n in range(40))]
    form = time_format(profile("birth_ts", [str(number) for number in years]))
    assert form is None or form.open == ()
    far = time_format(profile("end_ts", [*map(str, years[2:]), "253402214400000"]))
    assert far is not None
    assert far.open == ("253402214400000",)


def test_an_ambiguous_order_of_day_and_month_is_marked():
    form = time_format(profile("at", ["01/02/2024", "03/04/2024"]))
    assert form is not None
    assert form.written == "MM/DD/YYYY"
    assert "assumed" in form.review


@pytest.mark.parametrize(
    ("texts", "written", "unit"),
    [
        (["12.50", "-3"], None, ""),
        (["$12.00", "-$3.00", "(5.00)"], "1,234.5", "$"),
        (["12,50", "3,25"], "1.234,5", ""),
        (["R$ 1.234,50", "R$ 2,00"], "1.234,5", "R$"),
        (["CHF 1'200.50", "CHF 3.00"], "1,234.5", "CHF"),
        (["1.2k", "3.5k"], "1,234.5", ""),
        (["1,234", "12,345"], "1,234.5", ""),
    ],
)
def test_formats_of_amounts_are_inferred(texts, written, unit):
    formats, refused = number_formats({"amount": profile("amount", texts)})
    assert (formats["amount"].written, formats["amount"].unit, refused) == (written, unit, {})


def test_one_decimal_comma_decides_for_all_columns_of_a_table():
    columns = {"a": profile("a", ["2.472", "13.100"]), "b": profile("b", ["12,5", "3,75"])}
    formats, _ = number_formats(columns)
    assert formats["a"].written == "1.234,5"
    assert "thousands" in formats["a"].review


def test_mixed_currencies_are_refused_by_name():
    formats, refused = number_formats({"amount": profile("amount", ["$12.00", "EUR 3.00"])})
    assert formats == {}
    assert "mixes currencies ($, EUR)" in refused["amount"]


def activity(days, customers=120, seed=0):
    """Visits of customers; half of them stop half-way."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        last = days if customer % 2 else days // 2
        seen = np.sort(rng.choice(last, max(last // 6, 3), replace=False))
        rows += [(f"c{customer:03d}", START + dt.timedelta(days=int(day))) for day in seen]
    return pa.table(
        {"customer_id": [row[0] for row in rows], "visited_on": [row[1] for row in rows]}
    )


def draft(folder, tables, **options):
    for name, table in tables.items():
        pcsv.write_csv(table, folder / f"{name}.csv")
    raw = read_raw_tables({name: folder / f"{name}.csv" for name in tables}, entity=None)
    return draft_timeline(raw, **options)


@pytest.mark.parametrize("days", [60, 92, 200, 400, 800, 3_650])
def test_dates_and_windows_fit_the_history(tmp_path, days):
    timeline = draft(tmp_path, {"visits": activity(days)}).timeline
    dates = timeline.snapshots.timestamps
    first = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert len(dates) >= (2 if days < 100 else 4)
    assert (dates[-1] - first).days + timeline.label.mature_days <= days
    windows = [getattr(one, "window_days", None) or 0 for one in timeline.features.values()]
    assert 0 < max(windows) <= 2 * (dates[0] - first).days
    counted = {f.window_days for f in timeline.features.values() if isinstance(f, DistinctDays)}
    assert max(windows) in counted
    # At least one date is mature at the tested one.
    assert (dates[-1] - dates[0]).days >= timeline.label.mature_days
    if days > 3_000:
        assert (dates[-1] - dates[0]).days > 700


@pytest.mark.parametrize("days", [*range(24, 130), *range(200, 420, 3)])
def test_the_outcome_of_the_first_date_is_known_at_the_last(days):
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    history = History(begin, begin + dt.timedelta(days=days), 100, None, None)
    for kind in ("event", "contract", "inactivity"):
        try:
            schedule = choose_schedule(ChurnRule(kind, "t", "r"), history, history.last)
        except ChurnkitError:
            assert days < 50
            continue
        dates = schedule.snapshots.timestamps
        known = dates[0] + dt.timedelta(days=schedule.horizon + schedule.grace)
        assert known <= dates[-1]
        assert dates[-1] + dt.timedelta(days=schedule.horizon + schedule.grace) <= history.last


@pytest.mark.parametrize(
    ("history", "windows"),
    [(30, {60}), (100, {90, 180}), (200, {90, 180, 365}), (2_000, {90, 180, 365})],
)
def test_active_days_are_counted_over_windows_that_half_the_history_covers(history, windows):
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    first = (begin + dt.timedelta(days=history)).date().isoformat()
    schedule = Schedule(30, 0, Snapshots(dates=(first,)), "a test")
    found = schedule.windows(History(begin, begin, 100, None, None))
    assert found is not None
    assert list(found) == sorted(found)
    assert set(found[1:]) == windows
    assert max(found) <= 2 * history


def test_too_few_days_are_a_question(tmp_path):
    made = draft(tmp_path, {"visits": activity(8)})
    assert made.question.startswith("the tables cover 7 days, too few for training")
    assert made.columns[-1].settings["todo"] == made.question


def people(values, name="is_churn", **columns):
    return pa.table(
        {"customer_id": [f"c{one:03d}" for one in range(len(values))], name: values, **columns}
    )


def test_a_file_of_labels_without_a_date_is_read_at_the_end_of_the_data(tmp_path):
    made = draft(tmp_path, {"visits": activity(400), "labels": people(["1", "0"] * 60)})
    label = made.timeline.label
    assert (type(label).__name__, label.table, label.dated) == ("ObservedChurn", "labels", False)
    assert label.conditions == (Where("is_churn", "==", "1"),)
    assert made.timeline.snapshots.dates == ("2021-02-04T00:00:00+00:00",)
    assert len(made.timeline.snapshots.dates) == 1
    assert not any(name.startswith("labels") for name in made.timeline.features)
    assert [type(other).__name__ for other, _ in made.alternatives] == ["InactivityChurn"]
    assert (made.position, made.meanings) == (0, 2)


def test_a_draft_keeps_the_position_of_its_meaning_of_churn(tmp_path):
    """Two files of labels count as two, also where they are of one kind."""
    visits = activity(400)
    tables = {
        "visits": visits,
        "labels": people(["1", "0"] * 60),
        "target": people(["0", "1"] * 60),
    }
    made = [draft(tmp_path, tables, skip=skip) for skip in (0, 1, 2)]
    assert [(each.position, each.meanings) for each in made] == [(0, 3), (1, 3), (2, 3)]
    assert [each.meaning.split(" (")[0] for each in made] == [
        "ObservedChurn of 'labels'",
        "ObservedChurn of 'target'",
        "InactivityChurn of 'visits'",
    ]


def test_a_file_of_labels_with_dates_gives_the_snapshots(tmp_path):
    days = [START + dt.timedelta(days=day) for day in (200, 230, 260)]
    rows = [
        (f"c{one:03d}", day, ["no", "yes"][(one + day.day) % 2])
        for day in days
        for one in range(120)
    ]
    labels = pa.table(
        {
            "customer_id": [r[0] for r in rows],
            "month": [r[1] for r in rows],
            "churned": [r[2] for r in rows],
        }
    )
    timeline = draft(tmp_path, {"visits": activity(400), "labels": labels}).timeline
    assert timeline.label.dated
    assert timeline.label.conditions == (Where("churned", "==", "yes"),)
    assert [str(date)[:10] for date in timeline.snapshots.dates] == [
        day.isoformat() for day in days
    ]


def test_the_value_of_a_label_can_be_chosen(tmp_path):
    tables = {"visits": activity(400), "labels": people(["A", "B"] * 60, name="state")}
    label = draft(tmp_path, tables, label="state", positive="B").timeline.label
    assert label.conditions == (Where("state", "==", "B"),)


def test_a_column_with_the_end_of_a_customer_is_a_contract(tmp_path):
    ends = ["" if one % 2 else str(START + dt.timedelta(days=150 + one)) for one in range(120)]
    accounts = people([str(START)] * 120, name="signed_up", churned_on=pa.array(ends))
    label = draft(tmp_path, {"visits": activity(400), "accounts": accounts}).timeline.label
    assert (type(label).__name__, label.table) == ("ContractualChurn", "accounts")


@pytest.mark.parametrize(
    "value", ["cancelled", "Cancellation Confirmation", "account_closed", "uninstall"]
)
def test_an_event_that_ends_a_customer_is_churn(tmp_path, value):
    visits = activity(400)
    kinds = ["view"] * visits.num_rows
    customers = visits["customer_id"].to_pylist()
    for row, customer in enumerate(customers):
        is_last = row + 1 == len(customers) or customers[row + 1] != customer
        if is_last and int(customer[1:]) % 2 == 0:
            kinds[row] = value
    made = draft(tmp_path, {"log": visits.append_column("event", pa.array(kinds))})
    label, eligible = made.timeline.label, made.timeline.eligible
    assert type(label).__name__ == "EventChurn"
    assert label.conditions == (Where("event", "==", value),)
    assert eligible.unless.conditions == label.conditions
    # Bookings that are cancelled in between are not the end of a customer.
    often = ["cancelled" if row % 3 == 0 else "view" for row in range(visits.num_rows)]
    other = draft(tmp_path, {"log": visits.append_column("event", pa.array(often))}).timeline.label
    assert type(other).__name__ == "InactivityChurn"


def test_returns_are_no_activity(tmp_path):
    visits = activity(400)
    quantity = [-1 if row % 9 == 0 else 2 for row in range(visits.num_rows)]
    made = draft(tmp_path, {"orders": visits.append_column("quantity", pa.array(quantity))})
    assert made.timeline.label.conditions == (Where("quantity", ">", 0),)
    assert made.timeline.eligible.conditions == (Where("quantity", ">", 0),)
    assert any("returns" in name for name in made.timeline.features)


def test_what_is_known_only_at_the_end_is_no_feature(tmp_path):
    ends = ["NULL" if one % 2 else str(START + dt.timedelta(days=150 + one)) for one in range(120)]
    why = ["NULL" if one % 2 else ["price", "moved"][one % 4 // 2] for one in range(120)]
    contracts = people(
        [str(START)] * 120,
        name="start_date",
        end_date=pa.array(ends),
        reason=pa.array(why),
        plan=["a", "b"] * 60,
    )
    made = draft(tmp_path, {"visits": activity(400), "contracts": contracts})
    table = made.timeline.table("contracts")
    assert (table.ended, table.known_at_end, table.missing) == ("end_date", ("reason",), ("null",))
    assert not any("reason" in name for name in made.timeline.features)


def test_tables_that_begin_late_are_left_out_with_a_note(tmp_path):
    late = pa.table(
        {
            "customer_id": ["c001", "c002"] * 20,
            "opened_at": [START + dt.timedelta(days=390 + day % 9) for day in range(40)],
        }
    )
    made = draft(tmp_path, {"visits": activity(400), "tickets": late})
    assert not any(name.startswith("tickets") for name in made.timeline.features)
    assert any("its rows begin too late" in note for note in made.notes)


def test_customers_that_are_repeated_in_all_columns_are_one_row_each(tmp_path):
    ids = [f"c{number:03}" for number in range(40)]
    members = pa.table(
        {"customer_id": ids + ids[:3], "plan": ["free", "pro"] * 20 + ["free", "pro", "free"]}
    )
    made = draft(tmp_path, {"visits": activity(400), "members": members})
    assert "members_plan" in made.timeline.features
    # Rows with times are events, which two alike do not make one.
    rows = {feature.table for feature in made.timeline.features.values()}
    assert rows == {"visits", "members"}
    changed = members.set_column(1, "plan", pa.array(["free"] * 42 + ["pro"]))
    made = draft(tmp_path, {"visits": activity(400), "members": changed})
    assert "members_plan" not in made.timeline.features


@pytest.mark.parametrize("customer", ["user_id", "msno", "device_id"])
def test_one_log_with_kinds_of_events_is_a_log(tmp_path, customer):
    visits = activity(400).rename_columns([customer, "at"])
    kinds = pa.array([("view", "buy")[row % 2] for row in range(visits.num_rows)])
    pcsv.write_csv(visits.append_column("event", kinds), tmp_path / "log.csv")
    assert find_log_entity(tmp_path / "log.csv", None) == ""
    raw = read_raw_tables({"log": tmp_path / "log.csv"}, entity=None)
    timeline = draft_timeline(raw).timeline
    assert type(timeline.label).__name__ == "InactivityChurn"
    assert any("event_buy" in name for name in timeline.features)
    # With the outcome in a column of its own, rows are customers at dates.
    pcsv.write_csv(
        visits.append_column(
            "churned", pa.array(["0", "1"] * (visits.num_rows // 2) + ["0"] * (visits.num_rows % 2))
        ),
        tmp_path / "panel.csv",
    )
    assert find_log_entity(tmp_path / "panel.csv", None) is None


@pytest.mark.parametrize("marker", ["No", "Active", "present", "still active"])
def test_a_text_in_place_of_an_end_is_no_date(marker):
    form = time_format(profile("EndDate", ["2024-01-31", marker, "2024-03-01"]))
    assert form is not None
    assert form.missing == (marker.lower(),)
    assert f"'{marker}' is read as no date" in form.review


def test_first_days_of_months_over_two_years_are_months():
    for form, first in (("%d-%m-%Y", "DD/MM/YYYY"), ("%m-%d-%Y", "MM/DD/YYYY")):
        months = [dt.date(year, month, 1) for year in (2019, 2020) for month in range(1, 13)]
        read = time_format(profile("month", [f"{day:{form}}" for day in months]))
        assert read is not None
        assert read.written == first
        assert read.review == f"assumed to be {first}: all would be days of January otherwise"


@pytest.mark.parametrize(
    "days",
    [
        [(2024, 1, 2), (2025, 1, 5)],
        [(2024, 1, day) for day in range(1, 13)],
        [(year, 1, day) for year in (2024, 2025) for day in range(1, 6)],
    ],
)
def test_a_few_days_of_january_in_the_american_order_are_no_months(days):
    texts = [f"{month:02d}/{day:02d}/{year}" for year, month, day in days]
    read = time_format(profile("at", texts))
    assert read is not None
    assert "no day is after the 12th" in read.review
    dates = detect_dates(profile("at", texts))
    assert dates is not None
    assert {dates.written, dates.other} == {"DD/MM/YYYY", "MM/DD/YYYY"}


def _spans(folder, *, begin, end, first_end=None):
    """Write customers with a begin and an end from `first_end` on, or "No" in its place."""
    rng = np.random.default_rng(3)
    count = 1_500
    starts = rng.integers(0, begin, count)
    ends = starts + 20 + rng.exponential(600.0, count).astype(int)
    kept = ends >= (first_end or 0)
    dates = [
        (START + dt.timedelta(days=int(s)), START + dt.timedelta(days=int(e)) if e < end else None)
        for s, e in zip(starts[kept], ends[kept], strict=True)
    ]
    table = pa.table(
        {
            "customerID": [f"{n:04d}-ABC" for n in range(len(dates))],
            "BeginDate": [day.isoformat() for day, _ in dates],
            "EndDate": ["No" if day is None else f"{day} 00:00:00" for _, day in dates],
            "Type": rng.choice(["a", "b"], len(dates)).tolist(),
        }
    )
    pcsv.write_csv(table, folder / "contract.csv")
    other = pa.table(
        {"customerID": table["customerID"], "gender": rng.choice(["f", "m"], len(dates)).tolist()}
    )
    pcsv.write_csv(other, folder / "personal.csv")
    return {"contract": folder / "contract.csv", "personal": folder / "personal.csv"}, table


def test_dates_begin_where_ends_are_recorded(tmp_path):
    files, _ = _spans(tmp_path, begin=1_300, end=1_400, first_end=1_280)
    draft = draft_timeline(read_raw_tables(files, entity=None))
    first = draft.timeline.snapshots.timestamps[0].date()
    assert draft.timeline.label is not None
    horizon = draft.timeline.label.horizon_days
    assert first + dt.timedelta(days=horizon) > START + dt.timedelta(days=1_280)
    assert draft.timeline.label.table == "contract"


def test_subscriptions_with_an_end_only_begin_with_their_customers(tmp_path):
    rng = np.random.default_rng(5)
    ids = [f"U{n:04d}" for n in range(900)]
    begin = rng.integers(0, 700, 900)
    lives = rng.exponential(500.0, 900).astype(int) + 10
    ends = [
        (START + dt.timedelta(days=int(b + life))).isoformat() if b + life < 700 else ""
        for b, life in zip(begin, lives, strict=True)
    ]
    joined = [(START + dt.timedelta(days=int(b))).isoformat() for b in begin]
    pcsv.write_csv(pa.table({"customer_id": ids, "join_date": joined}), tmp_path / "customers.csv")
    pcsv.write_csv(
        pa.table(
            {"sub_id": [f"S{n}" for n in range(900)], "customer_id": ids, "cancel_date": ends}
        ),
        tmp_path / "subscriptions.csv",
    )
    files = {name: tmp_path / f"{name}.csv" for name in ("customers", "subscriptions")}
    draft = draft_timeline(read_raw_tables(files, entity=None))
    table = next(t for t in draft.timeline.tables if t.name == "subscriptions")
    assert (table.happened, table.ended) == ("join_date", "cancel_date")
    assert draft.timeline.label is not None
    assert draft.timeline.label.table == "subscriptions"


def _terms(**columns):
    """Accounts with terms that all end, half of which left, and visits."""
    ends = [(START + dt.timedelta(days=365 + n)).isoformat() for n in range(120)]
    accounts = people(ends, name="contract_end", contract_start=[str(START)] * 120, **columns)
    return {"visits": activity(400), "accounts": accounts}


def test_a_date_of_churn_ends_a_customer_before_the_end_of_a_term(tmp_path):
    left = ["" if n % 2 else str(START + dt.timedelta(days=150 + n)) for n in range(120)]
    made = draft(tmp_path, _terms(churned_date=pa.array(left)))
    table = next(t for t in made.timeline.tables if t.name == "accounts")
    assert (type(made.timeline.label).__name__, table.ended) == ("ContractualChurn", "churned_date")


def test_dates_of_churn_beyond_the_recorded_outcomes_are_ends(tmp_path):
    left = ["" if n % 2 else str(START + dt.timedelta(days=150 + n)) for n in range(120)]
    accounts = people([str(START)] * 120, name="signed_up", churn_date=pa.array(left))
    recorded = pa.array(["1" if text and n < 100 else "0" for n, text in enumerate(left)])
    accounts = accounts.append_column("churned", recorded)
    label = draft(tmp_path, {"visits": activity(400), "accounts": accounts}).timeline.label
    assert type(label).__name__ == "ContractualChurn"


@pytest.mark.parametrize("values", [["True", "False"], ["1", "0"], ["Yes", "No"]])
def test_ends_of_terms_are_no_churn_where_the_outcome_is_recorded(tmp_path, values):
    made = draft(tmp_path, _terms(churned=values * 60, plan=["a", "b", "b", "a"] * 30))
    assert (type(made.timeline.label).__name__, made.timeline.label.table) == (
        "ObservedChurn",
        "accounts",
    )
    (where,) = made.timeline.label.conditions
    assert where.column == "churned"


def test_the_data_can_be_taken_to_end_before_planned_rows(tmp_path):
    visits = activity(400)
    planned = [("c000", START + dt.timedelta(days=600 + n)) for n in range(5)]
    bookings = pa.table(
        {"customer_id": [row[0] for row in planned], "booked_for": [row[1] for row in planned]}
    )
    ends = ["" if n % 2 else str(START + dt.timedelta(days=150 + n)) for n in range(120)]
    accounts = people([str(START)] * 120, name="signed_up", churned_on=pa.array(ends))
    tables = {"visits": visits, "accounts": accounts, "bookings": bookings}
    last = draft(tmp_path, tables)
    assert [end.date() for end in last.ends[-2:]] == [
        START + dt.timedelta(days=399),
        START + dt.timedelta(days=604),
    ]
    made = draft(tmp_path, tables, until=last.ends[-2])
    known = made.timeline.snapshots.timestamps[-1] + dt.timedelta(
        days=made.timeline.label.mature_days
    )
    assert known <= last.ends[-2]
    assert last.ends[-1] not in made.ends


@pytest.mark.parametrize(("name", "count"), [("churn_labels", 0), ("customers", 2)])
def test_other_columns_of_a_file_of_labels_are_no_features(tmp_path, name, count):
    columns = {"sessions_after": [str(n) for n in range(120)], "tier": ["a", "b", "c"] * 40}
    made = draft(tmp_path, {"visits": activity(400), name: people(["1", "0"] * 60, **columns)})
    assert made.timeline.label.table == name
    assert sum(feature.table == name for feature in made.timeline.features.values()) == count
    assert any("file of labels" in note for note in made.notes) == (count == 0)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("churn_labels", "month"),
        ("labels", "date"),
        ("labels", "asOfDate"),
        ("labels", "label_date"),
        ("labels", "period"),
        ("customers", "snapshot_date"),
    ],
)
def test_one_date_of_all_outcomes_is_the_snapshot(tmp_path, file, column):
    day = str(START + dt.timedelta(days=300))
    labels = people(["1", "0"] * 60, name="churn_next_60d", **{column: [day] * 120})
    timeline = draft(tmp_path, {"visits": activity(400), file: labels}).timeline
    assert [str(date)[:10] for date in timeline.snapshots.dates] == [day]
    assert (timeline.label.dated, timeline.label.horizon_days) == (True, 60)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("customers", "signed_up"),
        ("customers", "month"),
        ("labels", "signup_date"),
        ("churn_labels", "contract_start"),
        ("labels", "period_start"),
        ("labels", "birth_month"),
        ("labels", "last_order_date"),
    ],
)
def test_dates_of_customers_are_no_dates_of_outcomes(tmp_path, file, column):
    # Within the history, where each could be a snapshot.
    days = [str(START + dt.timedelta(days=100 + n % 50)) for n in range(120)]
    customers = people(["1", "0"] * 60, **{column: days})
    visits = activity(400)
    timeline = draft(tmp_path, {"visits": visits, file: customers}).timeline
    after = max(visits["visited_on"].to_pylist()) + dt.timedelta(days=1)
    assert not timeline.label.dated
    assert [str(date)[:10] for date in timeline.snapshots.timestamps] == [str(after)]


def test_a_log_in_numbered_files_is_drafted_as_the_same_log_in_one_file(tmp_path):
    visits = activity(400).sort_by("visited_on")
    for folder in ("parts", "whole"):
        (tmp_path / folder).mkdir()
    pcsv.write_csv(visits, tmp_path / "whole" / "visits.csv")
    for start in range(0, visits.num_rows, 1_000):
        rows = visits.slice(start, 1_000)
        pcsv.write_csv(rows, tmp_path / "parts" / f"visits_{start // 1_000 + 1}.csv")
    parts, whole = (draft_of_folder(tmp_path / folder) for folder in ("parts", "whole"))
    assert list(parts.tables) == ["visits"]
    assert find_log_entity(parts.tables["visits"], None) == ""
    assert parts.timeline == whole.timeline
    assert parts.rows.equals(whole.rows)


def draft_of_folder(folder):
    tables = find_tables(folder)
    raw = read_raw_tables(tables, entity=None)
    timeline = draft_timeline(raw).timeline
    rows = build(timeline, raw.data())
    return SimpleNamespace(tables=tables, timeline=timeline, rows=rows)


@pytest.mark.parametrize(
    ("unit", "written"), [(1, "%Y-%m-%d"), (30, "%d/%m/%Y"), (30.4375, "%Y-%m-%d")]
)
def test_a_tenure_until_the_end_is_no_feature_but_a_term_and_an_age_are(tmp_path, unit, written):
    export = START + dt.timedelta(days=401)
    starts = [START + dt.timedelta(days=one) for one in range(120)]
    lengths = [60 + 7 * one % 200 for one in range(120)]
    ends = [s + dt.timedelta(days=n) for s, n in zip(starts, lengths, strict=True)]
    ends = [end if one % 3 == 0 else None for one, end in enumerate(ends)]  # type: ignore[misc]
    tenure = [((end or export) - s).days for s, end in zip(starts, ends, strict=True)]
    contracts = people(
        [s.strftime(written) for s in starts],
        name="signup_date",
        churn_date=pa.array([end.strftime(written) if end else None for end in ends]),
        tenure=[int(days / unit) for days in tenure],
        term_days=lengths,
        account_age=[(export - s).days for s in starts],
    )
    made = draft(tmp_path, {"visits": activity(400), "contracts": contracts})
    assert set(made.timeline.table("contracts").columns) == {
        RawColumn("term_days", "number"), RawColumn("account_age", "number"),
    }  # fmt: skip
    notes = read_raw_tables({"contracts": tmp_path / "contracts.csv"}, entity=None).notes
    assert any(
        note.startswith(
            "column 'tenure' of 'contracts' is left out: it is the time from 'signup_date' "
        )
        for note in notes
    )


def shop_log(folder, **columns):
    """A log of 300 orders at as many times, with other columns in place of its own."""
    times = [
        dt.datetime(2024, 1, 1, 9, tzinfo=dt.UTC) + dt.timedelta(hours=11 * n) for n in range(300)
    ]
    log = {
        "order_id": [f"O{n}" for n in range(300)],
        "customer_id": [f"K{n % 40}" for n in range(300)],
        "ordered_at": [f"{time:%Y-%m-%d %H:%M}" for time in times],
        "amount": [f"{4 + n / 4:.2f}" for n in range(300)],
    }
    log |= {name: [change(n, log[name][n]) for n in range(300)] for name, change in columns.items()}
    pcsv.write_csv(pa.table(log), folder / "orders.csv")
    return read_raw_tables(find_tables(folder), entity=None).notes


@pytest.mark.parametrize(
    ("column", "change", "note"),
    [
        (
            "ordered_at",
            lambda n, text: "" if n < 5 else text,
            "5 of 300 rows of 'orders' have no 'ordered_at'",
        ),
        (
            "customer_id",
            lambda n, text: "" if n < 7 else text,
            "7 of 300 rows of 'orders' have no 'customer_id'",
        ),
        ("ordered_at", lambda n, text: f"{text} CET", "it has 300 texts that resemble dates"),
        (
            "ordered_at",
            lambda n, text: "later" if n == 9 else text,
            "299 texts that resemble dates, but 1 other",
        ),
        (
            "ordered_at",
            lambda n, text: f"{text[8:10]}/{text[5:7]}/{text[:4]}" if n < 40 else text,
            "it has 300 texts that resemble dates",
        ),
        (
            "ordered_at",
            lambda n, text: f"Mon, {text[8:10]} Mar 2024 {text[11:]}:{n % 60:02d} +0000",
            "it has 300 texts that resemble dates",
        ),
        (
            "amount",
            lambda n, text: text.replace(".", ",") if n < 40 else text,
            "texts that resemble numbers",
        ),
    ],
)
def test_rows_and_columns_that_are_not_read_are_notes(tmp_path, column, change, note):
    (found,) = [
        text
        for text in shop_log(tmp_path, **{column: change})
        if "not " in text and column in text and "left out" not in text
    ]
    assert note in found


@pytest.mark.parametrize(
    "change",
    [
        lambda n, _: f"{n % 250}.{n % 7}.0.{n}",  # addresses
        lambda n, _: f"{n % 9}.{n % 7}.{n}",  # versions
        lambda n, _: f"a text of {n} words",
        lambda n, _: f"+41 44 {n:03d} 12 {n % 90 + 10}",
    ],
)
def test_other_texts_are_no_notes(tmp_path, change):
    assert not [note for note in shop_log(tmp_path, amount=change) if "not read" in note]


def test_an_honest_log_has_no_notes_of_unread_columns(tmp_path):
    assert not [note for note in shop_log(tmp_path) if "not read" in note or "not counted" in note]

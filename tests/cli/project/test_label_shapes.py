"""Labels of several values, with blanks, and from dates that stand for no date, from file to model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.contracts.contract import Contract
from churnkit.contracts.validation.labels import encode_label
from churnkit.core.io.raw_tables import raw_table
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import create_project
from churnkit.pipeline.scaffold.project import _CheckedTimeline, _try_labels
from churnkit.pipeline.training.data.dataset import read_training_table
from churnkit.timeline import EventChurn, build

ROWS = 400
RANDOM = np.random.default_rng(3)
LEFT = RANDOM.random(ROWS) < 0.3
USAGE = RANDOM.poisson(5.0, ROWS) * np.where(LEFT, 1, 2)
DAYS = RANDOM.integers(0, 300, ROWS)


def table(**columns):
    ids = [f"C{number:05d}" for number in range(ROWS)]
    return {"customer_id": ids, "usage": USAGE, **columns}


def draft(folder, columns, **options):
    path = folder / "customers.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return create_project(folder / "project", [path], **options)


def labels(folder, drafted):
    recipe = load_recipe(folder / "project" / "training" / f"{drafted.recipe}.py")
    rows = read_training_table(recipe, folder / "project")
    return encode_label(Contract.from_schema(recipe.schema), rows)[0].astype(bool)


def statuses():
    words = RANDOM.choice(["Churned", "Cancelled"], ROWS), RANDOM.choice(["Joined", "Stayed"], ROWS)
    return np.where(LEFT, *words)


def test_several_values_for_churned_are_asked_for(tmp_path):
    drafted = draft(tmp_path, table(status=statuses()))
    (question,) = drafted.questions
    assert "replace todo by positive=['Cancelled', 'Churned']" in question
    assert "all others mean stayed: 'Joined', 'Stayed'" in question
    schema = tmp_path / "project" / "schemas" / "customers.py"
    text = schema.read_text()
    assert "positive=" not in text.split("todo=")[0].split("label(")[1]
    start = text.index("todo=")
    end = text.index("\n    )", start)
    schema.write_text(text[:start] + "positive=['Cancelled', 'Churned']," + text[end:])
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)


def test_several_values_for_churned_can_be_stated(tmp_path):
    drafted = draft(tmp_path, table(status=statuses()), positive=["Churned", "Cancelled"])
    assert drafted.questions == ()
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)
    assert ("'Churned', 'Cancelled' mean churned") in dict(drafted.reading)["label"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("churned", ["yes"]),
        ("Churn", ["1"]),
        ("cancelled", ["X", "x"]),
        ("churn_reason", ["price", "moved", "quality of service"]),
        ("Kündigungsgrund", ["Preis", "Umzug"]),
        ("status", ["Churned"]),
        ("cancel_reason", [f"text {number}" for number in range(60)]),
    ],
)
@pytest.mark.parametrize("blank", ["", "n/a"])
def test_a_blank_means_stayed_if_only_customers_who_left_have_a_value(
    name, values, blank, tmp_path
):
    column = np.where(LEFT, RANDOM.choice(values, ROWS), blank)
    drafted = draft(tmp_path, table(**{name: column}))
    assert drafted.questions == ()
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)
    assert "a blank means stayed" in dict(drafted.reading)["label"]


def test_a_value_that_only_customers_who_stayed_have_is_asked_for(tmp_path):
    drafted = draft(tmp_path, table(renewed=np.where(LEFT, "", "yes")))
    assert "write a word in place of the blanks" in drafted.questions[0]


OPEN = [
    ("%Y-%m-%d", ["9999-12-31"]),
    ("%d/%m/%Y", ["31/12/9999"]),
    ("%m/%d/%Y", ["12/31/2099"]),
    ("%d.%m.%Y", ["01.01.1900"]),
    ("%Y-%m-%dT%H:%M:%S", ["9999-12-31T23:59:59", "1970-01-01T00:00:00"]),
    ("%Y-%m-%d", ["2999-12-31", "1753-01-01", "0001-01-01"]),
]


@pytest.mark.parametrize(("style", "opened"), OPEN, ids=[opened[0] for _, opened in OPEN])
def test_a_date_that_stands_for_no_date_is_no_churn_date(style, opened, tmp_path):
    dates = (pd.Timestamp("2024-02-03") + pd.to_timedelta(DAYS, unit="D")).strftime(style)
    column = np.where(LEFT, dates, RANDOM.choice(opened, ROWS))
    drafted = draft(tmp_path, table(churn_date=column))
    assert drafted.questions == ()
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)
    assert f"in {int((~LEFT).sum()):,} rows: read as no date" in dict(drafted.reading)["no date"]


@pytest.mark.parametrize("kind", ["text", "date", "seconds"])
@pytest.mark.parametrize("opened", ["9999-12-31", "1900-01-01"])
def test_an_open_end_is_an_active_subscription(kind, opened, tmp_path):
    start = pd.Timestamp("2022-01-01") + pd.to_timedelta(DAYS, unit="D")
    end = start + pd.to_timedelta(RANDOM.exponential(300.0, ROWS).astype(int) + 20, unit="D")
    is_over = np.asarray(end < pd.Timestamp("2024-01-01"))
    ends = np.where(is_over, end.strftime("%Y-%m-%d"), opened)
    columns: dict[str, Any] = {
        "customer_id": np.arange(ROWS),
        "started": start.strftime("%Y-%m-%d"),
        "ended": ends,
    }
    subscriptions = pa.table({name: pa.array(list(v)) for name, v in columns.items()})
    if kind != "text":
        for name in ("started", "ended"):
            dates = subscriptions[name].cast(pa.date32())
            if kind == "seconds":
                dates = dates.cast(pa.timestamp("s")).cast(pa.int64())
            position = subscriptions.column_names.index(name)
            subscriptions = subscriptions.set_column(position, name, dates)
    pq.write_table(subscriptions, tmp_path / "subscriptions.parquet")
    at = pd.Timestamp("2022-01-01") + pd.to_timedelta(RANDOM.integers(0, 729, 4_000), unit="D")
    visits = {"customer_id": RANDOM.integers(0, ROWS, 4_000), "visited_at": at}
    pd.DataFrame(visits).to_csv(tmp_path / "visits.csv", index=False)
    files = [tmp_path / "subscriptions.parquet", tmp_path / "visits.csv"]
    drafted = create_project(tmp_path / "project", files)
    assert any(f"in {int((~is_over).sum()):,} rows is read as no date" in n for n in drafted.notes)
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    data = {file.stem: raw_table(file) for file in files}
    assert recipe.timeline is not None
    rows = build(recipe.timeline.at("2024-01-01"), data)
    assert sorted(map(int, rows["customer_id"].to_pylist())) == np.flatnonzero(~is_over).tolist()


def test_an_end_without_the_name_of_a_label_is_asked_for(tmp_path):
    dates = (pd.Timestamp("2024-02-03") + pd.to_timedelta(DAYS, unit="D")).strftime("%Y-%m-%d")
    drafted = draft(tmp_path, table(contract_end=np.where(LEFT, dates, "9999-12-31")))
    assert "a date may mean churned: delete todo if it does" in drafted.questions[0]
    assert "is it 'contract_end'?" in drafted.questions[0]


def test_several_values_for_churned_in_a_raw_table(tmp_path):
    (tmp_path / "data").mkdir()
    outcomes = {"customer_id": np.arange(ROWS), "churn_status": statuses()}
    pd.DataFrame(outcomes).to_csv(tmp_path / "data" / "outcomes.csv", index=False)
    customer = RANDOM.integers(0, ROWS, 4_000)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 200, 4_000), unit="D")
    visits = {"customer_id": customer, "visited_at": at}
    pd.DataFrame(visits).to_csv(tmp_path / "data" / "visits.csv", index=False)
    asked = create_project(tmp_path / "asked", [tmp_path / "data"])
    assert "'Cancelled', 'Churned', 'Joined', 'Stayed'" in asked.questions[0]
    drafted = create_project(
        tmp_path / "project",
        [tmp_path / "data"],
        label="churn_status",
        positive=["Churned", "Cancelled"],
    )
    assert drafted.questions == ()
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    rows = read_training_table(recipe, tmp_path / "project").to_pandas()
    assert recipe.timeline is not None
    expected = LEFT[rows["customer_id"].astype(int)]
    np.testing.assert_array_equal(rows[recipe.timeline.label_name].astype(bool), expected)


@pytest.mark.parametrize("column", ["plan", "status"])
def test_a_few_repeated_customers_are_no_event_log(column, tmp_path):
    joined = (pd.Timestamp("2020-01-01") + pd.to_timedelta(DAYS, unit="D")).strftime("%Y-%m-%d")
    customers = pd.DataFrame(table(joining_date=joined, plan=RANDOM.choice(["a", "b"], ROWS)))
    if column == "status":
        customers["status"] = np.where(LEFT, "Cancelled", "Active")
    repeated = pd.concat([customers, customers.sample(30, random_state=1)])
    drafted = draft(tmp_path, repeated)
    roles = {each.name: each.role for each in drafted.columns}
    assert (roles["customer_id"], roles["joining_date"]) == ("entity", "feature")
    assert "left out: 30 rows that duplicate an earlier row" in dict(drafted.reading)["rows"]
    assert any("label" in question for question in drafted.questions) == (column == "plan")


def test_an_event_log_names_the_option_for_a_table(tmp_path):
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, 4_000), unit="D")
    log = {"customer_id": RANDOM.integers(0, ROWS, 4_000), "at": at, "kind": "visit"}
    drafted = draft(tmp_path, log)
    assert "name that column with --label" in drafted.notes[0]


def test_a_panel_with_a_state_is_no_event_log(tmp_path):
    months = pd.DataFrame({"month": pd.date_range("2024-01-01", periods=4, freq="MS")})
    panel = pd.DataFrame(table()).merge(months, how="cross")
    panel["status"] = np.where(RANDOM.random(len(panel)) < 0.2, "Cancelled", "Active")
    drafted = draft(tmp_path, panel)
    roles = {each.name: each.role for each in drafted.columns}
    assert (roles["month"], roles["status"]) == ("as_of", "label")


def write_tables(folder, **tables):
    folder.mkdir()
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_a_table_of_one_row_does_not_make_raw_tables(tmp_path):
    customers = table(is_active=np.where(LEFT, 0, 1))
    folder = write_tables(
        tmp_path / "in", customers=customers, company={"name": ["x"], "city": ["y"]}
    )
    drafted = create_project(tmp_path / "project", [folder])
    assert (drafted.recipe, drafted.questions) == ("customers", ())
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)


def test_states_in_a_table_of_their_own_are_the_label(tmp_path):
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, 4_000), unit="D")
    ids = np.array(table()["customer_id"])
    states = {"customer_id": ids, "is_active": np.where(LEFT, 0, 1)}
    visits = {"customer_id": RANDOM.choice(ids, 4_000), "visited_at": at}
    folder = write_tables(tmp_path / "in", users=table(), states=states, visits=visits)
    drafted = create_project(tmp_path / "project", [folder])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    assert recipe.timeline is not None
    rows = read_training_table(recipe, tmp_path / "project").to_pandas()
    expected = LEFT[rows["customer_id"].str[1:].astype(int)]
    np.testing.assert_array_equal(rows[recipe.timeline.label_name].astype(bool), expected)


def test_tables_without_times_are_joined(tmp_path):
    states = {"customer_id": table()["customer_id"], "is_active": np.where(LEFT, 0, 1)}
    folder = write_tables(tmp_path / "in", customers=table(), states=states)
    drafted = create_project(tmp_path / "project", [folder])
    assert drafted.questions == ()
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)


def test_files_of_one_row_with_dates_of_their_own_are_joined(tmp_path):
    began = (pd.Timestamp("2020-01-01") + pd.to_timedelta(DAYS, unit="D")).strftime("%d/%m/%Y")
    outcomes = {"customer_id": table()["customer_id"], "churn": LEFT.astype(int)}
    folder = write_tables(tmp_path / "in", contracts=table(began=began), outcomes=outcomes)
    drafted = create_project(tmp_path / "project", [folder])
    assert drafted.questions == ()
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    assert recipe.timeline is None
    np.testing.assert_array_equal(labels(tmp_path, drafted), LEFT)


def test_the_time_of_an_export_is_no_start_of_rows(tmp_path):
    joined = pd.Timestamp("2024-01-01") + pd.to_timedelta(DAYS, unit="D")
    left = pd.Series(joined + pd.Timedelta(days=60)).where(LEFT)
    users = table(signup_date=joined.strftime("%Y-%m-%d"))
    ids = users["customer_id"]
    ends = {"customer_id": ids, "churned": LEFT, "churn_date": left, "created_at": "2024-12-31"}
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 365, 4_000), unit="D")
    visits = {"customer_id": RANDOM.choice(ids, 4_000), "visited_at": at}
    folder = write_tables(tmp_path / "in", users=users, churn_labels=ends, visits=visits)
    drafted = create_project(tmp_path / "project", [folder])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    assert recipe.timeline is not None
    label = recipe.timeline.label
    assert isinstance(label, EventChurn)
    assert label.table == "churn_labels"
    assert "'created_at' is not the start of rows: 'churn_date' is earlier in" in drafted.notes[1]


def test_terms_that_are_all_renewed_make_way_for_another_label(tmp_path):
    terms = pd.DataFrame({"customer_id": table()["customer_id"]}).merge(
        pd.DataFrame({"start_date": pd.date_range("2024-01-01", periods=24, freq="30D")}),
        how="cross",
    )
    terms["end_date"] = (terms["start_date"] + pd.Timedelta(days=30)).where(
        terms["start_date"] < terms["start_date"].max()
    )
    days = RANDOM.integers(0, 720, (ROWS, 40))
    stay = np.where(LEFT, RANDOM.integers(300, 720, ROWS), 720)[:, np.newaxis]
    customer, _ = np.nonzero(days < stay)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(days[days < stay], unit="D")
    visits = {"customer_id": np.array(table()["customer_id"])[customer], "visited_at": at}
    folder = write_tables(tmp_path / "in", subscriptions=terms, visits=visits)
    drafted = create_project(tmp_path / "project", [folder])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    assert recipe.timeline is not None
    assert type(recipe.timeline.label).__name__ == "InactivityChurn"
    assert "another label is chosen, InactivityChurn of 'visits' (" in drafted.notes[-1]
    assert "as training would refuse ContractualChurn of 'subscriptions' (" in drafted.notes[-1]


@pytest.mark.parametrize(("position", "skips"), [(0, [1, 2]), (1, [2])])
def test_further_meanings_of_churn_are_tried_to_the_last_one(position, skips):
    """Two recorded outcomes and a contract: training accepts the contract alone."""
    drafts = [SimpleNamespace(position=n, meanings=3, meaning=f"label {n}") for n in range(3)]
    tried = []

    def check(*, skip):
        tried.append(skip)
        problem = "" if skip == 2 else "too few churned"
        return drafts[skip], _CheckedTimeline((), {}, (), (), problem)

    first = _CheckedTimeline((), {}, (), (), "too few churned")
    draft: Any = drafts[position]
    checked: Any = _try_labels(draft, first, check)
    assert tried == skips
    assert "label 2, as training would refuse label" in checked.notes[0]


@pytest.mark.parametrize("column", ["Customer Name", "Id"])
def test_a_log_without_the_name_of_an_id_of_customers(column, tmp_path):
    at = pd.Timestamp("2023-01-01") + pd.to_timedelta(RANDOM.integers(0, 900, 3_000), unit="D")
    names = np.array([f"Ann {number:03d}" for number in range(200)])
    orders = {column: RANDOM.choice(names, 3_000), "Order Date": at, "Row number": range(1, 3_001)}
    drafted = draft(tmp_path, orders)
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    assert recipe.timeline is not None
    assert recipe.timeline.tables[0].entity == column


def test_repeated_rows_of_a_table_with_ids_do_not_hide_its_keys(tmp_path):
    ids = table()["customer_id"]
    began = pd.Timestamp("2024-01-01") + pd.to_timedelta(DAYS, unit="D")
    subscriptions = pd.DataFrame(
        {
            "subscription_id": [f"S{number}" for number in range(ROWS)],
            "customer_id": ids,
            "start_date": began,
            "end_date": pd.Series(began + pd.Timedelta(days=90)).where(LEFT),
        }
    )
    subscriptions = pd.concat([subscriptions, subscriptions.iloc[:3]])
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 400, 3_000), unit="D")
    tickets = {"subscription_id": RANDOM.choice(subscriptions["subscription_id"], 3_000), "at": at}
    folder = write_tables(tmp_path / "in", subscriptions=subscriptions, tickets=tickets)
    drafted = create_project(tmp_path / "project", [folder])
    assert any("3 rows of 'subscriptions' repeat another" in note for note in drafted.notes)
    assert any(column.name.startswith("tickets") for column in drafted.columns)


def test_customers_without_tickets_are_no_churners_without_a_question(tmp_path):
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 700, 4_000), unit="D")
    ids = table()["customer_id"]
    tickets = {"customer_id": RANDOM.choice(ids, 4_000), "ticket_date": at}
    folder = write_tables(tmp_path / "in", users=table(), support_tickets=tickets)
    (question,) = create_project(tmp_path / "project", [folder]).questions
    assert "customers without a row in 'support_tickets' may still be customers" in question


def test_tables_with_other_names_of_the_id_are_to_be_joined(tmp_path):
    states = {"user_id": table()["customer_id"], "is_active": np.where(LEFT, 0, 1)}
    folder = write_tables(tmp_path / "in", customers=table(), states=states)
    drafted = create_project(tmp_path / "project", [folder])
    assert "with the customer's id under one name in each" in drafted.questions[0]


def test_lines_of_orders_are_an_event_log(tmp_path):
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, 900), unit="D")
    orders = pd.DataFrame({"customer_id": RANDOM.integers(0, ROWS, 900), "order_date": at})
    lines = orders.loc[orders.index.repeat(12)].assign(article=lambda each: range(len(each)))
    drafted = draft(tmp_path, lines)
    assert "is read as an event log" in drafted.notes[0]

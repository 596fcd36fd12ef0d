"""Planted leaks are found by their codes, and honest features are left alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from churnkit.datasets import simulate
from churnkit.errors import ChurnkitError, RecipeError
from churnkit.timeline import LeakageError, find_changes, find_leaks, refuse_leaks
from churnkit.timeline.leakage import CODES, _auc

PAGES = Path(__file__).parents[2] / "docs" / "findings"


@pytest.fixture(scope="module")
def honest():
    return simulate(3000, months=12, seed=2).snapshot("2024-09-01", horizon_days=90)


def codes(table, **settings):
    leaks = find_leaks(table, label="churned", entity="customer_id", as_of="as_of", **settings)
    return {(leak.code, leak.column) for leak in leaks}


def with_column(table, name, values):
    return table.append_column(name, pa.array(values))


def test_an_honest_table_has_only_its_addresses(honest):
    assert codes(honest) == {("CK103", "email")}
    refuse_leaks(find_leaks(honest.drop_columns("email"), label="churned", entity="customer_id",
                            as_of="as_of"))  # fmt: skip


def planted(honest):
    left = np.asarray(honest["churned"])
    rng = np.random.default_rng(0)
    rows = len(left)
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    days = [start + dt.timedelta(days=int(n)) for n in rng.integers(0, 90, rows)]
    status = np.where(left & (rng.random(rows) < 0.5), "closing", rng.choice(["a", "b"], rows))
    return {
        "refund": ("CK101", left * 5.0 + rng.random(rows)),
        "minus_refund": ("CK101", left * -5.0 + rng.random(rows)),
        "end_fee": ("CK101", [1.5 if gone else None for gone in left.tolist()]),
        "known_flag": ("CK101", left),
        "reason": ("CK101", np.where(left, rng.choice(["x", "y"], rows), "none")),
        "account": ("CK103", [f"A{n}" for n in range(rows)]),
        "account_number": ("CK103", np.arange(rows) * 3),
        "signed": ("CK103", days),
        "signed_text": ("CK103", [day.date().isoformat() for day in days]),
        "status": ("CK104", status),
    }


@pytest.mark.parametrize("name", sorted(planted(pa.table({"churned": [True, False]}))))
def test_a_planted_leak_is_found(honest, name):
    code, values = planted(honest)[name]
    assert (code, name) in codes(with_column(honest, name, values))


def test_noise_is_no_leak(honest):
    rng = np.random.default_rng(1)
    rows = honest.num_rows
    table = honest.drop_columns("email")
    table = with_column(table, "noise", rng.random(rows))
    table = with_column(table, "many", rng.choice([f"k{n}" for n in range(300)], rows))
    table = with_column(table, "empty", pa.nulls(rows, pa.float64()))
    assert not codes(table)


def noise_table(seed):
    """Columns that are drawn without a look at the label; dominant categories among them."""
    rng = np.random.default_rng(seed)
    rows, rate = int(rng.choice([200, 400, 1000, 3000])), rng.choice([0.02, 0.05, 0.2, 0.5])
    numbers = rng.random(rows)
    columns = {
        f"dominant_{share}": np.where(
            rng.random(rows) < share, "main", rng.choice(["a", "b"], rows)
        )
        for share in (0.9, 0.98, 0.995)
    }
    return pa.table(
        columns
        | {
            "constant": np.array(["k"] * rows),
            "two": np.where(rng.random(rows) < 0.5, "x", "y"),
            "rare": np.array([f"k{number}" for number in rng.integers(0, rows // 4, rows)]),
            "number": numbers,
            "mostly_missing": np.where(rng.random(rows) < 0.98, np.nan, numbers),
            "mostly_zero": np.where(rng.random(rows) < 0.98, 0.0, numbers),
            "customer_id": np.array([f"c{number}" for number in range(rows)]),
            "churned": rng.random(rows) < rate,
        }
    )


def test_of_a_hundred_tables_of_noise_at_most_one_has_a_finding():
    assert sum(bool(codes(noise_table(seed))) for seed in range(100)) <= 1


@pytest.mark.parametrize("share", [0.6, 0.9, 0.98])
def test_a_leak_in_a_dominant_category_is_found(share):
    rng = np.random.default_rng(3)
    churned = rng.random(3000) > share
    reason = np.where(churned, rng.choice(["price", "service"], 3000), "none")
    table = pa.table(
        {"customer_id": np.arange(3000).astype(str), "churned": churned, "reason": reason}
    )
    assert ("CK101", "reason") in codes(table)


def test_a_waiver_names_code_and_column(honest):
    table = with_column(honest.drop_columns("email"), "refund", planted(honest)["refund"][1])
    with pytest.raises(LeakageError, match="CK101 'refund'") as caught:
        refuse_leaks(find_leaks(table, label="churned", entity="customer_id", as_of="as_of"))
    assert "waive=('CK101:refund',)" in str(caught.value)
    waived = find_leaks(
        table, label="churned", entity="customer_id", as_of="as_of", waive=("CK101:refund",)
    )
    assert [leak.waived for leak in waived] == [True]
    refuse_leaks(waived)


@pytest.mark.parametrize("waiver", ["refund", "CK999:refund", "CK101:", "CK101:no_such"])
def test_a_waiver_of_nothing_is_refused(honest, waiver):
    with pytest.raises(RecipeError, match="CK101:column"):
        find_leaks(honest, label="churned", entity="customer_id", waive=(waiver,))


def test_rows_without_a_label_are_left_out(honest):
    labels = [None, *honest["churned"].to_pylist()[1:]]
    table = honest.drop_columns(["churned", "email"]).append_column("churned", pa.array(labels))
    assert not codes(table)


def test_a_value_that_changes_when_rows_come_in_is_found():
    then = pa.table(
        {"id": [1, 2, 3], "day": [1, 1, 1], "a": [1.0, None, 2.0], "b": ["x", None, "z"]}
    )
    now = pa.table(
        {
            "id": [3, 2, 1, 9],
            "day": [1, 1, 1, 1],
            "a": [2.0, None, 1.0, 5.0],
            "b": ["z", "y", "x", "q"],
        }
    )
    (found,) = find_changes(then, now, keys=["id", "day"])
    assert (found.code, found.column, found.measured) == ("CK102", "b", "1 of 3 rows")
    assert not find_changes(now, now, keys=["id", "day"])
    assert find_changes(then, now, keys=["id", "day"], waive=["CK102:b"])[0].waived


def test_a_finding_shows_no_customers_value(honest):
    table = with_column(honest, "secret", [f"name-{n}" for n in range(honest.num_rows)])
    said = " ".join(map(str, find_leaks(table, label="churned", entity="customer_id")))
    assert "secret" in said
    assert "name-" not in said


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_page(code):
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}")
    assert f'waive=("{code}:' in page


def test_a_table_without_the_label_is_refused(honest):
    with pytest.raises(ChurnkitError, match="'gone'"):
        find_leaks(honest, label="gone", entity="customer_id")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_that_of_scikit_learn(pairs):
    score = np.array([float(one) for one, _ in pairs])
    left = np.array([gone for _, gone in pairs])
    if left.all() or not left.any():
        assert _auc(score, left) == 0.5
    else:
        assert _auc(score, left) == pytest.approx(roc_auc_score(left, score))


@pytest.mark.parametrize("kind", ["number", "text", "boolean", "category"])
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("errors", [0, 1])
def test_a_column_that_is_filled_for_churned_customers_only_is_a_leak(kind, share, errors):
    random = np.random.default_rng(4)
    left = random.random(1_000) < 0.3
    filled = left & (random.random(1_000) < share)
    filled[np.flatnonzero(~left)[:errors]] = True
    if errors:
        filled[np.flatnonzero(left)[:120]] = True
    values = {
        "number": random.integers(0, 10, 1_000).tolist(),
        "text": [f"note {number % 97}" for number in range(1_000)],
        "boolean": (random.random(1_000) < 0.5).tolist(),
        "category": random.choice(["low", "high"], 1_000).tolist(),
    }[kind]
    column = [v if has else None for v, has in zip(values, filled.tolist(), strict=True)]
    rows = pa.table({"id": np.arange(1_000), "left": left, "exit_score": column})
    (leak,) = find_leaks(rows, label="left", entity="id")
    assert leak.code in {"CK101", "CK104"}
    total = int(filled.sum())
    assert f"{total - errors:,} of {total:,} values are of customers who churned" in leak.measured


@pytest.mark.parametrize("of_churned", [True, False])
def test_a_column_that_is_blank_for_one_outcome_only_is_a_leak(of_churned):
    random = np.random.default_rng(5)
    left = random.random(1_000) < 0.3
    blank = (left if of_churned else ~left) & (random.random(1_000) < 0.95)
    next_bill = [None if no else number % 50 for number, no in enumerate(blank.tolist())]
    rows = pa.table({"id": np.arange(1_000), "left": left, "next_bill": next_bill})
    (leak,) = find_leaks(rows, label="left", entity="id")
    assert "blanks are of customers who" in leak.measured or "values are" in leak.measured


def test_blanks_that_do_not_depend_on_the_outcome_are_no_leak():
    random = np.random.default_rng(6)
    for _ in range(150):
        rows = int(random.integers(60, 2_000))
        left = random.random(rows) < random.uniform(0.02, 0.5)
        table = {"id": np.arange(rows), "left": left}
        for name in ("a", "b", "c"):
            has = random.random(rows) < random.choice([0.01, 0.05, 0.5, 0.95, 0.99])
            values = random.integers(0, 9, rows)
            table[name] = pa.array(values, mask=~has)
        assert find_leaks(pa.table(table), label="left", entity="id") == ()


def outcome_table(values, left):
    return pa.table({"id": np.arange(len(left)), "left": left, "value": values})


@pytest.mark.parametrize("highest", [True, False])
@pytest.mark.parametrize("errors", [0, 3])
def test_one_end_of_a_range_that_most_churned_customers_have_and_no_others_is_a_leak(
    highest, errors
):
    random = np.random.default_rng(7)
    left = random.random(2_000) < 0.3
    at_end = left & (random.random(2_000) < 0.7)
    at_end[np.flatnonzero(~left)[:errors]] = True
    logins = np.where(at_end, 0, random.integers(1, 40, 2_000))
    (leak,) = find_leaks(outcome_table(60 - logins if highest else logins, left),
                         label="left", entity="id")  # fmt: skip
    total = int(at_end.sum())
    end = "highest" if highest else "lowest"
    expected = f"{total - errors:,} of the {total:,} {end} values are of customers who churned"
    assert (leak.code, leak.measured) == ("CK104", expected)


def test_categories_of_most_churned_customers_and_hardly_others_are_a_leak():
    random = np.random.default_rng(8)
    left = random.random(2_000) < 0.3
    state = np.where(random.random(2_000) < 0.6, "new    ", "open   ")
    state[left & (random.random(2_000) < 0.6)] = "closing"
    state[np.flatnonzero(~left)[:2]] = "closing"
    (leak,) = find_leaks(outcome_table(state, left), label="left", entity="id")
    total = int((state == "closing").sum())
    assert leak.code == "CK104"
    assert leak.measured == (
        f"{total - 2:,} of {total:,} rows of some categories are of customers who churned"
    )


def test_strong_predictors_are_no_leak():
    random = np.random.default_rng(9)
    for seed in range(60):
        left = random.random(3_000) < random.uniform(0.02, 0.5)
        rare = np.where(random.random(3_000) < np.where(left, 0.7, 0.03), 0, 1 + seed % 9)
        table = pa.table(
            {
                "id": np.arange(3_000),
                "left": left,
                # An area under the curve of 0.92.
                "score": np.round(random.normal(2.0 * left, 1.0), 2),
                "mostly_zero": rare,
                "state": np.where(rare == 0, "idle", "in use"),
            }
        )
        assert find_leaks(table, label="left", entity="id") == ()

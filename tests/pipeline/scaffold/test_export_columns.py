"""Columns of a table that was exported after customers had left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnkit.pipeline.scaffold.project import create_project

EXPORT = np.datetime64("2025-06-30")
ROWS = 900


class Customers:
    """Customers who joined over four years, of whom some left within the days before the export."""

    def __init__(self, seed, longest_ago):
        self.random = random = np.random.default_rng(seed)
        self.age = random.integers(40, 1_500, ROWS)
        self.left = random.random(ROWS) < 0.3
        ago = random.integers(1, longest_ago, ROWS)
        self.gone = np.where(self.left, np.minimum(ago, self.age - 10), 0)
        self.signup = EXPORT - self.age
        self.visits = random.poisson(np.where(self.left, 4, 6))

    def table(self, **columns):
        return pd.DataFrame(
            {"customer_id": [f"C{number:05d}" for number in range(ROWS)]}
            | {"signup_date": self.signup, "visits": self.visits, **columns}
        )


def drafted(folder, table):
    table.to_csv(folder / "customers.csv", index=False)
    return create_project(folder / "project", [folder / "customers.csv"])


def left_out(draft):
    return {column.name: column.review for column in draft.columns if column.role == "ignore"}


def labels(customers):
    ends = np.where(customers.left, (EXPORT - customers.gone).astype(str), "")
    return {"churned": customers.left.astype(int)}, {"churn_date": ends}


@pytest.mark.parametrize("unit", [1, 30])
@pytest.mark.parametrize("dated", [False, True])
def test_a_tenure_that_ends_when_customers_left_is_left_out(tmp_path, dated, unit):
    customers = Customers(1, 700)
    label = labels(customers)[dated]
    until_left = (customers.age - customers.gone) // unit
    table = customers.table(
        tenure=until_left,
        account_age=customers.age // unit,
        term=customers.random.choice([12, 24], ROWS),
        **label,
    )
    reasons = left_out(drafted(tmp_path, table))
    assert set(reasons) == {"tenure"}
    assert reasons["tenure"].startswith("is the time from 'signup_date' until customers left")


def test_days_since_the_last_visit_that_go_on_after_customers_left_are_left_out(tmp_path):
    customers = Customers(2, 700)
    quiet = customers.random.exponential(60, ROWS).astype(int)
    # Some of those who stayed have not come for as long, so that the area under the curve is 0.93.
    long_ago = (~customers.left) & (customers.random.random(ROWS) < 0.12)
    since = customers.gone + quiet + np.where(long_ago, customers.random.integers(1, 700, ROWS), 0)
    table = customers.table(
        days_since_visit=since,
        account_age_days=customers.age,
        days_to_renewal=customers.random.integers(0, 365, ROWS),
        **labels(customers)[1],
    )
    reasons = left_out(drafted(tmp_path, table))
    assert set(reasons) == {"days_since_visit"}


def test_a_date_of_the_last_contact_that_shows_the_outcome_is_not_to_be_a_duration(tmp_path):
    customers = Customers(3, 700)
    contact = EXPORT - (customers.gone + customers.random.integers(0, 12, ROWS))
    table = customers.table(last_contact=contact, **labels(customers)[0])
    reasons = left_out(drafted(tmp_path, table))
    assert reasons["last_contact"].startswith("CK101: its dates show the outcome (AUC 0.9")
    assert "signup_date" not in reasons


def test_a_strong_predictor_is_kept_and_shown(tmp_path):
    customers = Customers(4, 60)
    score = np.round(customers.random.normal(np.where(customers.left, 50, 70), 10), 1)
    state = np.where(customers.random.random(ROWS) < np.where(customers.left, 0.8, 0.2), "b", "a")
    table = customers.table(usage_score=score, last_state=state, **labels(customers)[0])
    draft = drafted(tmp_path, table)
    assert not left_out(draft)
    shown = [text for topic, text in draft.reading if topic == "check" and "alone" in text]
    assert [text.partition(":")[0] for text in shown] == ["'usage_score'", "'last_state'"]
    assert "leave it out if the file shows customers as they were after they left" in shown[0]
    written = (tmp_path / "project/schemas/customers.py").read_text(encoding="utf-8")
    assert written.count("alone: leave it out if the file shows") == 2


@pytest.mark.parametrize("seed", range(6))
def test_columns_of_a_day_before_customers_left_are_kept(tmp_path, seed):
    customers = Customers(seed, 31)
    # Known on the day of the export, and the outcomes of the days after it.
    table = customers.table(
        tenure_months=customers.age // 30,
        tenure_days=customers.age,
        days_since_last_login=customers.random.exponential(
            np.where(customers.left, 20, 7), ROWS
        ).astype(int),
        last_login=EXPORT - customers.random.integers(0, 90, ROWS),
        total_paid=np.round(customers.age / 30 * 9.9, 2),
        open_tickets=customers.random.poisson(np.where(customers.left, 1.0, 0.4)),
        **labels(customers)[0],
    )
    draft = drafted(tmp_path, table)
    assert not left_out(draft)

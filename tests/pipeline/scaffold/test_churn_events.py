"""Events by which customers leave are proposed as the label, whatever they are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnkit.pipeline.scaffold.raw.churn_events import names_churn
from churnkit.pipeline.scaffold.raw.tables.raw_tables import read_raw_tables
from churnkit.pipeline.scaffold.raw.timeline_draft import draft_timeline


@pytest.mark.parametrize(
    "name",
    [
        "cancelled", "churned", "plan.cancel_confirmed", "subscription.deleted", "SubscriptionCancelled",
        "customer.subscription.deleted", "Account Closed", "membership:terminated", "app_uninstalled",
        "user/deactivated", "CANCELLATION_COMPLETED", "plan-cancel", "Vertrag gekündigt", "unsubscribe",
        "abonnement résilié", "account_removed", "cancelled_by_customer",
    ],
)  # fmt: skip
def test_names_of_events_that_end_a_customer(name):
    assert names_churn(name)


@pytest.mark.parametrize(
    "name",
    [
        "order.cancelled", "payment_cancelled", "cancel_page_viewed", "cart.item_removed", "ticket closed",
        "subscription.created", "cancel_failed", "cancel_survey_shown", "invoice.deleted", "login",
        "cancellation_reverted", "session_closed", "not_cancelled", "appointment cancelled", "",
    ],
)  # fmt: skip
def test_names_of_other_events(name):
    assert not names_churn(name)


def log(folder, ends, column="event"):
    random = np.random.default_rng(2)
    rows = []
    for customer in range(200):
        last = int(random.integers(60, 700))
        days = np.sort(random.integers(0, min(last, 500), 30))
        rows += [(customer, day, random.choice(["login", "order.cancelled"])) for day in days]
        if last < 500:
            rows.append((customer, last, ends[customer % len(ends)]))
    frame = pd.DataFrame(rows, columns=["customer_id", "day", column])
    frame.insert(1, "at", pd.Timestamp("2023-01-01") + pd.to_timedelta(frame.pop("day"), unit="D"))
    frame.to_csv(folder / "log.csv", index=False)
    return draft_timeline(read_raw_tables({"log": folder / "log.csv"}, entity=None))


@pytest.mark.parametrize("column", ["event", "event_type", "topic", "Aktion"])
@pytest.mark.parametrize("ends", ["plan.cancel_confirmed", "SubscriptionCancelled", "churned"])
def test_the_event_after_which_customers_are_gone_is_the_label(tmp_path, ends, column):
    made = log(tmp_path, [ends], column)
    label = made.timeline.label
    assert type(label).__name__ == "EventChurn"
    assert [str(where) for where in label.conditions] == [f"{column} == '{ends}'"]
    assert any(f"is '{ends}', mostly the last row" in note for note in made.notes)


def test_several_events_that_end_customers_are_one_label(tmp_path):
    made = log(tmp_path, ["subscription.deleted", "account_closed"])
    (where,) = made.timeline.label.conditions
    assert where.to_dict()["value"] == ["account_closed", "subscription.deleted"]

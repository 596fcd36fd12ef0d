"""Reasons of churn: counts, incidences that add up, and rare or missing reasons."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from churnkit.insights.metrics.churn_reasons import measure_churn_reasons
from churnkit.insights.metrics.subscriptions import prepare_subscriptions
from churnkit.insights.metrics.survival import DAYS_A_MONTH, measure_survival
from churnkit.insights.sql_session import open_session

AS_OF = "2026-01-01"


def measure(rows):
    with open_session({"subscriptions": pd.DataFrame(rows)}, as_of=AS_OF) as session:
        prepare_subscriptions(session)
        return measure_churn_reasons(session), measure_survival(session)


def subscription(number, months, reason):
    started = datetime(2024, 1, 1)  # noqa: DTZ001  (times without a zone are UTC)
    return {
        "customer": f"c{number}",
        "started": started,
        "ended": None if months is None else started + timedelta(days=DAYS_A_MONTH * months),
        "mrr": 10.0,
        "churn_reason": reason,
    }


ROWS = [
    *(subscription(n, 2.5, "Price") for n in range(30)),
    *(subscription(n, 4.5, " Support ") for n in range(30, 50)),
    *(subscription(n, 6.5, None) for n in range(50, 60)),
    *(subscription(n, 8.5, "") for n in range(60, 65)),
    *(subscription(n, 8.5, "Moved") for n in range(65, 68)),
    *(subscription(n, None, "ignored while active") for n in range(68, 100)),
]


def test_shares_are_those_of_all_customers_where_nobody_is_censored_early():
    found, _ = measure(ROWS)
    shares = {r.name: (r.customers, r.incidence[12]) for r in found.reasons}
    assert shares == {
        "Price": (30, pytest.approx(0.30)),
        "Support": (20, pytest.approx(0.20)),
        "Not recorded": (15, pytest.approx(0.15)),
        "Other": (3, pytest.approx(0.03)),
    }
    assert [r.name for r in found.reasons][:2] == ["Price", "Support"]
    assert sum(r.share for r in found.reasons) == pytest.approx(1.0)


def test_incidences_and_survival_add_up_to_one_in_every_month():
    found, survival = measure(ROWS)
    assert found.months == survival.months
    for month in found.months:
        left = sum(reason.incidence[month] for reason in found.reasons)
        assert left + survival.curves[""]["survival"][month] == pytest.approx(1.0)


def test_of_two_reasons_of_one_end_the_larger_text_counts_as_in_a_label():
    first = [subscription(n, 2.5, "Alpha") for n in range(12)]
    second = [subscription(n, 2.5, "\tBeta\n") for n in range(6)]
    blank = [subscription(n, 2.5, "\t") for n in range(12)]
    found, _ = measure([*first, *second, *blank])
    assert {one.name: one.customers for one in found.reasons} == {"Alpha": 6, "Beta": 6}


def test_without_a_recorded_reason_there_is_no_result():
    rows = [subscription(n, 2.5, None) for n in range(20)]
    assert measure(rows)[0] is None
    plain = [{k: v for k, v in row.items() if k != "churn_reason"} for row in ROWS]
    assert measure(plain)[0] is None
    one = [row | {"churn_reason": row["churn_reason"] and "cancelled"} for row in ROWS]
    assert measure(one)[0] is None
    few = [subscription(n, 2.5, f"reason {n}") for n in range(4)]
    assert measure([*few, *rows[5:]])[0] is None


def test_the_report_escapes_reasons_and_shows_their_chart():
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    from churnkit.report import build_report

    rows = [row | {"churn_reason": "<script>p</script>"} for row in ROWS[:30]] + ROWS[30:]
    report = build_report({"subscriptions": pd.DataFrame(rows)}, as_of=AS_OF)
    assert "<script>" not in report.html
    assert "Customers who left, by reason and months since joining" in report.html
    section = next(part for part in report.sections if part.name == "survival")
    assert [getattr(block, "name", "") for block in section.blocks[-2:]] == [
        "churn_reasons",
        "reasons",
    ]

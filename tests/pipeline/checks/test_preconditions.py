"""Requirements on a training table, and the messages if they are not met."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from churnkit.errors import ChurnkitError, RecipeError
from churnkit.pipeline import Needs, PreconditionError
from churnkit.timeline import (
    ActiveWithin,
    Count,
    InactivityChurn,
    Snapshots,
    Table,
    Timeline,
    Trend,
)
from churnkit.timeline.data_coverage import first_timestamps, longest_windows


def outcomes(rows, churners, test=0.2):
    left = np.zeros(rows, dtype=np.int8)
    left[:churners] = 1
    held_out = np.arange(rows) % round(1 / test) == 0
    return left, ~held_out, held_out


class TestFew:
    def test_too_few_churners_are_reported_with_the_customers_needed(self):
        with pytest.raises(PreconditionError) as caught:
            Needs().refuse_few("shop", *outcomes(1000, 20))
        text = str(caught.value)
        assert "16 of the 800 training customers left; at least 25 are needed" in text
        assert "at this table's rate (2.0%) that takes about 2,344 customers, it has 1,000" in text

    def test_the_advised_number_of_customers_is_enough(self):
        Needs().refuse_few("shop", *outcomes(2344, 47))

    def test_too_few_test_churners_are_reported_too(self):
        left, learned, held_out = outcomes(1000, 60)
        left[held_out] = 0
        with pytest.raises(PreconditionError, match="0 of the 200 test customers left"):
            Needs().refuse_few("shop", left, learned, held_out)

    @pytest.mark.parametrize(("churners", "kind"), [(0, "left"), (1000, "stayed")])
    def test_one_kind_alone_asks_for_another_period(self, churners, kind):
        with pytest.raises(PreconditionError, match=f"no customer {kind}: use a period"):
            Needs().refuse_few("shop", *outcomes(1000, churners))

    def test_a_recipe_may_settle_for_less(self):
        Needs(churners=10, test_churners=2).refuse_few("shop", *outcomes(1000, 20))

    def test_rows_of_one_churner_count_once(self):
        # 10 churners at three snapshots each are 30 rows; Counter counts the customers.
        churners = [f"c{number}" for number in range(10)] * 3
        customers = np.array([*churners, *(f"s{number}" for number in range(270))])
        left = np.r_[np.ones(30, dtype=np.int8), np.zeros(270, dtype=np.int8)]
        assert len(Counter(churners)) == 10
        every = np.ones(300, dtype=bool)
        with pytest.raises(
            PreconditionError, match="10 of the 280 training customers left; at least 25"
        ):
            Needs().refuse_few("shop", left, every, every, customers)
        Needs(churners=10).refuse_few("shop", left, every, every, customers)

    def test_three_customers_are_refused(self):
        with pytest.raises(ChurnkitError, match="at least 25"):
            Needs().refuse_few("shop", *outcomes(3, 1))


class TestHistory:
    orders = tuple(
        {"buyer": f"b{n}", "at": dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=n)}
        for n in range(300)
    )

    def plan(self, first, **features):
        return Timeline(
            [Table("orders", "buyer", happened="at")],
            {"all": Count("orders"), **features},
            Snapshots(dates=(first,)),
            ActiveWithin("orders", days=90),
            InactivityChurn("orders", horizon_days=30),
        )

    def refuse(self, plan, **needs):
        first = first_timestamps(plan, {"orders": list(self.orders)})
        return Needs(**needs).refuse_short_history(plan, first, longest_windows(plan))

    def test_a_window_twice_as_long_as_the_history_is_refused_in_days(self):
        plan = self.plan("2025-04-11", year=Count("orders", window_days=365))
        with pytest.raises(PreconditionError) as caught:
            self.refuse(plan)
        text = str(caught.value)
        assert "reaches back 100 days before the first snapshot, 2025-04-11" in text
        assert "feature 'year' looks back 365" in text
        assert "add 83 more days of history" in text

    def test_the_advice_works(self):
        self.refuse(self.plan("2025-07-03", year=Count("orders", window_days=365)))
        self.refuse(self.plan("2025-04-11", year=Count("orders", window_days=200)))

    def test_a_short_history_that_is_allowed_is_noted(self):
        (message,) = self.refuse(self.plan("2025-08-01", year=Count("orders", window_days=365)))
        assert "incomplete in the earliest snapshots" in message

    def test_a_trend_looks_back_as_far_as_its_reference_window(self):
        plan = self.plan("2025-03-01", t=Trend("orders", window_days=10, against_days=300))
        assert longest_windows(plan) == {"orders": ("t", 300)}

    def test_a_lag_counts_and_a_window_without_end_does_not(self):
        plan = self.plan("2025-03-01", c=Count("orders", window_days=30, lag_days=7))
        assert longest_windows(plan) == {"orders": ("c", 37)}

    def test_a_recipe_may_settle_for_less(self):
        plan = self.plan("2025-01-20", year=Count("orders", window_days=365))
        assert len(self.refuse(plan, history=0.0)) == 1


class TestImmature:
    dates = np.repeat(["2025-01-01", "2025-04-01"], 2000)

    def left(self, last):
        rng = np.random.default_rng(0)
        return (rng.random(4000) < np.repeat([0.1, last], 2000)).astype(np.int8)

    def test_a_last_date_with_an_implausibly_low_churn_rate_is_refused(self):
        with pytest.raises(PreconditionError) as caught:
            Needs().refuse_immature("shop", "as_of", self.dates, self.left(0.004))
        text = str(caught.value)
        assert "column" not in text
        assert "of the last date in 'as_of' (2025-04-01)" in text
        assert "Needs(last_date=0)" in text

    @pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
    def test_another_rate_is_not(self, rate):
        Needs().refuse_immature("shop", "as_of", self.dates, self.left(rate))

    def test_few_rows_are_not_since_chance_may_have_made_them(self):
        left = self.left(0.0)[1980:2020]
        Needs().refuse_immature("shop", "as_of", self.dates[1980:2020], left)

    def test_a_single_date_is_not_tested_for_maturity(self):
        Needs().refuse_immature("shop", "as_of", self.dates[:100], np.zeros(100, np.int8))

    def test_a_recipe_may_say_that_it_is_over(self):
        Needs(last_date=0.0).refuse_immature("shop", "as_of", self.dates, self.left(0.0))


@pytest.mark.parametrize("wrong", [{"churners": 1}, {"history": 2.0}, {"last_date": -1.0}])
def test_needs_out_of_range_are_refused(wrong):
    with pytest.raises(RecipeError, match=next(iter(wrong))):
        Needs(**wrong)


def test_a_training_stops_before_it_fits(recipe_of, make_shop, tmp_path, rows_of_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table

    project = make_shop(tmp_path, rows=rows_of_shop(500))
    recipe = replace(recipe_of(project), needs=Needs(churners=400))
    table = read_training_table(recipe, project.root)
    with pytest.raises(PreconditionError, match="at least 400 are needed"):
        prepare(recipe, table)

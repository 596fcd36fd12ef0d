"""Whether more would help."""

from __future__ import annotations

import json

import numpy as np
import pytest

from churnkit.evaluation import EvaluationError, history_curve, learning_curve, window_curve
from churnkit.models import LogisticModel

MODEL = LogisticModel(C=1.0)


def table(rows, columns, *, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    return X, (X[:, 0] + rng.normal(size=rows) > 0.5).astype(int)


class TestLearningCurve:
    def test_many_columns_and_few_customers_ask_for_more(self):
        X, _ = table(1000, 60)
        y = (X.sum(axis=1) + np.random.default_rng(1).normal(size=1000) > 0).astype(int)
        result = learning_curve(MODEL, X, y)
        assert result.more_helps
        assert result.verdict.startswith("More customers would help: from 400 to 800")
        assert result.scores[0] > result.scores[-1]

    def test_one_column_and_many_customers_do_not(self):
        X, y = table(6000, 1)
        result = learning_curve(MODEL, X, y)
        assert not result.more_helps
        assert result.enough < 4800
        assert "are enough" in result.verdict

    def test_each_share_holds_the_one_before(self):
        seen = []

        class Spy(LogisticModel):
            def fit(self, X, y, sample_weight=None):
                seen.append({row.tobytes() for row in np.ascontiguousarray(X)})
                return super().fit(X, y, sample_weight)

        X, y = table(400, 3)
        learning_curve(Spy(C=1.0), X, y, folds=2)
        assert seen[0] < seen[1] < seen[2]

    def test_the_same_seed_gives_the_same_curve(self):
        X, y = table(400, 3)
        assert learning_curve(MODEL, X, y, seed=4) == learning_curve(MODEL, X, y, seed=4)

    def test_results_are_json_and_a_frame(self):
        X, y = table(400, 3)
        result = learning_curve(MODEL, X, y)
        json.dumps(result.to_dict(), allow_nan=False)
        assert len(result.to_frame()) == 3
        assert "<table" in result._repr_html_()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"shares": (0.5,)}, "the last of the shares must be 1"),
            ({"shares": (1.0, 0.5)}, "ascending"),
            ({"shares": (0.01, 1.0)}, "at least 10 of each"),
            ({"metric": "x"}, "no metric"),
        ],
    )
    def test_invalid_settings_are_refused(self, changes, message):
        X, y = table(300, 2)
        with pytest.raises(EvaluationError, match=message):
            learning_curve(MODEL, X, y, **changes)


class TestWindowCurve:
    def test_a_long_window_that_tells_something_is_worth_it(self):
        X, y = table(1500, 3)
        result = window_curve(MODEL, X, y, [365, 30, None])
        assert result.sizes == (30.0, 365.0)
        assert result.more_helps
        assert result.enough == 365.0

    def test_one_that_tells_nothing_is_not(self):
        X, y = table(1500, 3)
        assert window_curve(MODEL, X, y, [30, 365, None]).enough == 30.0

    def test_columns_without_windows_are_refused(self):
        X, y = table(100, 2)
        with pytest.raises(EvaluationError, match="no column has a window"):
            window_curve(MODEL, X, y, [None, None])


class TestHistoryCurve:
    dates = np.array(["2024-01-01", "2024-07-01", "2025-01-01", "2025-04-01"], "M8[D]")

    def test_only_dates_whose_outcome_was_known_are_trained_on(self):
        X, y = table(1600, 2)
        as_of = np.repeat(self.dates, 400)
        result = history_curve(MODEL, X, y, as_of, mature_days=120)
        assert result.sizes == (274.0, 456.0)

    def test_a_past_of_another_kind_is_not_worth_having(self):
        X, y = table(8000, 1)
        as_of = np.repeat(self.dates, 2000)
        y[:4000] = 1 - y[:4000]
        result = history_curve(MODEL, X, y, as_of, mature_days=90)
        assert result.enough == 90.0
        assert "lost" in result.verdict

    def test_one_date_is_refused_with_what_is_needed(self):
        X, y = table(200, 1)
        with pytest.raises(EvaluationError, match="add snapshots of earlier dates"):
            history_curve(MODEL, X, y, np.repeat(self.dates[:1], 200), mature_days=90)

"""Displays of nothing at all, of names that collide, and of groups that are missing."""

from __future__ import annotations

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
matplotlib.use("Agg")

from churnkit.decisions import ShadowPrices  # noqa: E402
from churnkit.displays import (  # noqa: E402
    CohortDisplay,
    IntervalDisplay,
    LifetimeValueDisplay,
    ShadowPriceDisplay,
    ShapDisplay,
)
from churnkit.errors import ChurnkitError  # noqa: E402
from churnkit.evaluation import Interval  # noqa: E402
from churnkit.insights.metrics.cohorts import Cohorts  # noqa: E402
from churnkit.models.value import LifetimeValue  # noqa: E402

PRICES = ShadowPrices(0.5, np.array([3.0, 2.0]), np.array([1.0]), np.array([4.0]))


def worth(value):
    each = np.asarray(value, dtype=np.float64)
    return LifetimeValueDisplay(
        LifetimeValue(each, each, each, each, each, Interval(each.sum(), 0.0, 1.0), 0.95)
    )


@pytest.fixture(autouse=True)
def no_figure_is_left():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: CohortDisplay(Cohorts((), "kept", "revenue kept")).plot(), "no cohorts"),
        (lambda: IntervalDisplay({}).plot(), "no estimates"),
        (lambda: IntervalDisplay.from_scores([], []), "no customers"),
        (lambda: ShapDisplay(np.empty((0, 2)), np.empty((0, 2)), ["a", "b"]), "no customers"),
        (lambda: worth([]).plot(), "no customers"),
        (lambda: worth([]).plot(kind="histogram"), "no customers"),
        (lambda: worth([0.0, 0.0]).plot(), "2 customers have no positive sum.*histogram"),
        (
            lambda: IntervalDisplay.from_scores([1, 2, 3], np.array(["a", None, "b"])),
            "missing in 1 of 3",
        ),
        (lambda: IntervalDisplay.from_scores([1, 2], [np.nan, 1.0]), "missing in 1 of 2"),
        (lambda: IntervalDisplay.from_scores([1, 2], np.array(["a", 1], object)), "all of them te"),
        (lambda: IntervalDisplay.from_scores([1, 2], ["all customers", "b"]), "rename this group"),
        (lambda: ShadowPriceDisplay(PRICES).plot(actions=["a"]), "actions .* 2 prices, got 1"),
        (lambda: ShadowPriceDisplay(PRICES).plot(floors=["a", "b"]), "floors .* 1 prices, got 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_there_is_a_figure(draw, message):
    import matplotlib.pyplot as plt

    with pytest.raises(ChurnkitError, match=message):
        draw()
    assert plt.get_fignums() == []


def test_values_of_zero_have_a_histogram():
    bars = worth([0.0, 0.0]).plot(kind="histogram").drawn_
    assert sum(bar.get_height() for bar in bars) == 2


def test_a_group_named_all_has_a_row_of_its_own():
    display = IntervalDisplay.from_scores([1.0, 2.0, 6.0], ["all", "all", "b"])
    means = {label: interval.value for label, interval in display.intervals.items()}
    assert means == pytest.approx({"all customers": 3.0, "all": 1.5, "b": 6.0})


def test_an_action_and_limits_of_the_same_name_have_a_bar_each():
    display = ShadowPriceDisplay(PRICES).plot(actions=["call", "call"], limits=["call"])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[1:] == ["capacity of call", "capacity of call", "shared capacity of call",
                          "floor of 0"]  # fmt: skip
    assert [bar.get_width() for bar in display.bars_] == [0.5, 3.0, 2.0, 1.0, 4.0]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in display.bars_]
    assert middles == pytest.approx(display.ax_.get_yticks())

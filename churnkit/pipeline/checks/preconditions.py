"""Requirements on the size, history and maturity of a training table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import ChurnkitError, RecipeError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from churnkit.timeline import Timeline

__all__ = ["Needs", "PreconditionError"]

# Significance level of the test for an immature last date.
_SIGNIFICANCE = 1e-6


class PreconditionError(ChurnkitError):
    """A table is too small, its history too short, or its labels immature."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Minimum requirements on a training table.

    Parameters
    ----------
    churners
        Minimum number of training customers who churned, and of those who stayed.
    test_churners
        The same for test customers.
    history
        Share of its longest window that each raw table must cover before the first snapshot;
        0 for none. A window that extends beyond the data is smaller in training than in serving.
    last_date
        Minimum ratio of the last date's churn rate to that of earlier dates, where the
        difference is significant; 0 for none. If labels are read before their outcome window
        ends, later churners count as staying.

    Raises
    ------
    RecipeError
        If a number is out of range.
    """

    churners: int = 25
    test_churners: int = 10
    history: float = 0.5
    last_date: float = 0.25

    def __post_init__(self) -> None:
        for name in ("churners", "test_churners"):
            value = getattr(self, name)
            if value < 2:
                raise RecipeError(f"needs: {name} must be at least 2, got {value}")
        for name in ("history", "last_date"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise RecipeError(f"needs: {name} must be between 0 and 1, got {value}")

    def refuse_few(
        self,
        recipe: str,
        left: NDArray[np.int8],
        learned: NDArray[np.bool_],
        tested: NDArray[np.bool_],
        customers: NDArray[np.str_] | None = None,
    ) -> None:
        """Refuse a table with too few customers who churned or stayed.

        Parameters
        ----------
        recipe
            Name of the recipe.
        left
            1 for customers who churned, shape (n,).
        learned, tested
            Masks of the training and test rows, shape (n,).
        customers
            Customer of each row, shape (n,), if customers have several rows; each counts once.

        Raises
        ------
        PreconditionError
            With the numbers found and needed, and the table size that provides them.
        """
        parts = (("training", learned, self.churners), ("test", tested, self.test_churners))
        for name, rows, minimum in parts:
            outcome, share = left[rows], max(float(rows.mean()), 1.0 / len(rows))
            ids = np.arange(len(outcome)) if customers is None else customers[rows]
            for kind, churned in (("left", 1), ("stayed", 0)):
                count = len(np.unique(ids[outcome == churned]))
                if count < minimum:
                    total = len(np.unique(ids))
                    raise PreconditionError(
                        f"recipe '{recipe}': {count} of the {total:,} {name} customers {kind}; "
                        f"at least {minimum} are needed: "
                        f"{_size_advice(left, kind, minimum, share, customers)}"
                    )

    def refuse_short_history(
        self,
        timeline: Timeline,
        first: Mapping[str, dt.datetime],
        windows: Mapping[str, tuple[str, int]],
    ) -> tuple[str, ...]:
        """Refuse raw tables whose history before the first snapshot is too short.

        Raises
        ------
        PreconditionError
            With the table, the feature, and the days available and needed.
        """
        begin = timeline.snapshots.timestamps[0]
        notes = []
        for table, (feature, days) in sorted(windows.items()):
            if table not in first:
                continue
            available = max((begin - first[table]).days, 0)
            if available >= days:
                continue
            sentence = (
                f"table '{table}' reaches back {available} days before the first snapshot, "
                f"{begin:%Y-%m-%d}, and feature '{feature}' looks back {days}"
            )
            if available < self.history * days:
                lacking = math.ceil(self.history * days) - available
                unit = "day" if lacking == 1 else "days"
                raise PreconditionError(
                    f"{sentence}: add {lacking} more {unit} of history, begin snapshots "
                    f"{lacking} {unit} later, or look back {int(available / self.history)} days "
                    "or fewer"
                )
            notes.append(f"{sentence}: it is incomplete in the earliest snapshots")
        return tuple(notes)

    def refuse_immature(
        self, recipe: str, column: str, dates: Iterable[Any], left: NDArray[np.int8]
    ) -> None:
        """Refuse a table whose last date has an implausibly low churn rate.

        Parameters
        ----------
        recipe
            Name of the recipe.
        column
            Column of the dates.
        dates
            Date of each row, n in all.
        left
            1 for customers who churned, shape (n,).

        Raises
        ------
        PreconditionError
            With both churn rates and the date to leave out.
        """
        from scipy.special import bdtr

        days = [str(date)[:10] for date in dates]
        newest = max(days)
        last = np.array([day == newest for day in days])
        if last.all() or not left[~last].any():
            return
        rate, last_rate = float(left[~last].mean()), float(left[last].mean())
        # The lower tail of the binomial distribution at the earlier rate.
        if (
            last_rate >= self.last_date * rate
            or bdtr(int(left[last].sum()), int(last.sum()), rate) > _SIGNIFICANCE
        ):
            return
        raise PreconditionError(
            f"recipe '{recipe}': churn rate {last_rate:.1%} in the {int(last.sum()):,} rows of the "
            f"last date in '{column}' ({newest}), {rate:.1%} before: the outcome window of that "
            "date is probably not over, so later churners count as staying. Leave that date out, "
            "or set needs=Needs(last_date=0) if it is over"
        )


def _size_advice(
    left: NDArray[np.int8],
    kind: str,
    minimum: int,
    share: float,
    customers: NDArray[np.str_] | None,
) -> str:
    """Return how many customers a table needs, or that the label is constant."""
    rate = float(left.mean()) if kind == "left" else 1.0 - float(left.mean())
    if rate == 0.0:
        return f"no customer {kind}: use a period in which some did, or check the label"
    # 1.5 times the average, so that chance rarely leaves too few.
    needed = math.ceil(1.5 * minimum / (rate * share))
    if customers is not None:
        return (
            f"the data has {len(np.unique(customers)):,} customers, each counted once; use a longer "
            "period, a longer horizon or more customers"
        )
    return (
        f"at this table's rate ({rate:.1%}) that takes about {needed:,} customers, it has "
        f"{len(left):,}; use a longer period or more customers"
    )

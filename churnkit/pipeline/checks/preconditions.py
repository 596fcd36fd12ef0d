"""What a table must offer before a model is fitted to it, and how much is missing."""

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

# A drop that chance makes less often than this is none of chance's.
_CHANCE = 1e-6


class PreconditionError(ChurnkitError):
    """A table is too small, too short or too young to train on; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The least that a table must offer; a recipe may ask for more, or settle for less.

    Parameters
    ----------
    churners
        How many training customers must have left, and as many must have stayed.
    test_churners
        The same of the customers held out for the test.
    history
        Which share of its longest window each raw table must reach back before the first
        snapshot; 0 for none. A window that reaches beyond the data counts less in training
        than it will when the model serves.
    last_date
        Which share of the earlier dates' churn rate the last date must have, if chance cannot
        explain that it has less; 0 for none. A label that is read before its outcome window is
        over counts those who have yet to leave as staying.

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
            if getattr(self, name) < 2:
                raise RecipeError(f"needs: {name} is 2 or more, as a model needs some of each kind")
        for name in ("history", "last_date"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecipeError(f"needs: {name} is a share, from 0 to 1")

    def refuse_few(
        self,
        recipe: str,
        left: NDArray[np.int8],
        learned: NDArray[np.bool_],
        tested: NDArray[np.bool_],
    ) -> None:
        """Refuse tables with too few of a kind to train on or to test on.

        Parameters
        ----------
        recipe
            Its name.
        left : (n,) 1 for customers who left
        learned, tested : (n,) whether the row is trained on, and tested on

        Raises
        ------
        PreconditionError
            It says how many there are, how many are needed, and how many customers that takes
            at this table's churn rate.
        """
        parts = (
            ("training", learned, self.churners),
            ("test", tested, self.test_churners),
        )
        for name, rows, least in parts:
            outcome, part = left[rows], max(float(rows.mean()), 1.0 / len(rows))
            gone = int(outcome.sum())
            for kind, count in (("left", gone), ("stayed", len(outcome) - gone)):
                if count < least:
                    raise PreconditionError(
                        f"recipe '{recipe}': {count} of the {len(outcome):,} {name} customers "
                        f"{kind}; at least {least} are needed: {_mend(left, kind, least, part)}"
                    )

    def refuse_short_history(
        self,
        plan: Timeline,
        first: Mapping[str, dt.datetime],
        windows: Mapping[str, tuple[str, int]],
    ) -> tuple[str, ...]:
        """Refuse raw tables that reach back too little before the first snapshot.

        Parameters
        ----------
        plan
            The timeline.
        first
            When each table's first row was known.
        windows
            For each table its farthest-looking feature, and how many days that looks back.

        Returns
        -------
        What is short and still allowed, a sentence each.

        Raises
        ------
        PreconditionError
            It names the table, the feature, the days there are and the days needed.
        """
        begin = plan.snapshots.timestamps[0]
        short = []
        for table, (feature, days) in sorted(windows.items()):
            if table not in first:
                continue
            there = max((begin - first[table]).days, 0)
            if there >= days:
                continue
            said = (
                f"table '{table}' reaches back {there} days before the first snapshot, "
                f"{begin:%Y-%m-%d}, and feature '{feature}' looks back {days}"
            )
            if there < self.history * days:
                needed = math.ceil(self.history * days)
                lacks, unit = needed - there, "day" if needed - there == 1 else "days"
                raise PreconditionError(
                    f"{said}: bring {lacks} more {unit} of history, begin snapshots "
                    f"{lacks} {unit} later, or look back {int(there / self.history)} days or fewer"
                )
            short.append(f"{said}: it counts less in the earliest snapshots than it will later")
        return tuple(short)

    def refuse_immature(
        self, recipe: str, column: str, dates: Iterable[Any], left: NDArray[np.int8]
    ) -> None:
        """Refuse a last date whose customers have hardly left yet.

        Parameters
        ----------
        recipe
            Its name.
        column
            The column with the dates.
        dates : (n,) the date of each row
        left : (n,) 1 for customers who left

        Raises
        ------
        PreconditionError
            It says both rates, and what to leave out.
        """
        told = [str(date)[:10] for date in dates]
        newest = max(told)
        last = np.array([date == newest for date in told])
        if last.all() or not left[~last].any():
            return
        rate, now = float(left[~last].mean()), float(left[last].mean())
        if now >= self.last_date * rate:
            return
        if _at_most(int(left[last].sum()), int(last.sum()), rate) > _CHANCE:
            return
        raise PreconditionError(
            f"recipe '{recipe}': {now:.1%} of the {int(last.sum()):,} rows of the last date in "
            f"'{column}' ({newest}) left, and {rate:.1%} of those before: their outcome window "
            "is not over, so many who will leave count as staying. Leave that date out until it "
            "is, or, if it is over, say needs=Needs(last_date=0)"
        )


def _mend(left: NDArray[np.int8], kind: str, least: int, part: float) -> str:
    """Say how many customers it takes."""
    rate = float(left.mean()) if kind == "left" else 1.0 - float(left.mean())
    if rate == 0.0:
        return f"nobody {kind}, so bring a period in which some did, or check the label"
    # Half as many again as on average, so that chance does not leave too few.
    customers = math.ceil(1.5 * least / (rate * part))
    return (
        f"at this table's rate ({rate:.1%}) that takes about {customers:,} customers, "
        f"and it has {len(left):,}; bring a longer period or more customers"
    )


def _at_most(count: int, rows: int, rate: float) -> float:
    """Return the chance of so few or fewer of many, each with the same chance."""
    from scipy.special import bdtr

    return float(bdtr(count, rows, rate))

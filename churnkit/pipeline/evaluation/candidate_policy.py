"""What another policy would have done, as a person names it: a file, or a rule in one word."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["NONE", "OtherPolicy", "read_policy"]

NONE = "none"
"""The arm of doing nothing."""
_ALWAYS = "always:"


@dataclass(frozen=True)
class OtherPolicy:
    """Probabilities of actions, for each customer or for all.

    Attributes
    ----------
    actions
        The actions it can take; `NONE` may be among them.
    for_all
        Its probabilities for every customer; None if they differ.
    each
        Its probabilities by customer, in the order of `actions`.
    lists
        Of a policy that shows lists: by customer what it shows in each place, from 0.
    """

    actions: tuple[str, ...]
    for_all: tuple[float, ...] | None
    each: Mapping[str, tuple[float, ...]]
    lists: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def knows(self, customer: str) -> bool:
        """Tell whether it says what to do for a customer."""
        return self.for_all is not None or customer in self.each or customer in self.lists

    def over(
        self,
        customers: Sequence[str],
        arms: Sequence[str],
        places: Sequence[int] | NDArray[np.intp] | None = None,
    ) -> NDArray[np.float64]:
        """Return its probabilities for customers it knows, (n, arms).

        Parameters
        ----------
        customers
            (n,) as text.
        arms
            The actions in order, `NONE` among them.
        places
            (n,) the place of a list that is asked about; the first for all if None.
        """
        at = {arm: place for place, arm in enumerate(arms)}
        table = np.zeros((len(customers), len(arms)))
        if self.lists:
            for row, customer in enumerate(customers):
                place = 0 if places is None else int(places[row])
                table[row, at[self.lists[customer].get(place, NONE)]] = 1.0
            return table
        columns = [at[action] for action in self.actions]
        for row, customer in enumerate(customers):
            table[row, columns] = self.for_all or self.each[customer]
        return table


def read_policy(said: str) -> OtherPolicy:
    """Read a policy.

    Parameters
    ----------
    said
        ``"none"``, ``"always:ACTION"``, or a .csv or .parquet file with a row a customer, the
        customer first: with a column ``action`` (empty for none), as `churnkit plan` writes it;
        with columns ``place`` and ``action``, a row for each place, as `churnkit rank` writes it;
        or with one column of probabilities for each action and `NONE`.

    Raises
    ------
    ChurnkitError
        If there is no such file, or its columns are neither.

    Examples
    --------
    >>> read_policy("always:call").over(["c1"], ["call", "none"]).tolist()
    [[1.0, 0.0]]
    """
    if said == NONE or said.startswith(_ALWAYS):
        action = said.removeprefix(_ALWAYS)
        if not action:
            raise ChurnkitError("--policy always: names no action: always:call, for instance")
        return OtherPolicy((action,), (1.0,), {})
    if not Path(said).is_file():
        raise ChurnkitError(
            f"--policy: there is no file {said}: give a table of customers and actions (as "
            "churnkit plan -o writes it), always:ACTION, or none"
        )
    from churnkit.core.io.table_file import read_table

    table = read_table(Path(said))
    customers = [str(name) for name in table.column(0).to_pylist()]
    if {"place", "action"} <= set(table.column_names):
        return _of_lists(said, customers, table)
    if len(set(customers)) < len(customers):
        raise ChurnkitError(
            f"{said}: {len(customers) - len(set(customers))} customers stand in several rows: "
            "keep one of each"
        )
    if "action" in table.column_names:
        return _of_actions(customers, table["action"].to_pylist())
    return _of_probabilities(said, customers, table)


def _of_lists(said: str, customers: list[str], table: Any) -> OtherPolicy:
    lists: dict[str, dict[int, str]] = {}
    twice = 0
    rows = zip(customers, table["place"].to_pylist(), table["action"].to_pylist(), strict=True)
    for customer, place, action in rows:
        own = lists.setdefault(customer, {})
        try:
            # Who is shown nothing has a row without a place.
            at = int(place or 1) - 1
        except (TypeError, ValueError):
            raise ChurnkitError(f"{said}: column 'place' holds what is no whole number") from None
        twice += at in own
        own[at] = str(action or NONE)
    if twice:
        raise ChurnkitError(
            f"{said}: {twice} places of a customer stand in several rows: keep one of each"
        )
    names = tuple(sorted({action for own in lists.values() for action in own.values()}))
    return OtherPolicy(names, None, {}, lists)


def _of_actions(customers: list[str], actions: list[Any]) -> OtherPolicy:
    chosen = [NONE if action in {None, ""} else str(action) for action in actions]
    names = tuple(sorted(set(chosen)))
    rows = {name: tuple(float(name == other) for other in names) for name in names}
    each = {who: rows[what] for who, what in zip(customers, chosen, strict=True)}
    return OtherPolicy(names, None, each)


def _of_probabilities(said: str, customers: list[str], table: Any) -> OtherPolicy:
    names = tuple(table.column_names[1:])
    if NONE not in names:
        raise ChurnkitError(
            f"{said} has neither a column 'action' nor one of probabilities for '{NONE}': give "
            "one of the two"
        )
    try:
        chance = np.stack(
            [np.asarray(table[name].to_numpy(), dtype=np.float64) for name in names], axis=1
        )
    except (TypeError, ValueError):
        raise ChurnkitError(
            f"{said}: columns beside the customer must be probabilities, one for each action"
        ) from None
    wrong = int(np.count_nonzero(~(np.abs(chance.sum(axis=1) - 1) < 1e-6)))
    if wrong:
        raise ChurnkitError(f"{said}: the probabilities of {wrong} customers do not sum to 1")
    each = {who: tuple(row) for who, row in zip(customers, chance.tolist(), strict=True)}
    return OtherPolicy(names, None, each)

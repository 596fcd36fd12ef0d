"""Candidate policies for off-policy evaluation, read from a table or a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["NONE", "CandidatePolicy", "read_customers", "read_policy"]

NONE = "none"
"""The arm of no action."""
_ALWAYS = "always:"


@dataclass(frozen=True)
class CandidatePolicy:
    """Probabilities of actions, for each customer or for all.

    Parameters
    ----------
    actions
        Actions that the policy can take; `NONE` may be among them.
    for_all
        Probabilities for every customer, in the order of `actions`; None if they differ.
    by_customer
        Probabilities for each customer, in the order of `actions`.
    lists
        For a policy that shows lists: the action at each position from 0, for each customer.
    """

    actions: tuple[str, ...]
    for_all: tuple[float, ...] | None
    by_customer: Mapping[str, tuple[float, ...]]
    lists: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def covers(self, customer: str) -> bool:
        """Check whether the policy has probabilities for a customer."""
        return self.for_all is not None or customer in self.by_customer or customer in self.lists

    def probabilities(
        self,
        customers: Sequence[str],
        arms: Sequence[str],
        positions: Sequence[int] | NDArray[np.intp] | None = None,
    ) -> NDArray[np.float64]:
        """Return the policy's probability of each arm for customers that it covers.

        Parameters
        ----------
        customers
            Ids of customers, shape (n,).
        arms
            Actions in order, `NONE` among them.
        positions
            Position in the list for each row, shape (n,). Default: the first.

        Returns
        -------
        numpy.ndarray
            Probabilities, shape (n, arms).
        """
        column = {arm: index for index, arm in enumerate(arms)}
        table = np.zeros((len(customers), len(arms)))
        if self.lists:
            for row, customer in enumerate(customers):
                position = 0 if positions is None else int(positions[row])
                table[row, column[self.lists[customer].get(position, NONE)]] = 1.0
            return table
        columns = [column[action] for action in self.actions]
        for row, customer in enumerate(customers):
            table[row, columns] = self.for_all or self.by_customer[customer]
        return table


def read_policy(source: str) -> CandidatePolicy:
    """Read a policy from a rule or a table.

    Parameters
    ----------
    source
        ``"none"``, ``"always:ACTION"``, or a .csv or .parquet file whose first column is the
        customer: with a column ``action`` (empty for none), as `churnkit plan` writes it; with
        columns ``place`` and ``action``, one row per position, as `churnkit rank` writes it; or
        with one column of probabilities for each action and `NONE`.

    Returns
    -------
    CandidatePolicy
        The policy.

    Raises
    ------
    ChurnkitError
        If the file does not exist, or its columns match none of these forms.

    Examples
    --------
    >>> read_policy("always:call").probabilities(["c1"], ["call", "none"]).tolist()
    [[1.0, 0.0]]
    """
    if source == NONE or source.startswith(_ALWAYS):
        action = source.removeprefix(_ALWAYS)
        if not action:
            raise ChurnkitError("--policy always: has no action: write it as always:ACTION")
        return CandidatePolicy((action,), (1.0,), {})
    if not Path(source).is_file():
        raise ChurnkitError(
            f"--policy: no file {source}: give a table of customers and actions (as churnkit plan "
            "-o writes it), always:ACTION, or none"
        )
    table = read_table(Path(source))
    if {"place", "action"} <= set(table.column_names):
        return _read_lists(source, table)
    customers = read_customers(source, table)
    if "action" in table.column_names:
        return _read_actions(customers, table["action"].to_pylist())
    return _read_probabilities(source, customers, table)


def read_customers(source: str, table: pa.Table) -> list[str]:
    """Return the ids in a table's first column.

    Raises
    ------
    ChurnkitError
        If a customer has several rows.
    """
    customers = [str(name) for name in table.column(0).to_pylist()]
    repeated = len(customers) - len(set(customers))
    if repeated:
        raise ChurnkitError(f"{source}: {repeated} rows repeat a customer: keep one row for each")
    return customers


def _read_lists(source: str, table: pa.Table) -> CandidatePolicy:
    lists: dict[str, dict[int, str]] = {}
    repeated = 0
    columns = (table.column(0), table["place"], table["action"])
    for customer, place, action in zip(*(column.to_pylist() for column in columns), strict=True):
        actions = lists.setdefault(str(customer), {})
        try:
            # A customer with an empty list has one row without a place.
            position = int(place or 1) - 1
        except (TypeError, ValueError):
            raise ChurnkitError(f"{source}: column 'place' must hold integers") from None
        repeated += position in actions
        actions[position] = str(action or NONE)
    if repeated:
        raise ChurnkitError(
            f"{source}: {repeated} rows repeat a place of a customer: keep one row for each"
        )
    names = tuple(sorted({action for actions in lists.values() for action in actions.values()}))
    return CandidatePolicy(names, None, {}, lists)


def _read_actions(customers: list[str], actions: list[Any]) -> CandidatePolicy:
    chosen = [NONE if action in {None, ""} else str(action) for action in actions]
    names = tuple(sorted(set(chosen)))
    one_hot = {name: tuple(float(name == other) for other in names) for name in names}
    rows = (one_hot[action] for action in chosen)
    return CandidatePolicy(names, None, dict(zip(customers, rows, strict=True)))


def _read_probabilities(source: str, customers: list[str], table: pa.Table) -> CandidatePolicy:
    names = tuple(table.column_names[1:])
    if NONE not in names:
        raise ChurnkitError(
            f"{source} has neither a column 'action' nor a column of probabilities '{NONE}': add "
            "one of the two"
        )
    try:
        probabilities = np.stack(
            [np.asarray(table[name].to_numpy(), dtype=np.float64) for name in names], axis=1
        )
    except (TypeError, ValueError):
        raise ChurnkitError(
            f"{source}: all columns after the customer must be probabilities of actions"
        ) from None
    invalid = int(np.count_nonzero(~(np.abs(probabilities.sum(axis=1) - 1) < 1e-6)))
    if invalid:
        raise ChurnkitError(f"{source}: the probabilities of {invalid} customers do not sum to 1")
    rows = map(tuple, probabilities.tolist())
    return CandidatePolicy(names, None, dict(zip(customers, rows, strict=True)))

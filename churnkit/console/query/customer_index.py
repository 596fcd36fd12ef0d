"""Arrays for searching, filtering and sorting a million customers within a request."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.console.query.list_query import ALL, STATUSES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.console.customer_list import CustomerList
    from churnkit.console.query.list_query import ListQuery
    from churnkit.journal.worklist.records import Verdict
    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["CustomerIndex"]


class CustomerIndex:
    """Columns of the customer list with the state of the worklist.

    Parameters
    ----------
    customers
        Scored customers with planned actions.
    worklist
        Owners and snoozes, by anyone.
    contacts
        Day of the latest contact by customer.
    owners
        Owners by customer, such as those of a column of the table; the worklist overrides them.
    """

    def __init__(
        self,
        customers: CustomerList,
        worklist: Worklist,
        contacts: Mapping[str, date],
        owners: Mapping[str, str],
    ) -> None:
        self._customers, self._worklist = customers, worklist
        count = len(customers.customers)
        self._lock = threading.Lock()
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}
        self._names: list[str] = [""]
        self._owner = np.zeros(count, np.int32)
        self._snoozed = np.zeros(count, np.int32)
        self._version, self._owner_version = 0, 0
        for name, owner in owners.items():
            if name in customers.rows and owner:
                self._owner[customers.rows[name]] = self._code(owner)
        self.contacts: NDArray[np.int32] = np.zeros(count, np.int32)
        for name, day in contacts.items():
            if name in customers.rows:
                self.contacts[customers.rows[name]] = day.toordinal()

    def warm(self) -> None:
        """Compute orders and texts, so that no visitor waits for them."""
        for sort in ("at_risk", "risk", "value", "gain", "cost", "contact", "customer", "action"):
            self._order(sort)
        _ = self._ids, self._names_of_accounts, self._texts

    def refresh(self) -> None:
        """Read the changes of the worklist since the last call."""
        with self._lock:
            for state in self._worklist.states(after=self._version):
                self._version = state.version
                row = self._customers.rows.get(state.customer)
                if row is None:
                    continue
                code = self._code(state.owner)
                if state.is_assigned and self._owner[row] != code:
                    self._owner[row], self._owner_version = code, state.version
                until = state.snoozed_until
                self._snoozed[row] = 0 if until is None else until.toordinal()

    def _code(self, owner: str) -> int:
        if owner not in self._names:
            self._names.append(owner)
        return self._names.index(owner)

    @property
    def version(self) -> int:
        """Version of the newest change that was read."""
        return self._version

    @property
    def owners(self) -> list[str]:
        """Names of all owners, sorted."""
        used = np.flatnonzero(np.bincount(self._owner, minlength=len(self._names))).tolist()
        return sorted(self._names[code] for code in used if code)

    def owner(self, row: int) -> str:
        """Return the owner of a customer; empty for none."""
        return self._names[int(self._owner[row])]

    def snoozed_until(self, row: int, today: date) -> date | None:
        """Return the day until which a customer is snoozed; None if it has passed."""
        day = int(self._snoozed[row])
        return type(today).fromordinal(day) if day > today.toordinal() else None

    def last_contact(self, row: int) -> date | None:
        """Return the day of a customer's latest contact; None if there is none."""
        day = int(self.contacts[row])
        return type(self._customers.day).fromordinal(day) if day else None

    def statuses(self, verdicts: Mapping[str, Verdict], today: date) -> NDArray[np.int8]:
        """Return each row's position in `STATUSES`."""
        codes = np.zeros(len(self._owner), np.int8)
        for customer, verdict in verdicts.items():
            row = self._customers.rows.get(customer)
            if row is not None:
                codes[row] = STATUSES.index(verdict.verdict)
        codes[self._snoozed > today.toordinal()] = STATUSES.index("snooze")
        return codes

    def select(
        self,
        query: ListQuery,
        statuses: NDArray[np.int8],
        *,
        today: date,
        personal: bool,
        subsets: Mapping[str, Collection[str]],
        owners: Collection[str] | None = None,
    ) -> NDArray[np.int64]:
        """Return the rows that match a query, in its order.

        Parameters
        ----------
        query
            The query.
        statuses
            As `statuses` returns.
        today
            Date of the request.
        personal
            Whether the search includes personal columns.
        subsets
            Customers by choice, for ``changed`` and ``due``.
        owners
            Owners whose customers are selected, such as those of a team; None for all.
        """
        customers = self._customers
        mask = customers.mask(query.columns)
        for name, (low, high) in query.ranges.items():
            column = self._numbers[name]
            with np.errstate(invalid="ignore"):
                mask &= (column >= low) & (column <= high)
        if query.choice("status") != ALL:
            mask &= statuses == STATUSES.index(query.choice("status"))
        mask &= self._mask_of_owners(query.choice("owner"), owners) & self._mask_of_decisions(query)
        for role in ("account", "parent"):
            groups = customers.groups(role)
            if groups is not None and query.choice(role) != ALL:
                mask &= groups.mask(query.choice(role))
        if query.choice("contact") != ALL:
            mask &= self._mask_of_contacts(query.choice("contact"), today)
        for name, members in subsets.items():
            if query.choice(name) != ALL:
                subset = np.zeros_like(mask)
                subset[[customers.rows[one] for one in members if one in customers.rows]] = True
                mask &= subset
        if query.text:
            mask &= self._search(query.text, personal=personal)
        order = self._order(query.sort)
        rows = order[mask[order]]
        return rows if query.descending else rows[::-1]

    def _mask_of_owners(self, owner: str, owners: Collection[str] | None) -> NDArray[np.bool_]:
        mask = np.ones(len(self._owner), np.bool_)
        if owner != ALL:
            mask &= self._owner == (self._names.index(owner) if owner in self._names else -1)
        return mask if owners is None else mask & self.owned_by(owners)

    def owned_by(self, owners: Collection[str]) -> NDArray[np.bool_]:
        """Return which rows have one of some owners, (n,)."""
        names = set(owners)
        return np.isin(self._owner, [i for i, name in enumerate(self._names) if name in names])

    def _mask_of_decisions(self, query: ListQuery) -> NDArray[np.bool_]:
        decisions = self._customers.decisions
        mask = np.ones(len(self._owner), np.bool_)
        if query.choice("action") != ALL:
            names = (*decisions.names, "")
            action = query.choice("action")
            number = names.index(action) if action in names else -2
            mask &= decisions.action == (-1 if number == len(names) - 1 else number)
        if query.choice("response") != ALL:
            mask &= self._customers.responses == query.choice("response")
        return mask

    def _mask_of_contacts(self, age: str, today: date) -> NDArray[np.bool_]:
        if age == "never":
            never: NDArray[np.bool_] = self.contacts == 0
            return never
        mask: NDArray[np.bool_] = self.contacts < today.toordinal() - int(age)
        return mask

    @cached_property
    def _numbers(self) -> dict[str, NDArray[Any]]:
        customers = self._customers
        count = len(customers.customers)
        return {
            "risk": customers.probability,
            "value": np.zeros(count) if customers.value is None else customers.value,
            "at_risk": customers.at_risk,
            "gain": customers.decisions.expected_gain,
            "cost": customers.decisions.cost,
            "contact": self.contacts,
            "action": customers.decisions.action,
        }

    def _order(self, sort: str) -> NDArray[np.int64]:
        """Return all valid rows in descending order; ties by revenue at risk."""
        key = (sort, self._owner_version if sort == "owner" else 0)
        with self._lock:
            if key not in self._orders:
                self._orders = {k: v for k, v in self._orders.items() if k[0] != sort}
                self._orders[key] = self._sort(sort)
            return self._orders[key]

    def _sort(self, sort: str) -> NDArray[np.int64]:
        base = self._customers.order
        if sort == "at_risk":
            return base
        if sort == "customer":
            import pyarrow.compute as pc

            ranks = np.empty(len(self._ids), np.int64)
            ranks[pc.sort_indices(self._ids).to_numpy()] = np.arange(len(self._ids))
        elif sort == "owner":
            names = np.argsort(np.argsort(np.array(self._names, dtype=object)))
            ranks = names[self._owner]
        else:
            ranks = np.nan_to_num(np.asarray(self._numbers[sort], np.float64), nan=-np.inf)
        # Ties keep the order of the base in descending lists.
        rows: NDArray[np.int64] = base[np.argsort(-ranks[base], kind="stable")]
        return rows

    @cached_property
    def _ids(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.utf8_lower(pa.array(self._customers.customers, pa.large_string()))

    @cached_property
    def _names_of_accounts(self) -> pa.Array:
        """Ids and accounts in one column, so that a search is one pass."""
        accounts = self._customers.accounts
        if accounts is None:
            return self._ids
        names = np.array([*accounts.names, ""], dtype=object)
        return _join(self._ids, [_lower_texts(names[accounts.codes])])

    @cached_property
    def _texts(self) -> pa.Array:
        """Ids, accounts and personal texts in one column."""
        columns = [_lower_texts(values) for values in self._customers.personal.values()]
        return _join(self._names_of_accounts, columns)

    def _search(self, text: str, *, personal: bool) -> NDArray[np.bool_]:
        import pyarrow.compute as pc

        texts = self._texts if personal else self._names_of_accounts
        matches = pc.match_substring(texts, text.lower())
        mask: NDArray[np.bool_] = matches.to_numpy(zero_copy_only=False)
        return mask


def _join(first: pa.Array, others: list[pa.Array]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(first, *others, pa.scalar("\n", pa.large_string()))


def _lower_texts(values: Any) -> pa.Array:
    """Return a column as texts in lower case; missing values are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, np.ndarray):
        texts = pa.array(values, pa.large_string())
    else:
        texts = values.cast(pa.large_string()).fill_null("").combine_chunks()
    return pc.utf8_lower(texts)

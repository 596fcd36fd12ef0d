"""Find the customer of each raw table: by names, and by keys whose values are in another table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import refuse_unknown_column
from churnkit.pipeline.scaffold.keys.label_column import list_names
from churnkit.pipeline.scaffold.raw.tables.key_columns import (
    KeyColumn,
    is_customer_name,
    is_other_person,
    singular,
)
from churnkit.pipeline.scaffold.raw.tables.key_spelling import describe_absent, describe_difference
from churnkit.timeline import Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["CustomerKeys", "NoCustomerError", "find_customers"]

_MIN_INCLUDED = 0.9
_MIN_OVERLAP = 0.3
_MIN_CUSTOMERS = 20
_MAX_HOPS = 3
# Share of customers by which an id and a name may differ.
_MAX_DIFFERENCE = 0.1
# Rating of names of which one is named after the other.
_NAMED = 2
# A table's ids of customers of which another has this many times more are those of its staff.
_MIN_WIDTH = 3
_MAX_TEXT_LENGTH = 64
# Share of rows with a value of their own, below which values repeat as those of customers do.
_MAX_OWN_IDS = 0.9
_WHOLE = re.compile(r"([0-9]+)(?:\.0+)?")


class NoCustomerError(ChurnkitError):
    """No column of raw tables is recognized as the customer's id."""


@dataclass(frozen=True)
class CustomerKeys:
    """The column of the customer in each table, and the way to it.

    Parameters
    ----------
    columns
        Column of the customer by table, of the table itself or of its last lookup.
    lookups
        Lookups by table; none for a table with the column.
    links
        Keys that were found, one sentence each.
    others
        Columns that could be the customer instead.
    parents
        Keys of each table in other tables, as lookups.
    notes
        Other ids of customers in a table, and customers that the table of customers lacks.
    differences
        Keys that differ from those of another table by their spelling, one sentence each.
    candidates
        Columns that may be keys, by table.
    """

    columns: dict[str, str]
    lookups: dict[str, tuple[Lookup, ...]]
    links: tuple[str, ...]
    others: tuple[str, ...]
    parents: dict[str, tuple[Lookup, ...]]
    notes: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    candidates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The most frequent name of the column."""
        names = list(self.columns.values())
        return max(names, key=names.count)

    def describe_left_out(self, table: str) -> str:
        """Describe a table without a way to the customers, with the columns that were tried."""
        tried = self.candidates.get(table, ())
        none = (
            f"none of {list_names(tried)} leads" if tried else "it has no column of ids that leads"
        )
        return (
            f"review: table '{table}' is left out: {none} to a customer; give the customer's id the "
            "same name in all files, and run churnkit init again"
        )


def find_customers(
    profiles: Mapping[str, Mapping[str, ColumnProfile]],
    times: Mapping[str, set[str]],
    entity: str | None,
) -> CustomerKeys:
    """Find the column of the customer in each table.

    Parameters
    ----------
    profiles
        Profiles of columns by table.
    times
        Columns of times by table.
    entity
        Name of the column, if it is given.

    Raises
    ------
    NoCustomerError
        If no column can be the customer's id.
    ChurnkitError
        If no table has the column `entity`.
    """
    keys = [
        key
        for table, columns in profiles.items()
        for profile in columns.values()
        if profile.name not in times[table]
        for key in _key_columns(table, profile, is_given=profile.name == entity)
    ]
    links = _Links(keys)
    if entity is not None and not any(entity in columns for columns in profiles.values()):
        merged = {name: c for columns in profiles.values() for name, c in columns.items()}
        refuse_unknown_column("none of the tables", merged, "--entity", entity)
    ranked = sorted(
        (links.reach(domain, set(profiles)) for domain in links.domains()),
        key=lambda reach: reach.rank(times),
        reverse=True,
    )
    if entity is not None:
        ranked = [reach for reach in ranked if entity in reach.names]
        if not ranked:
            raise ChurnkitError(
                f"column '{entity}' (--entity) has fewer than two values: name the customer's id"
            )
    ranked = [reach for reach in ranked if entity is not None or reach.is_plausible]
    if not ranked:
        names = sorted({name for columns in profiles.values() for name in columns})[:8]
        raise NoCustomerError(
            "no column is recognized as the customer's id in all tables: name it with --entity "
            f"COLUMN; candidates: {', '.join(map(repr, names))}"
        )
    best = _prefer_id(ranked, times) if entity is None else ranked[0]
    others = {
        name
        for reach in ranked
        if reach is not best and reach.rating and reach.customers >= _MIN_CUSTOMERS
        for name in reach.names
    }
    used = tuple(sorted({text for path in best.paths.values() for text in path[2]}))
    return CustomerKeys(
        {table: column for table, (column, _, _) in best.paths.items()},
        {table: lookups for table, (_, lookups, _) in best.paths.items()},
        used,
        tuple(sorted(others - best.names)),
        links.parents(),
        (*best.notes, *describe_absent(best.columns.values())),
        links.differences(best),
        {table: tuple(key.column for key in keys if key.table == table) for table in profiles},
    )


def _key_columns(table: str, profile: ColumnProfile, *, is_given: bool) -> list[KeyColumn]:
    """Return the column if its values can be keys."""
    named = name_rules.is_id(profile.name) or is_customer_name(profile.name)
    if profile.kind not in {"text", "number"} or profile.distinct < (1 if named else 10):
        return []
    is_other = name_rules.is_label(profile.name) > 1 or name_rules.is_personal(profile.name)
    if is_other and not is_given:
        return []
    values = set()
    for text in profile.texts:
        whole = _WHOLE.fullmatch(text)
        if whole is None and (profile.kind == "number" or len(text) > _MAX_TEXT_LENGTH):
            return []
        values.add(whole[1] if whole else text)
    return [KeyColumn(table, profile.name, frozenset(values), profile.rows, profile.filled)]


@dataclass(frozen=True)
class _Reach:
    """A set of equal keys, and the tables that have it or find it by lookups."""

    columns: dict[str, KeyColumn]
    paths: dict[str, tuple[str, tuple[Lookup, ...], tuple[str, ...]]]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        return {key.column for key in self.columns.values()}

    @property
    def customers(self) -> int:
        return max(len(key.values) for key in self.columns.values())

    @property
    def rating(self) -> int:
        """Rate the names of columns, and of a table that has one row per key."""
        rating = max(is_customer_name(name) for name in self.names)
        owners = [key.table for key in self.columns.values() if key.is_unique]
        owned = [is_customer_name(singular(table)) for table in owners]
        return max([rating, *owned])

    @property
    def is_plausible(self) -> bool:
        """True if the name fits, or if values repeat as those of customers do."""
        if self.rating:
            return True
        repeats = any(len(key.values) < _MAX_OWN_IDS * key.filled for key in self.columns.values())
        return len(self.columns) > 1 and repeats

    def rank(self, times: Mapping[str, set[str]]) -> tuple[bool, int, int, int, int, int]:
        """Order sets of keys: by their name, the tables they reach, and few customers."""
        dated = sum(bool(times[table]) for table in self.paths)
        many = self.customers >= _MIN_CUSTOMERS
        direct = len(self.columns)
        return (many, self.rating, dated, len(self.paths), -self.customers, direct)


def _prefer_id(ranked: Sequence[_Reach], times: Mapping[str, set[str]]) -> _Reach:
    """Choose the first set of keys, or an id of as many customers where that is their name."""
    best = ranked[0]
    if any(map(name_rules.is_id, best.names)):
        return best
    dated = {table for table in best.paths if times[table]}
    for reach in ranked[1:]:
        is_named = reach.rating >= best.rating and any(map(name_rules.is_id, reach.names))
        is_equal = abs(reach.customers - best.customers) <= _MAX_DIFFERENCE * best.customers
        if is_named and is_equal and dated <= reach.paths.keys():
            return reach
    return best


class _Links:
    """Keys of tables whose values are those of a unique column of another table."""

    def __init__(self, keys: list[KeyColumn]) -> None:
        self._keys = keys
        self._parents: dict[tuple[str, str], list[KeyColumn]] = {}
        names = frozenset().union(*(key.table_words for key in keys)) if keys else frozenset()
        for key in keys:
            rated = [(self._affinity(key, parent, names), parent) for parent in keys]
            best = max((affinity for affinity, _ in rated), default=0)
            if best:
                parents = [parent for affinity, parent in rated if affinity == best]
                self._parents[key.table, key.column] = parents

    @staticmethod
    def _affinity(key: KeyColumn, parent: KeyColumn, tables: frozenset[str]) -> int:
        """Rate a key as one of another table: 0 if its values or its name do not fit."""
        if key.table == parent.table or not parent.is_unique or len(key.values) < 2:
            return 0
        included = len(key.values & parent.values) / len(key.values)
        is_wider = key.is_unique and len(parent.values) < len(key.values)
        if included < _MIN_INCLUDED or is_wider:
            return 0
        return _rate_names(key, parent, tables)

    def parents(self) -> dict[str, tuple[Lookup, ...]]:
        """List the keys of each table in other tables."""
        listed: dict[str, tuple[Lookup, ...]] = {}
        for (table, column), parents in self._parents.items():
            lookups = [Lookup(parent.table, column, parent.column) for parent in parents]
            listed[table] = (*listed.get(table, ()), *lookups)
        return listed

    def domains(self) -> list[list[KeyColumn]]:
        """Group keys with the same values: a key with its parent, and keys of the same name."""
        groups: dict[tuple[str, str], set[tuple[str, str]]] = {
            (key.table, key.column): {(key.table, key.column)} for key in self._keys
        }

        def unite(first: tuple[str, str], second: tuple[str, str]) -> None:
            united = groups[first] | groups[second]
            for member in united:
                groups[member] = united

        for child, parents in self._parents.items():
            for parent in parents:
                unite(child, (parent.table, parent.column))
        for position, first in enumerate(self._keys):
            for second in self._keys[position + 1 :]:
                if _have_same_values(first, second):
                    unite((first.table, first.column), (second.table, second.column))
        by_name = {(key.table, key.column): key for key in self._keys}
        distinct = {frozenset(group) for group in groups.values()}
        return [[by_name[member] for member in sorted(group)] for group in distinct]

    def reach(self, domain: list[KeyColumn], tables: set[str]) -> _Reach:
        """Find the tables that have the key, or that look it up in at most three others."""
        people = [key for key in domain if not is_other_person(key)] or domain
        by_table: dict[str, list[KeyColumn]] = {}
        for key in people:
            by_table.setdefault(key.table, []).append(key)
        columns = {table: _choose_column(keys) for table, keys in by_table.items()}
        notes = tuple(
            f"the customer of {table} is '{chosen.column}', not {', '.join(map(repr, rest))}"
            for table, chosen in columns.items()
            if (rest := sorted(k.column for k in domain if k.table == table and k is not chosen))
        )
        paths: dict[str, tuple[str, tuple[Lookup, ...], tuple[str, ...]]] = {
            table: (key.column, (), ()) for table, key in columns.items()
        }
        for _ in range(_MAX_HOPS):
            added: dict[str, Any] = {}
            pairs = [(*child, parent) for child, each in self._parents.items() for parent in each]
            for table, column, parent in pairs:
                if table in paths or parent.table not in paths or table not in tables:
                    continue
                customer, lookups, sentences = paths[parent.table]
                lookup = Lookup(parent.table, column, parent.column)
                sentence = f"'{column}' of {table} is '{parent.column}' of {parent.table}"
                added.setdefault(table, (customer, (lookup, *lookups), (sentence, *sentences)))
            paths |= added
        return _Reach(columns, paths, notes)

    def differences(self, customers: _Reach) -> tuple[str, ...]:
        """Describe keys that differ from those of another table by their spelling.

        Only keys that lead to the customers: serial numbers of orders and of their lines are alike
        without their prefix, too.
        """
        ids = set(customers.columns.values())
        names = frozenset().union(*(key.table_words for key in self._keys)) if self._keys else ()
        found: dict[tuple[str, str], str] = {}
        for key in self._keys:
            for parent in self._keys:
                is_key = key.table != parent.table and parent.is_unique and key.words
                is_reached = [each.table in customers.paths for each in (key, parent)]
                leads = len(set(is_reached)) == 2 or bool({key, parent} & ids)
                # Not a number of customers, such as new_customers.
                is_named = name_rules.is_id(key.column) or is_customer_name(key.column)
                if (
                    is_key
                    and leads
                    and is_named
                    and _rate_names(key, parent, frozenset(names)) >= _NAMED
                ):
                    text = describe_difference(key, parent)
                    found |= {(key.table, key.column): text} if text else {}
        return tuple(found.values())


def _rate_names(key: KeyColumn, parent: KeyColumn, tables: frozenset[str]) -> int:
    """Rate the names of a key and of its parent, whose values fit.

    A customer by another name than that of the parent's table counts only if no table has it.
    """
    if key.plain_name == parent.plain_name and key.words:
        return 5 if key.words & parent.table_words else 4
    if key.plain_name == parent.plain_name and _is_foreign_id(key, parent):
        return 4
    named = parent.words | (parent.table_words if _is_own_id(parent) else frozenset())
    if key.words & named:
        return 3
    customers = is_customer_name(key.column) and is_customer_name(singular(parent.table))
    if customers and _is_own_id(parent) and not key.words & tables:
        return 2
    # Row numbers of the other table contain other columns' numbers, such as postal codes, by chance.
    return int(key.is_opaque and parent.is_opaque)


def _is_foreign_id(key: KeyColumn, parent: KeyColumn) -> bool:
    """Return True for an `id` that repeats, so that it numbers no rows of its own table."""
    repeats = len(key.values) < _MAX_OWN_IDS * key.filled
    return repeats and name_rules.is_id(key.column) and len(parent.values) <= 2 * len(key.values)


def _is_own_id(key: KeyColumn) -> bool:
    """Return True for the id of a table's own rows: named id, or after the table."""
    return not key.words or bool(key.words & key.table_words)


def _have_same_values(first: KeyColumn, second: KeyColumn) -> bool:
    """Return True for keys of the same name in two tables that share values."""
    if first.table == second.table or first.plain_name != second.plain_name:
        return False
    if not (first.words or first.is_opaque):
        return False
    smaller = min(len(first.values), len(second.values))
    return len(first.values & second.values) >= _MIN_OVERLAP * smaller


def _choose_column(keys: list[KeyColumn]) -> KeyColumn:
    """Choose among a table's ids of customers: by name, unless it has far fewer customers."""
    most = max(len(key.values) for key in keys)
    wide = [key for key in keys if _MIN_WIDTH * len(key.values) >= most]
    return max(wide, key=_precedence)


def _precedence(key: KeyColumn) -> tuple[int, bool, int]:
    return is_customer_name(key.column), key.is_unique, -len(key.column)

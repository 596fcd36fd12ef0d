"""Recognize an event log: a single file in which customers have rows at several times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean
from churnkit.core.io.table_sources import open_rows, open_source, read_all
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.keys.label_column import MAX_VALUES
from churnkit.pipeline.scaffold.keys.label_names import name_rating, value_direction
from churnkit.pipeline.scaffold.raw.tables.column_format import time_format
from churnkit.pipeline.scaffold.raw.tables.key_columns import is_customer_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["find_log_entity"]

_MIN_CUSTOMERS = 20
# Share of customers with several times below which these are errors of a table.
_MIN_RETURNING = 0.02


def find_log_entity(path: Path, entity: str | None) -> str | None:
    """Return the customer of an event log: customers with rows at several times, and no label.

    None for other files; empty if raw tables find the customer by its name. In a file without such an
    id it may be `id`, or the customer's name. In a file without a header the customer is the first column of
    repeated values that are no times.
    """
    file = open_rows(open_source(path))
    table = read_all(file)
    profiles = {name: profile_column(name, table[name]) for name in table.column_names if name}
    if any(_is_outcome(profile) for profile in profiles.values()):
        return None
    customers = [entity] if entity else [name for name in profiles if is_customer_name(name)]
    if any(name in profiles and _is_log(table, profiles, name) for name in customers):
        return ""
    # Without the name of a customer's id, a repeated id or the customers' names tell them apart.
    names = [] if customers else [name for name in profiles if _names_customer(name)]
    for name in names:
        if _is_log(table, profiles, name):
            return str(name)
    if file.dialect is None or file.dialect.has_header or entity:
        return None
    first = next((c for c in profiles.values() if not detect_dates(c)), None)
    if first is None or first.distinct < _MIN_CUSTOMERS:
        return None
    return first.name if _is_log(table, profiles, first.name) else None


def _names_customer(column: str) -> bool:
    """Return True for a column of the customers' names, or of ids of an unnamed kind.

    Examples
    --------
    >>> [_names_customer(column) for column in ("Customer Name", "Id", "Product Name")]
    [True, True, False]
    """
    words = name_rules.split_words(column)
    owner = [word for word in words if word != "name"]
    is_name = owner != words and is_customer_name("_".join([*owner, "id"])) == 2
    return is_name or words == ["id"]


def _is_outcome(profile: ColumnProfile) -> bool:
    """Return True for a column that records the outcome, by its name and its values."""
    rating = name_rating(profile.name)
    # The kind of an event has a name that a label may have, and other values.
    codes = [read_boolean(text, lenient=True) for text in profile.texts[:3]]
    is_flag = 0 < len(codes) <= 2 and not any(code is NOT_READABLE for code in codes)
    few = profile.texts if profile.distinct <= MAX_VALUES else ()
    is_state = {-1, 1} <= {value_direction(text) for text in few}
    return rating >= 3 or (rating > 0 and (is_flag or is_state))


def _is_log(table: pa.Table, profiles: Mapping[str, ColumnProfile], entity: str) -> bool:
    """Return True if enough customers have rows at several times.

    Rows that equal an earlier row, and the lines of one order, add no time.
    """
    times = [name for name, profile in profiles.items() if time_format(profile) is not None]
    customers = profiles[entity].distinct
    if customers == profiles[entity].filled:
        return False
    table = table.filter(pc.is_valid(table[entity]))
    several = max((_count_returning(table, entity, t) for t in times if t != entity), default=0)
    return several > _MIN_RETURNING * customers


def _count_returning(table: pa.Table, entity: str, time: str) -> int:
    """Count the customers with rows at several times."""
    moments = table.select([entity, time]).group_by([entity, time]).aggregate([])
    counts = moments.group_by(entity).aggregate([(time, "count")])[f"{time}_count"]
    return int(pc.sum(pc.greater(counts, 1)).as_py() or 0)

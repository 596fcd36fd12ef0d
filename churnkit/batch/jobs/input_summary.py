"""Rules that rows violate, and columns that differ from those of training, as sentences."""

from __future__ import annotations

from collections import Counter
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from churnkit.bundle.entity_ids import arrow_ids
from churnkit.contracts.parsing.arrow_columns import is_text_type
from churnkit.contracts.validation.violations import Violation
from churnkit.core.io.csv.dialect import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded

__all__ = ["count_inputs", "describe_inputs"]

_MAX_SENTENCES = 10
# A rule may list hundreds of categories.
_MAX_RULE = 120
# A range is that of training without its extremes: customers outside are usual, most of them are not.
_MIN_OUTSIDE_SHARE = 0.5
# Another unit, or another decimal sign, moves a number by a factor of at least so much.
_FAR = 10.0
_MIN_FAR_SHARE = 0.05
# Fewer rows may all lack a value.
_MIN_BLANK_ROWS = 10
_IDS = {"total": rf"(?i)^\s*(?:{TOTALS.pattern})\s*:?\s*$", "float": r"^\s*[0-9]+\.0+\s*$"}
_ID_PROBLEMS = {
    "total": "has a word for a total in {count:,} rows, which are scored as customers: remove the totals",
    "float": "has ids such as 1234.0 in {count:,} rows, which are not the ids 1234 of other tables: "
    "export them as whole numbers or text",
}


def count_inputs(encoded: Encoded, model: RetentionModel) -> dict[str, Any]:
    """Count violated rules, missing values, and numbers outside the training range, by column.

    Parameters
    ----------
    encoded
        Encoded rows.
    model
        The model that scores them.

    Returns
    -------
    dict
        JSON-able: ``rules`` has a list of column, rule and number of rows; ``ids`` numbers of rows
        whose id is a word for a total or a float; ``values``, ``outside`` and ``far`` numbers of
        valid rows by feature; ``late`` numbers of dates after the as-of date of their row, of
        columns where training had none.
    """
    names = model.contract.feature_names
    features = encoded.features[encoded.valid]
    present = ~np.isnan(features)
    counts: dict[str, Any] = {
        "rules": [[f.column, f.rule, int(f.positions.size)] for f in encoded.findings],
        "ids": _count_ids(encoded.entity),
        "valid": len(features),
        "values": dict(zip(names, present.sum(axis=0).tolist(), strict=True)),
        "outside": {},
        "far": {},
        "late": {},
    }
    if model.contents.ranges is not None:
        low, high = model.contents.ranges.T
        masks = {
            "outside": (features < low) | (features > high),
            "far": (np.abs(features) > _FAR * np.maximum(np.abs(low), np.abs(high)))
            | ((features > 0) & (features < low / _FAR)),
        }
        for kind, mask in masks.items():
            rows = zip(names, mask.sum(axis=0).tolist(), strict=True)
            counts[kind] = {name: count for name, count in rows if count}
        for position in model.contract.date_features:
            late = int((features[:, position] <= -1.0).sum())
            if late and low[position] > -1.0:
                counts["late"][names[position]] = late
    return counts


def _count_ids(entity: Any) -> dict[str, int]:
    ids = arrow_ids(entity)
    if not is_text_type(ids.type):
        return {}
    return {
        kind: pc.sum(pc.match_substring_regex(ids, pattern)).as_py() or 0
        for kind, pattern in _IDS.items()
    }


def describe_inputs(parts: Iterable[Mapping[str, Any]], model: RetentionModel) -> tuple[str, ...]:
    """Describe the counts of several parts of a table; see `count_inputs`.

    Parameters
    ----------
    parts
        Counts of each part.
    model
        The model that scores them.

    Returns
    -------
    tuple of str
        A sentence for each violated rule, for ids that are no ids, for each column that is blank in all rows, and for each
        of which half of the numbers are outside the training range, some are far outside, or dates
        are later than the table.
    """
    rules: Counter[tuple[str, str]] = Counter()
    values: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    far: Counter[str] = Counter()
    late: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    valid = 0
    for part in parts:
        ids.update(part["ids"])
        for column, rule, count in part["rules"]:
            rules[column, rule] += count
        valid += part["valid"]
        values.update(part["values"])
        outside.update(part["outside"])
        far.update(part["far"])
        late.update(part["late"])
    types = {column.name: column.type for column in model.contract.columns}
    order = {name: place for place, name in enumerate(types)}
    # Equal counts in an order that does not depend on the parts.
    counted = sorted(
        rules.items(), key=lambda item: (-item[1], order.get(item[0][0], -1), item[0][1])
    )
    sentences = [
        str(
            Violation(
                column,
                shorten(rule, _MAX_RULE, placeholder=" ..."),
                count,
                (),
                types.get(column, ""),
            )
        )
        for (column, rule), count in counted
    ]
    entity = model.contract.entity.name
    sentences += [
        f"column '{entity}' {_ID_PROBLEMS[kind].format(count=count)}"
        for kind, count in ids.items()
        if count
    ]
    ranges = model.contents.ranges
    names = model.contract.feature_names
    filled = [True] * len(names) if ranges is None else np.isfinite(ranges[:, 0]).tolist()
    for position, name in enumerate(names):
        had_values = filled[position] or types[name] == "string"
        if not values[name] and valid >= _MIN_BLANK_ROWS and had_values:
            sentences.append(
                f"column '{name}' has no value in {valid:,} scored rows: check that the export fills it"
            )
        elif late[name]:
            sentences.append(
                f"column '{name}' has {late[name]:,} of {values[name]:,} dates after the day of the table, and had "
                "none in training: state that day with --as-of"
            )
        elif outside[name] and (
            outside[name] >= _MIN_OUTSIDE_SHARE * values[name]
            or far[name] > _MIN_FAR_SHARE * values[name]
        ):
            kind, check = "numbers", "the unit and the decimal sign"
            if types[name] == "datetime":
                kind, check = "dates", "the day of the table, which --as-of states"
            sentences.append(
                f"column '{name}' has {outside[name]:,} of {values[name]:,} {kind} outside the training "
                f"range, read as its nearest value: check {check}"
            )
    more = len(sentences) - _MAX_SENTENCES
    if more > 0:
        sentences[_MAX_SENTENCES:] = [f"{more} further findings: churnkit validate lists all rules"]
    return tuple(sentences)

"""Write a model as one SQL statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.bundle.sql.calibration import add_interval, add_probability
from churnkit.bundle.sql.columns import add_code, add_days, add_problem, read_column
from churnkit.bundle.sql.dialect import DIALECTS, MAX_BYTES, SqlDialect
from churnkit.bundle.sql.scorers import add_scorer
from churnkit.bundle.sql.steps import Steps
from churnkit.contracts.parsing.cell_parsers import DAY
from churnkit.contracts.parsing.scalars import read_date
from churnkit.errors import RecipeError
from churnkit.models.calibration.maps import PROBABILITY_FLOOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.contents import ModelContents
    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column
    from churnkit.models.calibration.venn_abers import VennAbers

__all__ = ["DIALECTS", "write_statement"]

_TYPES = {"integer": "a number", "number": "a number", "boolean": "a boolean", "string": "text",
          "datetime": "a date, or a timestamp in UTC without a time zone"}  # fmt: skip


def write_statement(
    contents: ModelContents,
    dialect: str,
    *,
    title: str,
    table: str,
    query: str | None = None,
    intervals: VennAbers | None = None,
) -> str:
    """Write a model as one SQL statement; see `RetentionModel.to_sql`."""
    spelling, contract = SqlDialect(dialect), contents.contract
    source = spelling.table(table) if query is None else f"{spelling.query(query)} AS customers"
    if contract.entity.numbered:
        raise RecipeError(
            f"the customers of model {title} have no id, and rows of a database have no "
            "order: retrain with an id column, or score with churnkit score"
        )
    steps = Steps()
    entity = steps.add("id", spelling.column(contract.entity.name))
    read = _read_columns(contract)
    values = {
        column.name: read_column(column, steps, spelling, encode=column in contract.features)
        for column in read
    }
    steps.close()
    as_of = _as_of_days(contract, values, spelling)
    features = [
        add_days(column, values[column.name], as_of, steps, spelling)
        if column.type == "datetime"
        else add_code(column, values[column.name], steps, spelling)
        for column in contract.features
    ]
    problem = _add_problems(read, values, steps, spelling)
    raw = add_scorer(contents.scorer, features, steps, spelling)
    probability = add_probability(
        contents.calibration, raw, steps, spelling, floor=PROBABILITY_FLOOR
    )
    columns = {"churn_probability": probability}
    if intervals is not None:
        ends = add_interval(intervals, probability, steps, spelling)
        columns |= dict(zip(("probability_low", "probability_high"), ends, strict=True))
    result = [f"{entity} AS {spelling.column(contract.entity.name)}"]
    for name, column in columns.items():
        text = f"CASE WHEN {problem} = '' THEN {column} END" if problem else column
        result.append(f"{text} AS {spelling.column(name)}")
    # Without the separator before the first rule.
    message = f"NULLIF(SUBSTR({problem}, 3), '')" if problem else "NULL"
    result.append(f"{message} AS {spelling.column('problem')}")
    text = (
        _header(contract, title, spelling)
        + steps.render(spelling, source, ",\n".join(result))
        + "\n"
    )
    size, limit = len(text.encode()), MAX_BYTES.get(dialect)
    if limit is not None and size > limit:
        raise RecipeError(
            f"the statement has {size / 1e6:.1f} MB, {dialect} accepts {limit / 1e6:.1f} MB: train "
            "with profile='fast', which has fewer trees, or score with churnkit score"
        )
    return text


def _read_columns(contract: Contract) -> tuple[Column, ...]:
    """List the columns that the statement reads: features, id, and the date of the row if needed."""
    as_of = contract.as_of
    is_read = bool(contract.date_features) and as_of is not None and not as_of.has_default
    return (*contract.features, contract.entity, *([as_of] if is_read and as_of else []))


def _as_of_days(contract: Contract, values: dict[str, str], dialect: SqlDialect) -> str:
    """Return the as-of date of a row in days since 1970, of the default if there is one."""
    as_of = contract.as_of
    if as_of is None:
        return ""
    return (
        values.get(as_of.name, "")
        if as_of.default is None
        else dialect.double(read_date(as_of.default) / DAY)
    )


def _add_problems(
    read: Sequence[Column], values: dict[str, str], steps: Steps, dialect: SqlDialect
) -> str | None:
    """Add the violated rules of all columns of a row, in one text."""
    problems = [add_problem(column, values[column.name], steps, dialect) for column in read]
    present = [problem for problem in problems if problem is not None]
    return steps.add_chain("q", present, operator=" || ") if present else None


def _header(contract: Contract, title: str, dialect: SqlDialect) -> str:
    """Return comments with the model and the types that the columns must have."""
    lines = [
        f"Churn probability by model {title}, for {dialect.name}.",
        "One row per customer; problem names the rules that a row violates, and such a row has",
        "no probability. Text is trimmed here; numbers and booleans must have such a type:",
    ]
    lines += [f"  {column.name}: {_TYPES[column.type]}" for column in _read_columns(contract)]
    if contract.date_features and contract.as_of is not None and contract.as_of.default:
        lines.append(f"Days are counted up to {contract.as_of.default}, the default of the schema.")
    if dialect.name == "postgres":
        lines.append(
            "Run SET jit = off first: these expressions take longer to compile than to run."
        )
    # A name with a line break would end the comment.
    return "".join(f"-- {line if line.isprintable() else ascii(line)[1:-1]}\n" for line in lines)

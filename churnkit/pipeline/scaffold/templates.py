"""Text of a new project's files: schema, recipes and README."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from churnkit.contracts import Schema
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.code_format import Code, call, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.column_roles import DraftColumn
    from churnkit.timeline import Timeline

__all__ = ["GITIGNORE", "readme_text", "schema_text", "table_recipe_text", "timeline_recipe_text"]

GITIGNORE = "# churnkit's store: models, runs and their files\n.churnkit/\n__pycache__/\n"
_UTC = 'Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
# Fields of declarations that are passed by position.
_POSITIONAL = ("name", "entity", "table", "column", "op", "value")
_TABLE_RECIPE = '''"""Churn, learned from {source}: drafted by churnkit init."""

from churnkit.pipeline import Recipe
from schemas.{module} import {schema}

# Actions for `churnkit plan`: uncomment these lines, and fill in your own.{value}
#
# from churnkit.decisions import Action, Catalogue, Effect
#
# actions = Catalogue(
#     actions=(
#         Action("call", "A call by the service team", cost=8.0, effect=Effect(0.02, 0.05, 0.1)),
#         Action("voucher", "A voucher", cost=20.0, effect=Effect(0.05, 0.1, 0.2)),
#     ),
#     periods=12,
# )

recipe = Recipe(
    schema={schema},
    data={data},
{settings}    # actions=actions,
)
'''
_NO_VALUE = """
# They need the customer's value per period: declare its column with value(), or add
# also=("value",) to a feature in schemas/{module}.py."""
_TIMELINE_RECIPE = '''"""Churn, learned from raw tables: drafted by churnkit init."""

from pathlib import Path
from typing import Any

from churnkit.pipeline import {recipe_imports}
from churnkit.timeline import (
{imports}
)
from schemas.{module} import {schema}

HERE = Path(__file__).parents[1]
FILES = {{
{files}
}}

timeline = Timeline(
    tables=(
{tables}
    ),
    features={{
{features}
    }},
{settings}
)


def tables() -> dict[str, Any]:
    """Return the raw tables by name."""
    return {{name: raw_table(HERE / path) for name, path in FILES.items()}}


recipe = Recipe(schema={schema}, data=tables, timeline=timeline{split})
'''
_README = """# {title}

```bash
churnkit train                                   # fit, evaluate, and promote if better
churnkit score {example} -o scores.csv     # churn probability of each customer
churnkit serve                                   # the same over HTTP
```

- `schemas/{module}.py` declares the columns. Lines marked `# review:` were inferred; read them
  first. A field with `todo="..."` is an open question: answer it, delete `todo`, and train.
- `training/{module}.py` is the recipe: data, schema, and what you add: a model, a gate, and
  `actions=Catalogue(...)`, which `churnkit plan` chooses from.
- `serving/` holds the prediction service.
"""


def schema_text(schema: str, columns: Sequence[DraftColumn], *, description: str) -> str:
    """Format a schema as Python."""
    reserved = {name for name in dir(Schema) if not name.startswith("__")} | {"Config", "Utc"}
    # A field of this name would hide the function that a later field calls.
    for place, column in enumerate(columns, start=1):
        if any(later.role == column.name for later in columns[place:]):
            reserved.add(column.name)
    identifiers = name_rules.make_identifiers([column.name for column in columns], reserved)
    roles = sorted({column.role for column in columns})
    has_dates = any(column.type == "Utc" for column in columns)
    lines = [f'"""{description}"""', ""]
    if has_dates:
        lines += ["from typing import Annotated", "", "import pandas as pd", ""]
    lines += [f"from churnkit.contracts import {', '.join(['Schema', *roles])}", ""]
    lines += [_UTC, ""] if has_dates else []
    lines += ["", f"class {schema}(Schema):", '    """One row per customer."""', ""]
    for column in columns:
        lines += _field_lines(column, identifiers[column.name])
    return "\n".join(lines) + "\n"


def _field_lines(column: DraftColumn, name: str) -> list[str]:
    settings = dict(column.settings)
    if column.type == "Utc":
        settings["coerce"] = True
    if name != column.name:
        settings["alias"] = column.name
    title = name_rules.make_title(column.name)
    line = call(
        f"{name}: {column.type} = ", column.role, [title] if title else [], settings, indent=4
    )
    return [f"    # review: {column.review}", line] if column.review else [line]


def table_recipe_text(
    module: str,
    schema: str,
    columns: Sequence[DraftColumn],
    *,
    source: str,
    data: str,
    leave_out: Sequence[str] = (),
) -> str:
    """Format the recipe of a table, with a catalogue of actions as a comment.

    Examples
    --------
    >>> text = table_recipe_text("gym", "Gym", (), source="gym.csv", data="../gym.csv")
    >>> text.splitlines()[-2]
    '    # actions=actions,'
    """
    settings = f"    leave_out={literal(tuple(leave_out))},\n" if leave_out else ""
    has_value = any(
        column.role == "value" or "value" in column.settings.get("also", ()) for column in columns
    )
    return _TABLE_RECIPE.format(
        source=source,
        module=module,
        schema=schema,
        data=literal(data),
        settings=settings,
        value="" if has_value else _NO_VALUE.format(module=module),
    )


def timeline_recipe_text(
    timeline: Timeline,
    module: str,
    schema: str,
    *,
    files: Mapping[str, str],
    alternatives: Sequence[tuple[Any, str]] = (),
) -> str:
    """Format a recipe with a timeline, with other labels as comments."""
    declarations = (timeline.eligible, timeline.label, *timeline.features.values())
    used = {"Snapshots", "Table", "Timeline"} | {type(each).__name__ for each in declarations}
    if any(getattr(each, "where", ()) for each in declarations):
        used.add("Where")
    if getattr(timeline.eligible, "unless", None):
        used.add("ChurnEvents")
    if any(table.lookups for table in timeline.tables):
        used.add("Lookup")
    snapshots = timeline.snapshots
    dates: dict[str, Any] = {"dates": [str(date)[:10] for date in snapshots.dates]}
    if snapshots.every:
        start, end = str(snapshots.start)[:10], str(snapshots.end)[:10]
        dates = {"every": snapshots.every, "start": start, "end": end}
    settings = (
        call("snapshots=", "Snapshots", (), dates, indent=4, after=","),
        _declaration(timeline.eligible, 4, before="eligible="),
        *(_comment(label, reason) for label, reason in alternatives),
        _declaration(timeline.label, 4, before="label="),
    )
    one_date = len(snapshots.dates) == 1
    features = (
        _declaration(feature, 8, before=f"{literal(name)}: ")
        for name, feature in timeline.features.items()
    )
    return _TIMELINE_RECIPE.format(
        module=module,
        schema=schema,
        recipe_imports="Recipe, Split, raw_table" if one_date else "Recipe, raw_table",
        split=", split=Split(dates=0)" if one_date else "",
        imports="\n".join(f"    {name}," for name in sorted(used)),
        files="\n".join(f"    {literal(name)}: {literal(path)}," for name, path in files.items()),
        tables="\n".join(_declaration(table, 8) for table in timeline.tables),
        features="\n".join(features),
        settings="\n".join(settings),
    )


def _comment(label: Any, reason: str) -> str:
    """Format another label as a comment."""
    lines = [f"or: {reason}", *_declaration(label, 0, before="label=").splitlines()]
    return "\n".join(f"    # {line}" for line in lines)


def _declaration(instance: Any, indent: int, *, before: str = "") -> str:
    """Format the call that creates a dataclass, without arguments equal to their defaults."""
    positional, settings = [], {}
    for field in fields(instance):
        value = getattr(instance, field.name)
        if value in (field.default, (), "") or (field.name == "source" and value == instance.name):
            continue
        if field.name in _POSITIONAL:
            positional.append(value)
        else:
            settings[field.name] = _argument(field.name, value)
    return call(before, type(instance).__name__, positional, settings, indent=indent, after=",")


def _argument(name: str, value: Any) -> Any:
    if name == "columns":
        return {column.name: column.type for column in value}
    if name == "written":
        return dict(value)
    if name == "lookups":
        return Code(f"[{', '.join(map(_lookup, value))}]")
    if name in {"unless", "cause"}:
        return Code(_call(value) if name == "unless" else _cause(value))
    if name == "where":
        conditions = value if isinstance(value, tuple) else (value,)
        calls = [_condition(where) for where in conditions]
        return Code(calls[0] if len(calls) == 1 else f"({', '.join(calls)})")
    return value


def _condition(where: Any) -> str:
    parts = [where.column, where.op, *([where.value] if where.values else ())]
    return f"Where({', '.join(map(literal, parts))})"


def _lookup(lookup: Any) -> str:
    names = (lookup.source, lookup.key, *([lookup.to] if lookup.to != lookup.key else ()))
    return f"Lookup({', '.join(map(literal, names))})"


def _cause(cause: Any) -> str:
    groups = {name: list(reasons) for name, reasons in cause.groups}
    return call("", "Cause", (cause.column, *([groups] if groups else [])), indent=4).strip()


def _call(instance: Any) -> str:
    """Format the call that creates a dataclass, in one line."""
    return " ".join(_declaration(instance, 0).removesuffix(",").split())


def readme_text(title: str, module: str, example: str) -> str:
    """Format the project's README."""
    return _README.format(title=title, module=module, example=example)

"""The text of a recipe that starts from raw tables."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from churnkit.pipeline.scaffold.code_format import Code, call, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.timeline import Timeline, Where

__all__ = ["plan_recipe_text"]

_POSITIONAL = ("name", "entity", "table", "column", "op", "value")
_HEAD = '''"""Who leaves, learned from raw tables: drafted by churnkit init, yours to change."""

from pathlib import Path
from typing import Any

from churnkit.core.io.raw_tables import raw_table
from churnkit.pipeline import Recipe
{imports}
from schemas.{module} import {schema}

HERE = Path(__file__).parents[1]
{files}

'''
_TAIL = '''

def tables() -> dict[str, Any]:
    """Give the raw tables, as they are."""
    return {{name: raw_table(HERE / path) for name, path in FILES.items()}}


recipe = Recipe(schema={schema}, data=tables, timeline=timeline)
'''


def plan_recipe_text(plan: Timeline, module: str, schema: str, *, files: Mapping[str, str]) -> str:
    """Write a recipe with a timeline as Python.

    Parameters
    ----------
    plan
        The timeline.
    module, schema
        Where the schema of its result is, and its name.
    files
        The raw tables' files by name, from the project's folder.
    """
    used = {"Snapshots", "Table", "Timeline", type(plan.eligible).__name__}
    used |= {type(plan.label).__name__} | {type(one).__name__ for one in plan.features.values()}
    if any(getattr(one, "where", ()) for one in plan.features.values()):
        used.add("Where")
    names = "\n".join(f"    {name}," for name in sorted(used))
    imports = f"from churnkit.timeline import (\n{names}\n)"
    listed = "\n".join(f"    {literal(name)}: {literal(path)}," for name, path in files.items())
    head = _HEAD.format(
        imports=imports, module=module, schema=schema, files=f"FILES = {{\n{listed}\n}}"
    )
    lines = [head.rstrip("\n"), "", "timeline = Timeline(", "    tables=("]
    lines += [_made(table, 8, after=",") for table in plan.tables]
    lines += ["    ),", "    features={"]
    for name, feature in plan.features.items():
        lines.append(_made(feature, 8, before=f"{literal(name)}: ", after=","))
    lines.append("    },")
    dates = {name: getattr(plan.snapshots, name) for name in ("every", "start", "end")}
    dates |= {name: str(dates[name])[:10] for name in ("start", "end")}
    lines.append(call("snapshots=", "Snapshots", (), dates, indent=4, after=","))
    lines.append(_made(plan.eligible, 4, before="eligible=", after=","))
    lines += [_made(plan.label, 4, before="label=", after=","), ")"]
    return "\n".join(lines) + "\n" + _TAIL.format(schema=schema)


def _made(one: Any, indent: int, *, before: str = "", after: str = "") -> str:
    """Write the call that makes a declaration, without what goes without saying."""
    positional, settings = [], {}
    for field in fields(one):
        value = getattr(one, field.name)
        default = None if field.default is MISSING else field.default
        if value in (default, (), "") or (field.name == "source" and value == one.name):
            continue
        if field.name in _POSITIONAL:
            positional.append(value)
        else:
            settings[field.name] = _value(field.name, value)
    return call(before, type(one).__name__, positional, settings, indent=indent, after=after)


def _value(name: str, value: Any) -> Any:
    if name == "columns":
        return {column.name: column.type for column in value}
    if name == "where":
        conditions = value if isinstance(value, tuple) else (value,)
        made = [_condition(one) for one in conditions]
        return Code(made[0] if len(made) == 1 else f"({', '.join(made)})")
    return value


def _condition(where: Where) -> str:
    return f"Where({literal(where.column)}, {literal(where.op)}, {literal(where.value)})"

"""The text of a drafted project's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.contracts import Schema
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.code_format import call, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.pipeline.scaffold.column_roles import DraftColumn

__all__ = ["IGNORED_FILES", "readme_text", "recipe_text", "schema_text"]

IGNORED_FILES = "# churnkit's store: models, runs and their files\n.churnkit/\n__pycache__/\n"
_UTC = 'Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
_IN_ONE_FILE = '''"""Who leaves, learned from {source}: drafted by churnkit init, yours to change."""

from churnkit.pipeline import Recipe
from schemas.{module} import {schema}

recipe = Recipe(
    schema={schema},
    data={data},
{settings})
'''
_README = """# {title}

```bash
churnkit train                                   # fit, test, and promote if it earns it
churnkit score {example} -o scores.csv     # everybody's probability of leaving
churnkit serve                                   # the same, behind an endpoint
```

- `schemas/{module}.py` says what each column is. Lines marked `# review:` are guesses; read them
  first.
- `training/{module}.py` is the recipe: data, schema, and whatever you add: a model, a gate, and
  `actions=Catalogue(...)`, which `churnkit plan` chooses from.
- `serving/` holds the prediction service.
"""


def schema_text(schema: str, columns: Sequence[DraftColumn], *, says: str) -> str:
    """Write a schema as Python.

    Parameters
    ----------
    schema
        The class's name.
    columns
        The guesses, in the table's order.
    says
        A sentence on where they come from.
    """
    taken = {name for name in dir(Schema) if not name.startswith("__")} | {"Config", "Utc"}
    given = name_rules.identifiers([column.name for column in columns], taken)
    functions = sorted({column.role for column in columns})
    lines = [f'"""{says}"""', ""]
    dated = any(column.type == "Utc" for column in columns)
    if dated:
        lines += ["from typing import Annotated", "", "import pandas as pd", ""]
    wanted = ["Schema", *functions]
    lines += [f"from churnkit.contracts import {', '.join(wanted)}", ""]
    lines += [_UTC, ""] if dated else []
    lines += ["", f"class {schema}(Schema):", '    """One row a customer."""', ""]
    for column in columns:
        lines += _field(column, given[column.name])
    return "\n".join(lines) + "\n"


def _field(column: DraftColumn, name: str) -> list[str]:
    settings = dict(column.settings)
    if column.type == "Utc":
        settings["coerce"] = True
    if name != column.name:
        settings["alias"] = column.name
    title = name_rules.title_of(column.name)
    line = call(
        f"{name}: {column.type} = ", column.role, [title] if title else [], settings, indent=4
    )
    return [f"    # review: {column.review}", line] if column.review else [line]


def recipe_text(
    module: str, schema: str, *, source: str, data: str, leave_out: Sequence[str] = ()
) -> str:
    """Write the recipe of a table in one file.

    Parameters
    ----------
    module, schema
        Where the schema is, and its name.
    source
        The file's name.
    data
        Its path, from the project's folder.
    leave_out
        As in `churnkit.pipeline.Recipe`.

    Examples
    --------
    >>> print(recipe_text("gym", "Gym", source="gym.csv", data="../gym.csv").splitlines()[-4])
    recipe = Recipe(
    """
    settings = f"    leave_out={literal(tuple(leave_out))},\n" if leave_out else ""
    return _IN_ONE_FILE.format(
        source=source, module=module, schema=schema, data=literal(data), settings=settings
    )


def readme_text(title: str, module: str, example: str) -> str:
    """Write the project's README."""
    return _README.format(title=title, module=module, example=example)

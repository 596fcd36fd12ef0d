"""Customers of a report in a new project: those of the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.cli.output import print_status
from churnkit.core.translation import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel
    from churnkit.core.project import Project

__all__ = ["read_training_rows"]


def read_training_rows(
    model: RetentionModel, project: Project
) -> tuple[Any, Mapping[str, Any], str]:
    """Return the training data of a model as customers, or as raw tables, and a note on them.

    Parameters
    ----------
    model
        The model, registered under the name of its recipe.
    project
        Project with the recipe.
    """
    from churnkit.insights.table_layouts import LAYOUTS
    from churnkit.pipeline.recipe import load_recipe
    from churnkit.pipeline.training.data.dataset import read_training_table

    file = project.root / "training" / f"{model.name}.py"
    if not file.is_file():
        return None, {}, ""
    recipe = load_recipe(file)
    source = _("its recipe's tables") if callable(recipe.data) else str(recipe.data)
    print_status(
        _("no customers named: the report uses the training data ({source})", source=source)
    )
    rows = _latest_rows(read_training_table(recipe, project.root), model)
    tables = {}
    if recipe.timeline is not None and callable(recipe.data):
        raw = recipe.data()
        tables = {name: raw[name] for name in LAYOUTS if name in raw}
    note = _(
        "This report uses the training data ({source}), which the model has learned from: its "
        "scores are closer to the outcome there than for new customers. To report on current "
        "customers, name their file: churnkit report customers.csv",
        source=source,
    )
    return rows, tables, note


def _latest_rows(table: pa.Table, model: RetentionModel) -> pa.Table:
    """Return the latest row of each customer of a table with dates."""
    as_of, entity = model.contract.as_of, model.contract.entity.name
    if as_of is None or as_of.name not in table.column_names:
        return table
    rows = table.select([entity, as_of.name]).to_pandas().reset_index(drop=True)
    latest = rows.sort_values(as_of.name, kind="stable").drop_duplicates(entity, keep="last")
    return table.take(sorted(latest.index.tolist()))

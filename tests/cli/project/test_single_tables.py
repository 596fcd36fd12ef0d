"""The reading of single tables by ``churnkit init``, compared with that of pandas."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.contracts.contract import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.arrow_columns import ParsedTable, complete_keys
from churnkit.contracts.validation.labels import encode_label
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.scaffold import create_project
from churnkit.pipeline.training.data.dataset import read_training_table
from churnkit.pipeline.training.data.row_filters import leave_out_rows
from tests.cli.project.single_tables import TABLES, WORKBOOKS


def training_rows(recipe, root):
    """Read the rows that are trained on: the label, and the numbers of each feature."""
    contract = Contract.from_schema(recipe.schema)
    table = complete_keys(read_training_table(recipe, root), contract)
    table, _ = leave_out_rows(contract, table, recipe.leave_out)
    parsed = ParsedTable(table)
    contract = learn_levels(contract, parsed)
    features = TableEncoder(contract).encode(parsed).features
    numbers = {column.name: features[:, i] for i, column in enumerate(contract.features)}
    return encode_label(contract, parsed)[0], numbers


@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_a_table_is_read_right_or_drafted_with_a_question(make, tmp_path):
    if make in WORKBOOKS:
        pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    case = make(tmp_path)
    drafted = create_project(tmp_path / "project", [case.path])
    roles = {column.name: column.role for column in drafted.columns}
    labels = (case.label,) if isinstance(case.label, str) else case.label
    assert roles[case.entity] == "entity"
    assert "label" in {roles[name] for name in labels}
    assert [name for name in case.out if roles.get(name) == "feature"] == []
    assert [n for n in (*case.features, *case.numbers) if roles[n] != "feature"] == []
    if case.question:
        assert len(drafted.questions) == 1
        assert case.question in drafted.questions[0]
        return
    assert (drafted.questions, drafted.notes) == ((), ())
    project = tmp_path / "project"
    left, numbers = training_rows(
        load_recipe(project / "training" / f"{drafted.recipe}.py"), project
    )
    np.testing.assert_array_equal(left.astype(bool), case.left)
    for name, expected in case.numbers.items():
        read = numbers[name]
        np.testing.assert_allclose(read, expected[: len(read)], rtol=1e-9)

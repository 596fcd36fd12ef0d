"""Rows of a sheet that are read, and rows of descriptions below its header that are not."""

from __future__ import annotations

import pandas as pd
import pytest

from churnkit.core.io.formats.excel import describe_sheet
from churnkit.core.io.table_sources import read_table

pytest.importorskip("openpyxl")


@pytest.mark.parametrize("blank", [0, 2])
def test_the_row_of_descriptions_of_a_sheet_is_named(tmp_path, blank):
    header = ["id", "plan", "months", "fee", "tickets"]
    units = [None, None, "months", "EUR", "count"]
    customers = [[f"K{n}", "ab"[n % 2], n + 1, n / 2, n % 3] for n in range(6)]
    path = tmp_path / "t.xlsx"
    rows = [header, *([[None] * 5] * blank), units, *customers]
    pd.DataFrame(rows).to_excel(path, index=False, header=False)
    sheet = describe_sheet(path, "Sheet1", name="t.xlsx")
    assert sheet.sentences() == [
        f"descriptions of the columns below the header skipped (row {2 + blank})"
    ]
    assert read_table(path)["id"].to_pylist() == [row[0] for row in customers]


@pytest.mark.parametrize(
    "first",
    [
        ["K99", "c", "error", "free", "trial"],
        ["ann", "c", "#N/A", "#DIV/0!", "#REF!"],
        ["ann", "c", "unknown", "n/a", "none"],
    ],
)
def test_a_first_customer_of_a_sheet_without_numbers_is_read(tmp_path, first):
    header = ["id", "plan", "months", "fee", "tickets"]
    customers = [first, *([f"K{n}", "ab"[n % 2], n + 1, n / 2, n % 3] for n in range(6))]
    path = tmp_path / "t.xlsx"
    pd.DataFrame([header, *customers]).to_excel(path, index=False, header=False)
    assert read_table(path)["id"].to_pylist() == [row[0] for row in customers]

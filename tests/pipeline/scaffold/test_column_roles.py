import pyarrow as pa
import pytest

from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import draft_column


@pytest.mark.parametrize("name", ["_fivetran_synced", "_airbyte_extracted_at", "_sdc_batched_at"])
def test_columns_of_loaders_are_no_features(name):
    times = [f"2026-11-{day:02d}" for day in range(1, 25)]
    column = draft_column(profile_column(name, pa.chunked_array([times])))
    assert (column.role, column.review) == (
        "ignore",
        "was added by the program that loaded the table",
    )

"""Rows taken out of files: those alone, whole or not at all."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.batch.io.delete_rows import erase_rows
from churnkit.errors import ChurnkitError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["ann", "bob", 'c"d']), TEXT), max_size=12))
def test_all_other_csv_records_stay_byte_for_byte(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("csv") / "a.csv"

    def text(kept):
        stream = io.StringIO()
        # With this line end Python quotes both of its characters, as RFC 4180 asks.
        csv.writer(stream, lineterminator="\r\n").writerows([("id", "note"), *kept])
        return stream.getvalue().encode()

    file.write_bytes(text(rows))
    found = erase_rows(file, {"bob"}, column="id")
    kept = [row for row in rows if row[0] != "bob"]
    assert found == len(rows) - len(kept)
    assert file.read_bytes() == text(kept)
    assert erase_rows(file, {"bob"}, column="id") == 0


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["ann", "bob", None, " bob "]),
        pa.array(["ann", "bob", None, " bob "]).dictionary_encode(),
        pa.array([1, 17, None, 17]),
    ],
)
def test_parquet_keeps_its_schema_and_row_groups(tmp_path, ids):
    file = tmp_path / "a.parquet"
    table = pa.table({"id": ids, "x": pa.array([Decimal("1.5")] * 4)})
    table = table.replace_schema_metadata({"made": "by us"})
    pq.write_table(table, file, row_group_size=2)
    wanted = {"bob"} if not pa.types.is_integer(ids.type) else {"17"}
    assert erase_rows(file, wanted, column="id", dry_run=True) == 2
    assert pq.read_table(file).equals(table)
    assert erase_rows(file, wanted, column="id") == 2
    left = pq.read_table(file)
    assert left.schema.equals(table.schema, check_metadata=True)
    assert left["x"].to_pylist() == [Decimal("1.5")] * 2
    assert left["id"].to_pylist() == [ids[0].as_py(), None]


def test_without_a_column_any_value_counts(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("x,who\n1,ann\n2,bob\n")
    assert erase_rows(file, {"bob"}) == 1
    assert file.read_text() == "x,who\n1,ann\n"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.csv", b"x,y\n1,2\n", "cannot be read or written and was not changed"),
        ("a.csv", b"id\n\xff\n", "cannot be read or written"),
        ("a.parquet", b"no", "cannot be read or written"),
        ("a.xlsx", b"{}", "can be erased from .parquet, .csv"),
        ("a.jsonl", b"[{", "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_read_is_named_and_left(tmp_path, name, data, says):
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(ChurnkitError, match=says) as caught:
        erase_rows(file, {"bob"}, column="id")
    assert str(file) in str(caught.value)
    assert file.read_bytes() == data
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_parquet_file_without_the_column_is_refused_as_a_csv_file_is(tmp_path):
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"who": ["bob"]}), file)
    with pytest.raises(ChurnkitError, match="cannot be read or written and was not changed"):
        erase_rows(file, {"bob"}, column="id")


def test_a_full_disk_leaves_the_file(tmp_path, monkeypatch):
    file = tmp_path / "a.csv"
    file.write_text("id\nann\nbob\n")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("churnkit.core.io.atomic_write.os.fsync", full)
    with pytest.raises(ChurnkitError, match="was not changed"):
        erase_rows(file, {"bob"}, column="id")
    assert file.read_text() == "id\nann\nbob\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]

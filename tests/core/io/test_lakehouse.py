"""The files of a Delta table are read one by one, with the rows that deltalake reads at once."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from churnkit.core.io.formats.lakehouse import delta_files
from churnkit.core.io.source_files import TableFiles
from churnkit.core.io.table_sources import open_source, read_all
from churnkit.errors import ChurnkitError

deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")


def customers(ids, **columns):
    count = len(ids)
    regions = ["north", "a b/ü%", None, "x=y"]
    days = pa.array(range(count), pa.int32()).cast(pa.date32())
    return pa.table(
        {
            "id": ids,
            "region": [regions[row % 4] for row in range(count)],
            "day": days,
            "spend": [float(row) for row in range(count)],
            **columns,
        }
    )


@pytest.fixture
def folder(tmp_path):
    """Table in partitions with a column that was added later, and deleted rows."""
    path = str(tmp_path / "a lake")
    first = customers(["a", "b", "c", "d", "e", "f"])
    deltalake.write_deltalake(path, first, partition_by=["region"])
    later = customers(["g", "h", "i", "j"], visits=[1, 2, 3, 4])
    deltalake.write_deltalake(path, later, mode="append", schema_mode="merge")
    deltalake.DeltaTable(path).delete("id = 'b'")
    return path


def by_id(table):
    return table.take(pc.sort_indices(table["id"])).to_pylist()


def test_the_files_have_the_rows_and_columns_of_the_table(folder):
    files = delta_files(folder, name=folder)
    assert isinstance(files, TableFiles)
    assert len(files.files) >= 4
    whole = read_all(open_source(folder))
    assert files.columns == tuple(whole.column_names)
    assert {file.columns for file in files.files} == {files.columns}
    assert by_id(read_all(files)) == by_id(whole)
    assert [row["id"] for row in by_id(whole)] == list("acdefghij")
    assert [row["visits"] for row in by_id(whole)][-5:] == [None, 1, 2, 3, 4]
    # Only a partition and a column that the first file lacks.
    read = [table for file in files.files for table in file.batches(["visits", "region"])]
    assert sum(table.num_rows for table in read) == 9


def edit_log(folder, change):
    """Change the newest entry of the log."""
    newest = max((folder / "_delta_log").glob("*.json"))
    entries = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
    for entry in entries:
        change(entry)
    newest.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")


@pytest.mark.parametrize("feature", ["deletionVectors", "columnMapping"])
def test_a_feature_by_which_files_differ_from_the_table_is_refused_by_name(tmp_path, feature):
    deltalake.write_deltalake(str(tmp_path), customers(["a", "b"]))

    def change(entry):
        if "protocol" in entry:
            entry["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": [feature],
                "writerFeatures": [feature],
            }
        if "metaData" in entry and feature == "columnMapping":
            entry["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
            schema = json.loads(entry["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": f"stored-{number}",
                }
            entry["metaData"]["schemaString"] = json.dumps(schema)

    edit_log(tmp_path, change)
    with pytest.raises(ChurnkitError, match=f"with the feature {feature}.*DROP FEATURE {feature}"):
        open_source(tmp_path)
    with pytest.raises(ChurnkitError, match=f"with the feature {feature}"):
        delta_files(str(tmp_path), name="lake")


def test_files_outside_of_the_folder_are_left_to_deltalake(tmp_path):
    deltalake.write_deltalake(str(tmp_path), customers(["a", "b"]))

    def change(entry):
        if "add" in entry:
            entry["add"]["path"] = str(tmp_path / entry["add"]["path"])

    edit_log(tmp_path, change)
    assert delta_files(str(tmp_path), name="lake") is None

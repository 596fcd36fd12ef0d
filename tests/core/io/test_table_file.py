"""Tables as people write them: read whole, or refused without quoting a row."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.core.io import table_file
from churnkit.core.io.table_file import open_table, read_table
from churnkit.errors import ChurnkitError, DataError

ROWS = [{"id": "1", "note": "schön"}, {"id": "2", "note": 'a "b"\nc, d'}, {"id": "3", "note": ""}]


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class TestRead:
    """The ways to write one table."""

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_every_delimiter_encoding_and_line_end(self, write, delimiter, encoding, line_end):
        text = line_end.join(
            [
                f"id{delimiter}note",
                f"1{delimiter}schön",
                f'2{delimiter}"a ""b""\nc, d"',
                f"3{delimiter}",
            ]
        )
        assert read_table(write((text + line_end).encode(encoding))).to_pylist() == ROWS

    def test_a_letter_outside_ascii_far_down_decides_the_encoding(self, write):
        content = b"id,note\n" + b"1,a\n" * 400_000 + "2,schön\n".encode("latin-1")
        table = read_table(write(content))
        assert table.num_rows == 400_001
        assert table["note"][-1].as_py() == "schön"

    def test_blank_lines_are_no_rows(self, write):
        table = read_table(write("\n\nid,note\n1,a\n\n2,b\n\n\n"))
        assert table.to_pylist() == [{"id": "1", "note": "a"}, {"id": "2", "note": "b"}]

    def test_text_stays_text(self, write):
        table = read_table(write("id,note\n007,NA\n1e5,null\n"))
        assert table.to_pylist() == [{"id": "007", "note": "NA"}, {"id": "1e5", "note": "null"}]

    def test_a_bare_quote_within_a_field_is_a_letter(self, write):
        assert read_table(write('id,note\n1,5" pipe\n2,b\n')).num_rows == 2

    @pytest.mark.parametrize("content", ["id,note", "id,note\n", "\ufeffid,note\r\n"])
    def test_a_header_alone_is_a_table_without_rows(self, write, content):
        table = read_table(write(content))
        assert table.column_names == ["id", "note"]
        assert table.num_rows == 0

    def test_columns_come_in_the_asked_order_or_the_files(self, write, tmp_path):
        path = write("a,b,c\n1,2,3\n")
        parquet = tmp_path / "t.parquet"
        pq.write_table(pcsv.read_csv(path), parquet)
        for file in (path, parquet):
            (table,) = open_table(file).batches(["c", "a"])
            assert table.column_names == ["c", "a"]
            assert read_table(file, columns=["c", "a", "z"]).column_names == ["a", "c"]

    def test_batches_are_as_large_as_asked_and_complete(self, write, monkeypatch, tmp_path):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 7)
        path = write("id,note\n" + "".join(f"{place},x\n" for place in range(50)))
        pq.write_table(read_table(path), tmp_path / "t.parquet")
        for file in (path, tmp_path / "t.parquet"):
            batches = list(open_table(file).batches())
            assert len(batches) == 8
            assert max(batch.num_rows for batch in batches) == 7
            assert pa.concat_tables(batches)["id"].to_pylist() == [str(p) for p in range(50)]

    def test_reading_is_lazy(self, write, monkeypatch):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 2)
        reader = open_table(write("id,note\n" + "1,x\n" * 10)).batches()
        assert next(reader).num_rows == 2


class TestRefused:
    """Whatever cannot be read whole."""

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_file(self, write, content):
        with pytest.raises(ChurnkitError, match="the table is empty") as caught:
            open_table(write(content))
        # No contract exists before the columns are known.
        assert "contract" not in str(caught.value)

    def test_an_empty_parquet_file(self, write):
        with pytest.raises(ChurnkitError, match="cannot be read as Parquet"):
            open_table(write("", "t.parquet"))

    @pytest.mark.parametrize("name", ["t.parquet", "t.pq"])
    def test_a_file_of_another_kind(self, write, name):
        with pytest.raises(ChurnkitError, match="cannot be read as Parquet") as caught:
            open_table(write("canary,canary\n" * 10, name))
        assert "canary" not in str(caught.value)

    @pytest.mark.parametrize("name", ["t.xlsx", "t", "t.json"])
    def test_an_ending_that_is_none(self, write, name):
        with pytest.raises(ChurnkitError, match=r"a table is a \.csv"):
            open_table(write("a", name))

    def test_a_folder_and_no_file(self, tmp_path):
        with pytest.raises(ChurnkitError, match="is a folder"):
            open_table(tmp_path)
        with pytest.raises(ChurnkitError, match="does not exist"):
            open_table(tmp_path / "none.csv")

    def test_a_lost_header_is_not_quoted(self, write):
        with pytest.raises(DataError, match="column 1 appears more than once") as caught:
            open_table(write("canary,canary,17\n"))
        assert "canary" not in str(caught.value)
        assert "if the first line is a row, write the names above it" in str(caught.value)

    def test_a_column_named_twice(self, write, tmp_path):
        with pytest.raises(DataError, match=r"column 'a' appears more than once: .* own name$"):
            open_table(write("a,b,a\n1,2,3\n"))
        twice = pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"])
        pq.write_table(twice, tmp_path / "t.parquet")
        with pytest.raises(DataError, match="column 'a' appears more than once"):
            open_table(tmp_path / "t.parquet")

    @pytest.mark.parametrize("row", ["canary", "canary,2,3", "canary,2,3,4,5"])
    def test_a_ragged_row_is_counted_and_not_quoted(self, write, row):
        path = write(f"a,b\n1,2\n{row}\n3,4\n")
        with pytest.raises(ChurnkitError, match=r"a row has . fields? where the header has 2") as e:
            read_table(path)
        assert "canary" not in str(e.value)

    def test_a_quote_that_nobody_closes_swallows_no_rows(self, write):
        path = write('a,b\n1,2\n3,"canary\n' + "4,5\n" * 1000)
        with pytest.raises(ChurnkitError, match="a double quote is not closed") as e:
            read_table(path)
        assert "canary" not in str(e.value)
        with pytest.raises(ChurnkitError, match="not closed"):
            read_table(path, columns=["a"])

    def test_a_parquet_file_that_was_cut_off(self, tmp_path):
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"a": list(range(1000))}), path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ChurnkitError, match="damaged, truncated"):
            open_table(path)

    def test_a_parquet_page_that_was_changed(self, tmp_path):
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"a": list(range(1000))}), path, compression="zstd")
        content = path.read_bytes()
        path.write_bytes(content[:20] + bytes(40) + content[60:])
        with pytest.raises(ChurnkitError, match="cannot be read"):
            read_table(path)

    def test_bytes_that_are_no_text_at_all(self, write):
        with pytest.raises((ChurnkitError, DataError)):
            read_table(write(bytes(range(256)) * 50))

    def test_a_field_without_end_in_the_header(self, write):
        with pytest.raises(ChurnkitError, match="cannot be read as CSV"):
            open_table(write('"' + "canary" * 100_000))

    def test_half_a_utf16_letter(self, write):
        with pytest.raises(ChurnkitError, match="cannot be read as CSV"):
            read_table(write("a,b\n1,2\n".encode("utf-16") + b"\x00"))


def test_the_compression_of_a_name_in_capitals_is_recognized(tmp_path):
    file = tmp_path / "CUSTOMERS.CSV.GZ"
    file.write_bytes(gzip.compress(b"id,plan\n1,a\n2,b\n"))
    expected = [{"id": "1", "plan": "a"}, {"id": "2", "plan": "b"}]
    assert read_table(file).to_pylist() == expected
    rows = open_table(file).dataset().to_table().to_pylist()
    assert [{name: str(value) for name, value in row.items()} for row in rows] == expected

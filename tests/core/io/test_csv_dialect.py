"""The dialect of CSV files as spreadsheets and databases write them."""

from __future__ import annotations

import pytest

from churnkit.core.io.csv_dialect import detect_dialect
from churnkit.core.io.table_file import read_table


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        ('"id";"Umsatz, netto"\n1;2\n', ";", ("id", "Umsatz, netto")),
        ('"id";"a, b, c"\n1;2\n', ";", ("id", "a, b, c")),
        ("id;Umsatz, netto, brutto\n1;2\n", ";", ("id", "Umsatz, netto, brutto")),
        ('id,"name; first, last",city\n1,x,y\n', ",", ("id", "name; first, last", "city")),
        ('"id"\t"a;b;c"\n1\t2\n', "\t", ("id", "a;b;c")),
        ("id|note\n1|a, b; c\n", "|", ("id", "note")),
        ("id;amount\n1;5,20\n2;7,10\n", ";", ("id", "amount")),
        ('id,"two\nlines; of text"\n1,2\n', ",", ("id", "two\nlines; of text")),
        ("note\nhello; world, again\nand; again\n", ",", ("note",)),
        ("a,b,c\n1,2\n", ",", ("a", "b", "c")),
    ],
)
def test_the_delimiter_is_found_outside_of_quotes(write, text, delimiter, columns):
    dialect = detect_dialect(write(text))
    assert (dialect.delimiter, dialect.columns) == (delimiter, columns)


def test_windows_1252_is_read_with_its_quotes_dashes_and_euro_sign(write):
    text = "id,note\n1,“curly” — 5 € … Šárka\n"
    path = write(text, "cp1252")
    assert detect_dialect(path).encoding == "cp1252"
    assert read_table(path)["note"].to_pylist() == ["“curly” — 5 € … Šárka"]


def test_a_byte_that_windows_1252_lacks_is_read_as_latin_1(write):
    path = write(b"id,note\n1,sch\xf6n \x81\n")
    assert detect_dialect(path).encoding == "latin-1"
    assert read_table(path)["note"].to_pylist() == ["schön \x81"]


def test_utf_8_that_contains_such_bytes_stays_utf_8(write):
    path = write("id,note\n1,Í Ð\n")
    assert detect_dialect(path).encoding == "utf8"

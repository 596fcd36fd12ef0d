"""The dialect of CSV files as spreadsheets and databases write them."""

from __future__ import annotations

import pytest

from churnkit.core.io.csv.dialect import detect_dialect
from churnkit.core.io.table_file import open_table, read_table
from churnkit.errors import ChurnkitError


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


ROWS = "".join(f"c{n},{n % 7},{n % 2}\n" for n in range(12))
HEADER = "id,visits,churn\n"


def read(path):
    return read_table(path).to_pydict()


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("Customer export 2025-01-31\n", 1),
        ("Customer export 2025-01-31,,\n,,\n", 2),
        ("\nReport\n\n", 3),
        ('"Exported for A, B"\nFilter: all\n', 2),
    ],
)
def test_title_lines_above_the_header_are_skipped(write, title, lines):
    path = write(title + HEADER + ROWS)
    dialect = detect_dialect(path)
    assert dialect.columns == ("id", "visits", "churn")
    assert dialect.skip_lines == lines
    assert "above the header skipped" in dialect.notes[0]
    assert read(path) == read(write(HEADER + ROWS))


def test_key_value_lines_above_a_wide_header_are_skipped(write):
    rows = "".join(f"c{n};{n};{n};{n};{n % 2}\n" for n in range(9))
    path = write(f"Report;Customers\nDate;2025-01-31\n\nid;a;b;d;churn\n{rows}")
    assert detect_dialect(path).columns == ("id", "a", "b", "d", "churn")
    assert read_table(path).num_rows == 9


def test_a_header_that_is_followed_by_few_rows_is_kept(write):
    path = write("note\nid,visits\nc1,2\n")
    assert detect_dialect(path).skip_lines == 0


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (",id,visits\n0,c1,5\n1,c2,6\n", ("id", "visits")),
        ("id,visits,,\nc1,5,,\nc2,6,,\n", ("id", "visits")),
        ("id,visits\nc1,5,\nc2,6,\n", ("id", "visits")),
        ("id, ,visits\nc1,,5\nc2,,6\n", ("id", "visits")),
    ],
)
def test_columns_without_a_name_are_not_read(write, text, columns):
    path = write(text)
    dialect = detect_dialect(path)
    assert dialect.columns == columns
    assert "without a name" in dialect.notes[0]
    assert read(path) == {"id": ["c1", "c2"], "visits": ["5", "6"]}


@pytest.mark.parametrize(
    "footer",
    [
        "Total,36,6\n",
        "Grand Total:,36,\n",
        ",,\n,,\n",
        "Summe,36,6\n,,\n",
        "\nExported by the billing system\n",
        "Summe,36,6\nExport erstellt von: Verwaltung,,\n",
        "Total,36,6\nStand: Export 2024,,\n",
        "(12 rows)\n",
        '\n"Copyright (c) 2025, all rights reserved"\n',
    ],
)
def test_totals_blank_rows_and_remarks_at_the_end_are_not_read(write, footer):
    expected = read(write(HEADER + ROWS))
    path = write(HEADER + ROWS + footer)
    assert read(path) == expected
    assert "at the end not read" in detect_dialect(path).notes[0]
    assert open_table(path).dataset().to_table().to_pydict() == expected


def test_a_truncated_last_row_is_no_remark(write):
    path = write(HEADER + ROWS + "c99")
    assert not detect_dialect(path).footer_lines
    with pytest.raises(ChurnkitError, match="a row has 1 fields where the header has 3"):
        read_table(path)


def test_a_customer_called_total_in_the_middle_is_kept(write):
    path = write(HEADER + "Total,3,0\n" + ROWS)
    assert read(path)["id"][0] == "Total"


def test_a_quoted_text_of_several_lines_is_no_footer(write):
    path = write('id,visits,note\nc1,2,"one\ntwo\n\nExported by hand"\n')
    assert read(path)["note"] == ["one\ntwo\n\nExported by hand"]


def test_the_separator_line_of_a_spreadsheet_states_the_delimiter(write):
    path = write("sep=;\nid;amount, net\nc1;2\nc2;3\n")
    assert read(path) == {"id": ["c1", "c2"], "amount, net": ["2", "3"]}


@pytest.mark.parametrize(
    ("encoding", "header", "cell"),
    [
        ("utf-16", "Straße", "Köln"),
        ("utf-16-le", "Straße", "Köln"),
        ("utf-8-sig", "Straße", "Köln"),
        ("cp1252", "prix “net” €", "Évry"),
        ("cp932", "解約", "東京都の顧客"),
        ("cp932", "入会日,状態", "2024年1月5日,継続"),
        ("gb18030", "日期,状态", "2024年1月5日,正常"),
        ("cp1250", "Opłata", "Sąsiadująca łódź"),
        ("cp1252", "Verbrauch m³", "5 m³ ¿qué?"),
        ("cp1251", "Город", "Новосибирск"),
    ],
)
def test_the_encoding_is_detected(write, encoding, header, cell):
    rows = "".join(f"{n},{cell}\n" for n in range(20))
    path = write(f"id,{header}\n{rows}", encoding)
    names, cells = header.split(","), cell.split(",")
    assert [read(path)[name] for name in names] == [[one] * 20 for one in cells]


def test_an_encoding_that_was_chosen_by_frequency_is_not_certain(write):
    path = write("id,Город\n" + "".join(f"{n},Новосибирск\n" for n in range(20)), "cp1251")
    assert not detect_dialect(path).is_certain
    assert detect_dialect(write("id,city\n1,Köln\n", "cp1252")).is_certain


def test_a_stated_dialect_is_used(write):
    path = write("id,a;b\n1,2;3\n".encode("cp1250"))
    dialect = detect_dialect(path, delimiter=";", encoding="cp1250")
    assert (dialect.columns, dialect.encoding) == (("id,a", "b"), "cp1250")


def test_a_large_file_loses_only_its_footer(tmp_path):
    path = tmp_path / "large.csv"
    rows = "".join(f"customer {n},{n}\n" for n in range(700_000))
    path.write_text(f"id,visits\n{rows}Total,5\n")
    table = read_table(path)
    assert table.num_rows == 700_000
    assert table["id"][-1].as_py() == "customer 699999"


ALIGNED = ["  id      date  amount", *(f" {n:05d} 1997010{n}   {n}1.77" for n in range(1, 7))]


def test_columns_that_are_aligned_with_spaces_are_read(write):
    file = write("\n".join(ALIGNED))
    table = open_table(file)
    assert str(table.dialect) == "UTF-8, delimited by spaces"
    assert table.columns == ("id", "date", "amount")
    rows = read_table(file).to_pylist()
    assert len(rows) == 6
    assert rows[0] == {"id": "00001", "date": "19970101", "amount": "11.77"}


def test_aligned_columns_with_a_missing_cell_are_refused(write):
    file = write("\n".join([*ALIGNED, *ALIGNED[1:] * 30, " 00007 19970107"]))
    with pytest.raises(ChurnkitError, match="a row has 2 fields where the header has 3"):
        read_table(file)


def test_words_in_one_column_are_not_split(write):
    file = write("name\n" + "Ann Smith\n" * 9)
    assert open_table(file).columns == ("name",)


@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_a_file_without_a_header_has_columns_named_by_their_position(write, delimiter):
    file = write(
        "\n".join(line.strip() for line in ALIGNED[1:])
        .replace("   ", delimiter)
        .replace(" ", delimiter)
    )
    table = open_table(file)
    assert table.columns == ("column 1", "column 2", "column 3")
    assert table.dialect is not None
    assert "no header" in table.dialect.notes[0]
    assert read_table(file)["column 3"].to_pylist()[:2] == ["11.77", "21.77"]


def test_years_are_a_header(write):
    assert open_table(write("2019,2020,2021\n" + "5,6,7\n" * 9)).columns == ("2019", "2020", "2021")


TYPED = [["C1", "a", "3", "4.5", "1"], ["C2", "b", "5", "2.5", ""], ["C3", "a", "1", "9", "2"],
        ["C4", "b", "2", "8", "4"], ["C5", "a", "7", "1", "3"]]  # fmt: skip
TYPED_HEADER = ["id", "plan", "months", "fee", "tickets"]


def text_of(*rows):
    return "".join(f"{';'.join(row)}\n" for row in rows)


@pytest.mark.parametrize(
    "below",
    [
        [
            "Customer's id",
            "Plan of the contract",
            "Months since it began",
            "Fee",
            "Tickets, 90 days",
        ],
        ["", "", "months", "EUR", "count"],
        ["text", "text", "integer", "decimal", "whole number"],
    ],
)
def test_descriptions_and_units_below_the_header_are_not_read(write, below):
    path = write(text_of(TYPED_HEADER, below, *TYPED))
    assert detect_dialect(path).notes == (
        "descriptions of the columns below the header skipped (line 2)",
    )
    assert [list(row.values()) for row in read_table(path).to_pylist()] == TYPED
    assert open_table(path).dataset().to_table().num_rows == len(TYPED)


@pytest.mark.parametrize(
    "first",
    [
        ["C0", "a", "n/a", "n/a", "n/a"],  # the values of a customer that are missing
        ["C0", "a", "none", "unknown", "missing"],  # its plan recurs
        ["C0", "c", "unknown", "free", "1"],  # a number
        ["C0", "c", "unknown", "free", ""],  # two texts above numbers
        ["C0", "c", "error", "free", "trial"],  # an id as the ids below
        ["alice", "c", "#N/A", "#DIV/0!", "#REF!"],
        ["alice", "c", "unknown", "n/a", "none"],
        ["alice", "c", "NaN", "-", "null"],
    ],
)
def test_a_first_customer_without_numbers_is_read(write, first):
    assert read_table(write(text_of(TYPED_HEADER, first, *TYPED))).num_rows == len(TYPED) + 1


@pytest.mark.parametrize(
    "ids",
    [
        [f"{n:08x}-29b0-41d4-a716-4466554400{n:02x}" for n in range(1_000, 1_006)],
        [f"{name}@example.org" for name in ("ann", "bob", "carla", "dan", "eve", "fay")],
    ],
)
def test_a_first_customer_with_an_id_of_letters_is_read(write, ids):
    others = [[key, *row[1:]] for key, row in zip(ids[1:], TYPED, strict=True)]
    first = [ids[0], "c", "error", "free", "trial"]
    assert read_table(write(text_of(TYPED_HEADER, first, *others))).num_rows == len(TYPED) + 1


UNITS = ["", "", "months", "EUR", "count"]


@pytest.mark.parametrize("blank", ["\n", "\n\n", "\r\n"])
@pytest.mark.parametrize("after", ["", "\n"])
@pytest.mark.parametrize("title", ["", "Customers of 2026\n\n"])
def test_blank_lines_around_descriptions_are_no_rows(write, blank, after, title):
    above = title + text_of(TYPED_HEADER) + blank
    path = write(above + text_of(UNITS) + after + text_of(*TYPED))
    notes = detect_dialect(path).notes
    assert notes[-1].endswith(f"skipped (line {above.count(chr(10)) + 1})")
    assert [list(row.values()) for row in read_table(path).to_pylist()] == TYPED
    assert open_table(path).dataset().to_table().num_rows == len(TYPED)


def test_descriptions_of_several_lines_are_not_read(write):
    below = ["Id", "Plan", '"Months\nsince it began"', "Fee", "Tickets"]
    path = write(text_of(TYPED_HEADER, below, *TYPED))
    assert [list(row.values()) for row in read_table(path).to_pylist()] == TYPED


@pytest.mark.parametrize("first", [["C0", "a", "1"], ["C0", "a", "1", "2", "3", "4"]])
def test_a_ragged_row_above_descriptions_is_refused(write, first):
    with pytest.raises(ChurnkitError, match=rf"{len(first)}"):
        read_table(write(text_of(TYPED_HEADER, first, UNITS, *TYPED)))


def test_descriptions_of_aligned_columns_are_not_read_after_a_blank_line(write):
    rows = [[f"{n}", f"{n + 2}", f"{n % 3}"] for n in range(1, 9)]
    lines = ["months  fee  tickets", "", "count   EUR  number", *("   ".join(row) for row in rows)]
    path = write("\n".join(lines))
    assert [list(row.values()) for row in read_table(path).to_pylist()] == rows


@pytest.mark.parametrize("character", "-1b")
def test_a_long_text_below_the_header_is_read_in_linear_time(write, character):
    """Backtracking over 100,000 characters for each of them takes minutes."""
    text = character * 100_000 + "x"
    rows = "".join(f"{number},plan {number}\n" for number in range(10))
    table = read_table(write(f"id,note\n,{text}\n{rows}"))
    assert table["note"].to_pylist()[:2] == [text, "plan 0"]


def test_a_line_of_dashes_below_the_header_is_not_read(write):
    table = read_table(write("id | note\n---+-----\n1 | a\n2 | b\n3 | c\n4 | d\n5 | e\n"))
    assert [text.strip() for text in table["id"].to_pylist()] == list("12345")


@pytest.mark.parametrize(("title", "line"), [("", 5), ("Export of customers\n\n", 7)])
def test_a_row_of_another_width_is_named_by_its_line(tmp_path, title, line):
    file = tmp_path / "customers.csv"
    file.write_text(f"{title}id,plan,visits\n1,a,2\n\n3,b,4\n5,c\n" + "6,a,1\n" * 5)
    with pytest.raises(ChurnkitError, match=rf"customers.csv, line {line}: a row has 2 fields"):
        read_table(file)


@pytest.mark.parametrize(
    ("sign", "shown"), [("\x01", "'\\x01'"), ("\x1f", "'\\x1f'"), ("^", "'^'")]
)
def test_signs_that_may_separate_fields_are_named(tmp_path, sign, shown):
    file = tmp_path / "customers.csv"
    file.write_text("id,plan,visits\n1,a,2\n2,b,3\n".replace(",", sign))
    with pytest.raises(ChurnkitError) as caught:
        read_table(file)
    assert f"{shown} separates its fields" in str(caught.value)

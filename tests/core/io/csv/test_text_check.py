"""Double quotes that enclose rows are refused by their line; texts of several lines are read."""

from __future__ import annotations

import pytest

from churnkit.core.io.csv import encoding
from churnkit.core.io.table_file import read_table
from churnkit.errors import ChurnkitError

ROWS = [f"K{number},basic,ok,{number}\n" for number in range(40)]


@pytest.fixture
def write(tmp_path):
    def write(changes, *, encoding="utf-8", delimiter=","):
        lines = ["id,plan,note,visits\n", *ROWS]
        for row, text in changes.items():
            lines[row + 1] = text
        file = tmp_path / "customers.csv"
        file.write_bytes("".join(lines).replace(",", delimiter).encode(encoding))
        return file

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("last", [10, 19, 39])
def test_two_quotes_that_enclose_rows_are_refused(write, encoding, delimiter, last):
    open_quote = {row: f'K{row},basic,"größe,{row}\n' for row in (9, last)}
    with pytest.raises(ChurnkitError, match=r"row of line 11 is not closed") as caught:
        read_table(write(open_quote, encoding=encoding, delimiter=delimiter))
    assert "größe" not in str(caught.value)


def test_rows_of_a_quote_that_lies_in_two_blocks_are_refused(write, monkeypatch):
    monkeypatch.setattr(encoding, "_CHUNK_BYTES", 256)
    with pytest.raises(ChurnkitError, match="row of line 11 is not closed"):
        read_table(write({9: 'K9,basic,"pipe,9\n', 19: 'K19,basic,"pipe,19\n'}))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('K9,basic,"a\nb, c\n",9\n', "a\nb, c\n"),
        ('K9,basic,"x ""y\nz"" w",9\n', 'x "y\nz" w'),
        ('K9,basic,5" pipe,9\n', '5" pipe'),
        ('K9,basic,"a,",9\n', "a,"),
    ],
)
def test_honest_texts_with_quotes_are_read(write, text, note):
    table = read_table(write({9: text, 10: 'K10,"basic","ok",10\n', 20: text.replace("9", "20")}))
    assert table.num_rows == len(ROWS)
    assert table["note"][9].as_py() == note
    assert table["visits"].to_pylist() == [str(number) for number in range(40)]

"""Files are read with one stated dialect, whatever their rows or names look like."""

from __future__ import annotations

import csv
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import ActiveWithin, Count, Snapshots, Sum, Table, Timeline, build

TABLE = Table("orders", "buyer", happened="at", columns={"amount": "number", "note": "string"})
PLAN = Timeline(
    tables=[TABLE],
    features={"spend": Sum("orders", "amount"), "rows": Count("orders")},
    snapshots=Snapshots(dates=("2025-02-01",)),
    eligible=ActiveWithin("orders", days=90),
)
HEADER = ["buyer", "at", "amount", "note"]


def write_csv(path, rows, header=HEADER, opener=open, **dialect):
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file, **dialect)
        writer.writerows([header, *rows] if header else rows)
    return path


def order(number, note=""):
    return [f"c{number}", "2025-01-10 10:00:00", f"{number % 4 / 4}", note]


def totals(path):
    table = build(PLAN, {"orders": path})
    return table["rows"].to_pylist(), sum(table["spend"].to_pylist())


def by_python(path):
    """The same totals by Python's csv module."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    buyers = sorted({row["buyer"] for row in rows})
    counts = [sum(row["buyer"] == buyer for row in rows) for buyer in buyers]
    return counts, sum(float(row["amount"]) for row in rows)


def test_quotes_far_down_the_file_are_quotes(tmp_path):
    rows = [order(number % 50) for number in range(30_000)]
    rows[25_000:] = [order(number % 50, 'said, "no"\nand left') for number in range(5_000)]
    path = write_csv(tmp_path / "orders.csv", rows)
    assert totals(path) == by_python(path)


@pytest.mark.parametrize("name", ["orders [1].csv", "or*ers.csv", "orders?.csv", "a{b}.csv"])
def test_wildcards_in_a_file_name_are_text(tmp_path, name):
    write_csv(tmp_path / "orders 1.csv", [order(9)])
    write_csv(tmp_path / "orders1.csv", [order(9)])
    path = write_csv(tmp_path / name, [order(1), order(2)])
    assert totals(path) == by_python(path)


@pytest.mark.parametrize("folder", ["amount=77", "buyer=x", "year [2025]"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_folder_of_a_file_adds_no_columns(tmp_path, folder, kind):
    place = tmp_path / folder
    place.mkdir()
    path = write_csv(place / "orders.csv", [order(1), order(2)])
    expected = by_python(path)
    if kind == "parquet":
        with path.open(newline="") as file:
            table = pa.Table.from_pylist(list(csv.DictReader(file)))
        path = place / "orders.parquet"
        pq.write_table(table, path)
    assert totals(path) == expected
    if kind == "parquet":
        (place / "orders.csv").unlink()
        assert totals(place) == expected


def test_apostrophes_around_ids_stay(tmp_path):
    path = write_csv(tmp_path / "orders.csv", [["'c1'", *order(1)[1:]], ["'c2'", *order(2)[1:]]])
    assert build(PLAN, {"orders": path})["buyer"].to_pylist() == ["'c1'", "'c2'"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_gives_the_same_rows(tmp_path, delimiter):
    rows = [order(1, 'a "quoted" note'), order(2, "x,y;z")]
    expected = by_python(write_csv(tmp_path / "expected.csv", rows))
    assert totals(write_csv(tmp_path / "orders.csv", rows, delimiter=delimiter)) == expected


def test_a_compressed_file_is_read(tmp_path):
    rows = [order(1), order(2, "a, b")]
    expected = by_python(write_csv(tmp_path / "expected.csv", rows))
    assert totals(write_csv(tmp_path / "orders.csv.gz", rows, opener=gzip.open)) == expected


@pytest.mark.parametrize("twice", ["amount", "Amount"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "table"])
def test_two_columns_of_one_name_are_refused(tmp_path, twice, kind):
    header = ["buyer", "at", "amount", twice]
    source = write_csv(tmp_path / "orders.csv", [order(1, "2")], header)
    if kind != "csv":
        source = pa.Table.from_arrays([pa.array([value]) for value in order(1, "2")], header)
    if kind == "parquet":
        pq.write_table(source, tmp_path / "orders.parquet")
        source = tmp_path / "orders.parquet"
    with pytest.raises(ChurnkitError, match=r"'[Aa]mount'"):
        build(PLAN, {"orders": source})


def test_a_lost_header_shows_no_customer(tmp_path):
    rows = [["Anna Muster", "2025-01-10 10:00:00", "12.5", "called"], order(2)]
    path = write_csv(tmp_path / "orders.csv", rows, header=None)
    with pytest.raises(ChurnkitError, match="first row looks like data") as refusal:
        build(PLAN, {"orders": path})
    assert not [value for value in rows[0] if value in str(refusal.value)]


def test_a_row_with_too_many_fields_shows_no_customer(tmp_path):
    path = write_csv(tmp_path / "orders.csv", [order(1), [*order(2), "secret"]])
    with pytest.raises(ChurnkitError, match="cannot be read") as refusal:
        build(PLAN, {"orders": path})
    assert "secret" not in str(refusal.value)


def test_an_open_quote_is_refused(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text('buyer,at,amount,note\nc1,2025-01-10,1,"open\nc2,2025-01-11,1,x\n')
    with pytest.raises(ChurnkitError, match="double quote is not closed"):
        build(PLAN, {"orders": path})

import struct
from decimal import Decimal

import pyarrow as pa
import pytest

from churnkit.server import create_app
from churnkit.server.http.arrow_body import ARROW

STREAM = {"content-type": ARROW.decode()}


def stream(table, **settings):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**settings)) as out:
        out.write_table(table, max_chunksize=7)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def members(member):
    return [member(place) for place in range(40)]


def test_a_table_is_answered_as_the_library_answers(ask, model, members):
    answer = ask("/v1/predict", stream(pa.Table.from_pylist(members)), headers=STREAM)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ARROW.decode()
    told = pa.ipc.open_stream(answer.content).read_all()
    expected = [row["churn_probability"] for row in model.predict(members)]
    assert told["churn_probability"].to_pylist() == expected
    assert told["member_id"].to_pylist() == [row["member_id"] for row in members]


@pytest.mark.parametrize(
    "convert",
    [
        lambda n: pa.array([2**63 + k for k in range(n)], pa.uint64()),
        lambda n: pa.array([k.to_bytes(16) for k in range(n)], pa.uuid()),
        lambda n: pa.array([f"m{k}" for k in range(n)], pa.string_view()),
        lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal32(9, 0)),
        lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal64(18, 0)),
        lambda n: pa.RunEndEncodedArray.from_arrays(pa.array([n]), pa.array(["m"])),
        lambda n: pa.array([k % 9 for k in range(n)], pa.float16()),
        lambda n: pa.array([[k] for k in range(n)]),
        lambda n: pa.array([b"m%d" % k for k in range(n)], pa.binary_view()),
    ],
)
@pytest.mark.parametrize("column", ["member_id", "tenure"])
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain", "/v1/recommend"])
def test_columns_of_rare_types_are_never_a_fault(ask, members, path, column, convert):
    table = pa.Table.from_pylist(members)
    values = convert(table.num_rows)
    table = table.set_column(table.column_names.index(column), column, values)
    answer = ask(path, stream(table), headers=STREAM)
    assert answer.status_code in {200, 415, 422}


def test_rows_that_break_a_rule_are_reported_in_place(ask, members):
    members[3]["tenure"] = -1
    answer = ask("/v1/predict", stream(pa.Table.from_pylist(members)), headers=STREAM)
    told = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert told[3]["churn_probability"] is None
    assert told[3]["problem"] == "tenure: ge(0)"
    assert told[4]["problem"] is None


def test_unknown_and_missing_columns_are_named(ask, members):
    table = pa.Table.from_pylist(members)
    strange = table.append_column("colour", pa.array(["red"] * table.num_rows))
    for changed, column, rule in (
        (strange, "colour", "unknown_column"),
        (table.drop_columns(["plan"]), "plan", "missing_column"),
    ):
        answer = ask("/v1/predict", stream(changed), headers=STREAM)
        assert answer.status_code == 422
        [violation] = answer.json()["violations"]
        assert (violation["column"], violation["rule"]) == (column, rule)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compression_inside_is_refused_before_anything_unfolds(ask, members, codec):
    table = pa.Table.from_pylist(members)
    coded = table.set_column(
        table.column_names.index("plan"), "plan", table["plan"].dictionary_encode()
    )
    for one in (table, coded):
        answer = ask("/v1/predict", stream(one, compression=codec), headers=STREAM)
        assert answer.status_code == 415
        assert "compression" in answer.json()["detail"]
    assert ask("/v1/predict", stream(coded), headers=STREAM).status_code == 200


def test_more_rows_or_bytes_than_allowed_are_refused(ask, model, members):
    app = create_app(model, max_arrow_rows=20, max_arrow_bytes=100_000)
    content = stream(pa.Table.from_pylist(members))
    assert ask("/v1/predict", content, headers=STREAM, to=app).status_code == 422
    empty = stream(pa.Table.from_pylist(members).slice(0, 0))
    assert ask("/v1/predict", empty, headers=STREAM, to=app).status_code == 422
    assert ask("/v1/predict", b" " * 200_000, headers=STREAM, to=app).status_code == 413


@pytest.mark.parametrize("place", range(0, 900, 30))
def test_cut_or_changed_bytes_have_a_stated_answer(ask, members, place):
    content = stream(pa.Table.from_pylist(members))
    cut = ask("/v1/predict", content[:place], headers=STREAM)
    assert cut.status_code in {400, 415, 422}
    for value in (0, 0x7F, 0xFF):
        changed = bytearray(content)
        changed[place] = value
        answer = ask("/v1/predict", bytes(changed), headers=STREAM)
        assert answer.status_code in {200, 400, 415, 422}


def test_a_stream_that_claims_more_than_it_has_is_refused(ask):
    claims = b"\xff\xff\xff\xff" + struct.pack("<i", 2**31 - 1)
    for content in (b"", b"ARROW1", claims, claims + b"x" * 100):
        assert ask("/v1/predict", content, headers=STREAM).status_code in {400, 422}


@pytest.mark.parametrize("path", ["/v1/explain", "/v1/recommend"])
def test_other_questions_take_json_alone(ask, members, path):
    content = stream(pa.Table.from_pylist(members))
    assert ask(path, content, headers=STREAM).status_code == 415


MEGABYTE = "x" * 1_000_000


@pytest.mark.parametrize(
    ("convert", "status"),
    [
        # A dictionary repeats one long text for each row.
        (lambda n: pa.DictionaryArray.from_arrays(pa.array([0] * n), pa.array([MEGABYTE])), 413),
        (
            lambda n: pa.DictionaryArray.from_arrays(
                pa.array([None, *[1] * (n - 1)], pa.int32()),
                pa.array(["", MEGABYTE], pa.string_view()),
            ),
            413,
        ),
        (
            lambda n: pa.RunEndEncodedArray.from_arrays(pa.array([n]), pa.array([MEGABYTE[:9999]])),
            422,
        ),
        (lambda n: pa.array([[MEGABYTE[:99]]] * n), 422),
        (lambda n: pa.array([{"a": {"b": 1}}] * n), 422),
        (lambda n: pa.array([None] * n, pa.map_(pa.string(), pa.string())), 422),
        (
            lambda n: pa.UnionArray.from_dense(
                pa.array([0] * n, pa.int8()), pa.array(range(n), pa.int32()), [pa.array(["x"] * n)]
            ),
            422,
        ),
        (lambda n: pa.array([b"0" * 16] * n, pa.uuid()), 422),
    ],
)
@pytest.mark.parametrize("column", ["member_id", "plan"])
def test_a_small_body_that_expands_is_refused(ask, model, members, convert, status, column):
    app = create_app(model, max_arrow_bytes=3_000_000)
    table = pa.Table.from_pylist(members)
    place = table.column_names.index(column)
    table = table.set_column(place, column, convert(table.num_rows))
    body = stream(table)
    assert len(body) < 3_000_000
    before = pa.total_allocated_bytes()
    answer = ask("/v1/predict", body, headers=STREAM, to=app)
    assert answer.status_code == status
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert "xxx" not in answer.text


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_views_and_dictionaries_that_fit_are_read(ask, model, members, kind):
    table = pa.Table.from_pylist(members)
    place = table.column_names.index("plan")
    table = table.set_column(place, "plan", table["plan"].cast(kind))
    answer = ask("/v1/predict", stream(table), headers=STREAM)
    assert answer.status_code == 200
    told = pa.ipc.open_stream(answer.content).read_all()
    expected = [row["churn_probability"] for row in model.predict(members)]
    assert told["churn_probability"].to_pylist() == expected


def test_a_column_may_not_come_twice(ask, members):
    table = pa.Table.from_pylist(members)
    answer = ask("/v1/predict", stream(table.append_column("plan", table["plan"])), headers=STREAM)
    assert answer.status_code == 422
    assert answer.json()["violations"][0]["rule"] == "duplicate_column"


def test_a_stream_of_very_many_batches_is_refused(ask, members):
    table = pa.Table.from_pylist(members[:1])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        for _ in range(1_100):
            out.write_table(table.slice(0, 0).combine_chunks(), max_chunksize=1)
            out.write_batch(table.to_batches()[0].slice(0, 0))
    app_answer = ask("/v1/predict", sink.getvalue().to_pybytes(), headers=STREAM)
    assert app_answer.status_code in {413, 422}

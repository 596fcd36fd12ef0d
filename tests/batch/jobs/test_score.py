"""Files in, scores out: the same numbers whatever the file, and nothing half-written."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.batch import plan, score
from churnkit.batch.io import checkpoints
from churnkit.batch.jobs import score as score_job
from churnkit.bundle import RetentionModel
from churnkit.core.io import table_file
from churnkit.core.io.table_file import read_table
from churnkit.errors import ChurnkitError, DataError, RecipeError


@pytest.fixture(scope="module")
def rows(rows_of_shop):
    return rows_of_shop(60, seed=11)


@pytest.fixture(scope="module")
def expected(shop_model, rows):
    return [row["churn_probability"] for row in shop_model.predict(rows)]


@pytest.fixture
def source(tmp_path, rows, to_csv):
    """The same customers as CSV and as Parquet."""
    (tmp_path / "in").mkdir()
    to_csv(tmp_path / "in" / "customers.csv", rows)
    typed = pa.Table.from_pylist(rows)
    pq.write_table(typed, tmp_path / "in" / "customers.parquet")

    def source(ending):
        return tmp_path / "in" / f"customers.{ending}"

    return source


def read_scores(path):
    return pcsv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


class TestScores:
    """What is written."""

    @pytest.mark.parametrize("given", ["csv", "parquet"])
    @pytest.mark.parametrize("wanted", ["csv", "parquet"])
    def test_every_way_in_and_out_gives_the_same_scores_in_order(
        self, source, tmp_path, shop_model, rows, expected, given, wanted
    ):
        output = tmp_path / "new" / f"scores.{wanted}"
        report = score(source(given), output, shop_model)
        table = read_scores(output)
        assert table.column_names == ["customer_id", "churn_probability"]
        assert table["customer_id"].to_pylist() == [row["customer_id"] for row in rows]
        assert table["churn_probability"].to_pylist() == expected
        assert report.to_dict() == {
            "rows": 60,
            "invalid": 0,
            "output": str(output),
            "invalid_output": None,
            "notes": [],
        }

    def test_intervals_are_those_of_the_model(self, source, tmp_path, shop_model, rows):
        score(source("csv"), tmp_path / "scores.parquet", shop_model, intervals=True, reasons=1)
        table = pq.read_table(tmp_path / "scores.parquet")
        ends = ["probability_low", "probability_high"]
        assert table.column_names == ["customer_id", "churn_probability", *ends, "reason_1"]
        expected = pa.Table.from_pylist(shop_model.predict(rows, interval=True))
        assert table.select(ends).equals(expected.select(ends))

    def test_a_model_without_intervals_is_refused_before_rows_are_read(
        self, source, tmp_path, shop_model
    ):
        without = RetentionModel(replace(shop_model.contents, intervals=None))
        with pytest.raises(RecipeError, match="has no intervals"):
            score(source("csv"), tmp_path / "scores.csv", without, intervals=True)
        assert not (tmp_path / "scores.csv").exists()

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_many_batches_are_one(self, source, tmp_path, shop_model, monkeypatch, ending):
        score(source(ending), tmp_path / "one.csv", shop_model, reasons=2)
        monkeypatch.setattr(table_file, "BATCH_ROWS", 7)
        done: list[int] = []
        score(source(ending), tmp_path / "many.csv", shop_model, reasons=2, progress=done.append)
        assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
        assert done == [7, 14, 21, 28, 35, 42, 49, 56, 60]

    def test_one_batch_at_a_time_is_in_memory(self, source, tmp_path, shop_model, monkeypatch):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 5)
        events = []
        encode, write = type(shop_model).encode, checkpoints.Chunk.write

        def encoding(model, table, *rest):
            events.append("encode")
            return encode(model, table, *rest)

        def writes(chunk, name, table):
            events.append("write")
            write(chunk, name, table)

        monkeypatch.setattr(type(shop_model), "encode", encoding)
        monkeypatch.setattr(checkpoints.Chunk, "write", writes)
        score(source("csv"), tmp_path / "out.csv", shop_model)
        assert events == ["encode", "write"] * 12

    def test_reasons_are_the_models_own(self, source, tmp_path, shop_model, rows):
        score(source("csv"), tmp_path / "out.parquet", shop_model, reasons=2)
        table = pq.read_table(tmp_path / "out.parquet").to_pylist()
        explained = shop_model.explain(rows, top=2)
        for written, said in zip(table, explained, strict=True):
            first = said["reasons"][0]
            assert written["reason_1"] == f"{first['reason']} ({first['points']:+.1f} points)"

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    @pytest.mark.parametrize("batch", [4, 1000])
    def test_invalid_rows_keep_their_place_and_are_told_apart(
        self, tmp_path, rows, to_csv, shop_model, expected, monkeypatch, ending, batch
    ):
        monkeypatch.setattr(table_file, "BATCH_ROWS", batch)
        broken = [dict(row) for row in rows]
        broken[9]["plan"] = "gold"
        broken[33]["tenure_months"] = -1
        broken[33]["mrr"] = "much"
        to_csv(tmp_path / "c.csv", broken)
        report = score(tmp_path / "c.csv", tmp_path / f"s.{ending}", shop_model)
        assert (report.rows, report.invalid) == (60, 2)
        scores = read_scores(tmp_path / f"s.{ending}")["churn_probability"].to_pylist()
        assert scores[9] is None
        assert scores[33] is None
        assert [s for p, s in enumerate(scores) if p not in {9, 33}] == [
            s for p, s in enumerate(expected) if p not in {9, 33}
        ]
        refused = read_scores(report.invalid_output).to_pylist()
        assert report.invalid_output == tmp_path / f"s.invalid.{ending}"
        assert [row["row"] for row in refused] == [9, 33]
        assert [row["customer_id"] for row in refused] == [
            rows[9]["customer_id"],
            rows[33]["customer_id"],
        ]
        assert refused[0]["problem"].startswith("plan: ")
        assert "tenure_months: ge(0)" in refused[1]["problem"]
        assert "mrr: type" in refused[1]["problem"]
        assert "gold" not in refused[0]["problem"]

    def test_refusals_of_an_earlier_run_go_when_all_rows_are_mended(
        self, tmp_path, rows, to_csv, shop_model
    ):
        broken = [dict(row) for row in rows]
        broken[0]["plan"] = "gold"
        score(to_csv(tmp_path / "c.csv", broken), tmp_path / "s.csv", shop_model)
        assert (tmp_path / "s.invalid.csv").exists()
        score(to_csv(tmp_path / "c.csv", rows), tmp_path / "s.csv", shop_model)
        assert not (tmp_path / "s.invalid.csv").exists()

    def test_columns_of_no_concern_are_ignored(self, tmp_path, rows, to_csv, shop_model, expected):
        more = [{"rank": place, **row, "note": "x"} for place, row in enumerate(rows)]
        score(to_csv(tmp_path / "c.csv", more), tmp_path / "s.parquet", shop_model)
        assert read_scores(tmp_path / "s.parquet")["churn_probability"].to_pylist() == expected

    def test_ids_as_a_parquet_dictionary_are_written_as_text(
        self, tmp_path, rows, shop_model, monkeypatch
    ):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 25)
        table = pa.Table.from_pylist(rows)
        for name in ("customer_id", "plan"):
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].dictionary_encode())
        pq.write_table(table, tmp_path / "c.parquet")
        for ending in ("csv", "parquet"):
            score(tmp_path / "c.parquet", tmp_path / f"s.{ending}", shop_model)
            ids = read_scores(tmp_path / f"s.{ending}")["customer_id"].to_pylist()
            assert ids == [row["customer_id"] for row in rows]

    def test_an_id_that_looks_like_a_formula_is_kept_and_quoted(
        self, tmp_path, rows, to_csv, shop_model
    ):
        ids = ["=cmd|'/C calc'!A0", "+1", "-2+3", "@SUM(1)", 'a"b', "x\ny", "\t=1"]
        odd = [{**row, "customer_id": name} for row, name in zip(rows, ids, strict=False)]
        score(to_csv(tmp_path / "c.csv", odd), tmp_path / "s.csv", shop_model)
        with (tmp_path / "s.csv").open(newline="") as stream:
            assert [row["customer_id"] for row in csv.DictReader(stream)] == ids
        assert '"=cmd|' in (tmp_path / "s.csv").read_text()

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_a_file_without_rows_gives_scores_without_rows(
        self, tmp_path, rows, shop_model, ending
    ):
        (tmp_path / "c.csv").write_text(",".join(rows[0]) + "\n")
        report = score(tmp_path / "c.csv", tmp_path / f"s.{ending}", shop_model)
        assert report.rows == 0
        table = read_scores(tmp_path / f"s.{ending}")
        assert table.column_names == ["customer_id", "churn_probability"]
        assert table.num_rows == 0


class TestRefusedWhole:
    """Nothing is written, and what was there stays."""

    @pytest.fixture
    def older(self, tmp_path):
        (tmp_path / "s.csv").write_text("older\n")
        (tmp_path / "s.invalid.csv").write_text("older too\n")
        yield tmp_path / "s.csv"
        assert (tmp_path / "s.csv").read_text() == "older\n"
        assert (tmp_path / "s.invalid.csv").read_text() == "older too\n"
        assert left_behind(tmp_path) == []

    @pytest.fixture
    def broken(self, tmp_path, rows, to_csv):
        """Customers of whom one breaks a rule, so that both files are begun."""
        some = [dict(row) for row in rows]
        some[0]["plan"] = "gold"
        return to_csv(tmp_path / "c.csv", some)

    def test_a_missing_column_is_named_before_anything_is_read(
        self, tmp_path, rows, to_csv, shop_model, older
    ):
        fewer = [{key: row[key] for key in row if key not in {"plan", "mrr"}} for row in rows]
        with pytest.raises(DataError) as caught:
            score(to_csv(tmp_path / "c.csv", fewer), older, shop_model)
        assert "column 'plan' is missing" in str(caught.value)
        assert "column 'mrr' is missing" in str(caught.value)

    def test_a_ragged_row_far_down(self, tmp_path, broken, shop_model, older, monkeypatch):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 10)
        monkeypatch.setattr(table_file, "_CSV_BLOCK_BYTES", 1500)
        with broken.open("a") as stream:
            stream.write("canary,x\n")
        with pytest.raises(ChurnkitError, match="a row has 2 fields where the header has 8"):
            score(broken, older, shop_model)

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
    def test_an_interruption_midway(self, broken, shop_model, older, monkeypatch, stop):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 10)

        def interrupt(done):
            if done > 30:
                raise stop

        with pytest.raises(stop):
            score(broken, older, shop_model, progress=interrupt)

    def test_a_full_disk_is_said(self, broken, shop_model, older, monkeypatch):
        monkeypatch.setattr(table_file, "BATCH_ROWS", 10)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (256, before[1]))
        try:
            with pytest.raises(ChurnkitError, match=r"cannot write .*nothing was changed"):
                score(broken, older, shop_model)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    @pytest.mark.parametrize("call", [1, 2])
    def test_a_disk_that_fails_at_the_very_end(self, broken, shop_model, older, monkeypatch, call):
        calls = []

        def fail(handle):
            calls.append(handle)
            if len(calls) == call:
                raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(ChurnkitError, match="Input/output error"):
            score(broken, older, shop_model)

    @pytest.mark.parametrize("name", ["s.txt", "s", "s.tsv", "s.parquet.gz", "s.xlsx"])
    def test_an_ending_that_is_none(self, source, tmp_path, shop_model, name):
        with pytest.raises(ChurnkitError, match=r"results go to a \.parquet, \.csv, "):
            score(source("csv"), tmp_path / name, shop_model)

    def test_a_folder_as_output(self, source, tmp_path, shop_model):
        (tmp_path / "s.csv").mkdir()
        with pytest.raises(ChurnkitError, match="is a folder"):
            score(source("csv"), tmp_path / "s.csv", shop_model)

    def test_a_file_where_the_outputs_folder_should_be(self, source, tmp_path, shop_model):
        (tmp_path / "file").write_text("")
        with pytest.raises(ChurnkitError, match="cannot write"):
            score(source("csv"), tmp_path / "file" / "s.csv", shop_model)

    def test_the_file_that_is_read_is_not_written_over(self, source, tmp_path, shop_model):
        path = source("csv")
        before = path.read_bytes()
        (tmp_path / "link.csv").symlink_to(path)
        outputs = [path, path.parent / ".." / "in" / path.name, tmp_path / "link.csv"]
        for output in (*outputs, path.parent / "absent" / ".." / path.name):
            with pytest.raises(ChurnkitError, match="is the input file"):
                score(path, output, shop_model)
            with pytest.raises(ChurnkitError, match="is the input file"):
                plan(path, shop_model, output=output)
        assert path.read_bytes() == before

    def test_a_folder_that_cannot_be_made_is_refused_at_once(
        self, source, tmp_path, shop_model, monkeypatch
    ):
        """In /proc, no folder can be made, and the reason is that it does not exist."""

        def refuse(self, *_, **__):
            raise FileNotFoundError(2, "No such file or directory", str(self))

        path = source("csv")
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(ChurnkitError, match=r"cannot write .*No such file"):
            score(path, tmp_path / "proc" / "scores.csv", shop_model)

    def test_mended_refusals_are_not_written_over_by_new_ones(self, source, tmp_path, shop_model):
        mended = tmp_path / "s.invalid.csv"
        mended.write_bytes(source("csv").read_bytes())
        with pytest.raises(ChurnkitError, match="is the input file"):
            score(mended, tmp_path / "s.csv", shop_model)
        assert mended.exists()


class TestPlan:
    """Who gets which action."""

    @pytest.mark.parametrize("given", ["csv", "parquet"])
    def test_a_plan_keeps_its_budget_and_adds_up(self, source, tmp_path, shop_model, given):
        planned, report = plan(source(given), shop_model, output=tmp_path / "plan.csv", budget=50.0)
        assert planned.num_rows == report.rows == 60
        assert 0.0 < report.cost <= 50.0
        assert report.expected_gain == pytest.approx(
            np.nansum(planned["expected_gain"].to_numpy(zero_copy_only=False))
        )
        written = read_table(tmp_path / "plan.csv")
        assert written["customer_id"].to_pylist() == planned["customer_id"].to_pylist()
        assert json.loads(json.dumps(report.to_dict()))["rows"] == 60

    def test_without_a_budget_for_anybody_nobody_gets_anything(self, source, shop_model):
        planned, report = plan(source("csv"), shop_model, budget=0.0)
        assert planned["action"].null_count == 60
        assert report.cost == 0.0
        assert report.actions == ()

    def test_invalid_rows_get_nothing_and_are_counted(self, tmp_path, rows, to_csv, shop_model):
        broken = [dict(row) for row in rows]
        broken[4]["tenure_months"] = ""
        planned, report = plan(to_csv(tmp_path / "c.csv", broken), shop_model)
        assert report.invalid == 1
        assert planned["action"][4].as_py() is None
        assert planned["problem"][4].as_py() == "tenure_months: not_null"

    def test_a_customer_in_two_rows_is_refused(self, tmp_path, rows, to_csv, shop_model):
        with pytest.raises(DataError, match="breaks unique in 1 row") as caught:
            plan(to_csv(tmp_path / "c.csv", [*rows, rows[0]]), shop_model)
        assert "canary" not in str(caught.value)

    def test_a_model_without_actions_is_refused(self, source, shop_model, tmp_path):
        from dataclasses import replace

        from churnkit.bundle import RetentionModel

        bare = RetentionModel(replace(shop_model.contents, catalogue=None))
        with pytest.raises(RecipeError, match="without actions"):
            plan(source("csv"), bare, output=tmp_path / "plan.csv")
        assert not (tmp_path / "plan.csv").exists()


def test_scoring_is_a_module_and_score_a_function():
    assert score_job.score is score

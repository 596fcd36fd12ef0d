"""A scoring job that is killed at any chunk and resumed writes the bytes of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import score
from churnkit.batch.io.checkpoints import open_chunks
from churnkit.batch.jobs import score as score_job
from churnkit.core.io import table_file
from churnkit.errors import ChurnkitError

# 60 rows in batches of 5, chunks of 2 batches: six chunks.
KILLED = """
import os, signal, sys
from churnkit.batch.io import checkpoints
from churnkit.core.io import table_file
from churnkit.batch.jobs import score as score_job
import churnkit
table_file.BATCH_ROWS, score_job.CHUNK_BATCHES = 5, 2
save, left = checkpoints.Chunks._save, [int(sys.argv[3])]
def saves(self):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self)
    left[0] -= 1
checkpoints.Chunks._save = saves
churnkit.batch.score(sys.argv[1], sys.argv[2], churnkit.load("bundle"), reasons=1)
"""


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 5)
    monkeypatch.setattr(score_job, "CHUNK_BATCHES", 2)


@pytest.fixture
def customers(tmp_path, rows_of_shop):
    rows = rows_of_shop(60, seed=8)
    rows[17]["plan"] = "unheard of"
    rows[44]["tenure_months"] = -1
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "customers.parquet")
    return tmp_path / "customers.parquet"


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_job_killed_after_any_chunk_resumes_to_the_same_bytes(
    customers, shop_model, tmp_path, small_chunks, monkeypatch, ending
):
    shop_model.save(tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    import churnkit

    model = churnkit.load("bundle")
    whole, broken = tmp_path / f"whole.{ending}", tmp_path / f"broken.{ending}"
    score(customers, whole, model, reasons=1)
    for finished in (0, 1, 5):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(customers), str(broken), str(finished)],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        assert not broken.exists()
        counted: list[int] = []
        report = score(customers, broken, model, reasons=1, resume=True, progress=counted.append)
        assert counted[0] == (10 * finished or 5)
        assert (report.rows, report.invalid) == (60, 2)
        assert broken.read_bytes() == whole.read_bytes()
        for name in ("whole", "broken"):
            assert (
                pq.read_table(tmp_path / "whole.invalid.parquet").num_rows == 2
                if (ending == "parquet")
                else (tmp_path / f"{name}.invalid.csv").exists()
            )
        assert left_behind(tmp_path) == []
        broken.unlink()


def interrupted(score_rows, customers, output, model, **settings):
    def stop(rows):
        if rows >= score_rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(customers, output, model, progress=stop, **settings)


def test_an_interrupted_job_keeps_its_chunks_and_a_fresh_one_throws_them_away(
    customers, shop_model, tmp_path, small_chunks
):
    output = tmp_path / "s.csv"
    interrupted(25, customers, output, shop_model)
    assert left_behind(tmp_path) == [".s.csv.parts"]
    counted: list[int] = []
    score(customers, output, shop_model, progress=counted.append)
    assert counted[0] == 5
    assert left_behind(tmp_path) == []


def test_the_work_of_one_chunk_is_not_worth_keeping(customers, shop_model, tmp_path, monkeypatch):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 5)
    interrupted(25, customers, tmp_path / "s.csv", shop_model)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("changed", ["source", "reasons", "chunk", "notes"])
def test_what_was_made_otherwise_is_not_resumed(
    customers, shop_model, tmp_path, small_chunks, changed
):
    output, parts = tmp_path / "s.csv", tmp_path / ".s.csv.parts"
    interrupted(25, customers, output, shop_model)
    reasons = 2 if changed == "reasons" else 0
    if changed == "source":
        os.utime(customers, (1, 1))
    elif changed == "chunk":
        (parts / "scores-00001.arrow").write_bytes(b"")
    elif changed == "notes":
        (parts / "manifest.json").write_text("[]")
    with pytest.raises(ChurnkitError, match=r"cannot be resumed: .*without --resume"):
        score(customers, output, shop_model, resume=True, reasons=reasons)
    score(customers, output, shop_model)
    assert output.exists()


def test_resuming_nothing_begins_at_the_beginning(customers, shop_model, tmp_path):
    assert score(customers, tmp_path / "s.csv", shop_model, resume=True).rows == 60


def test_two_runs_on_one_output_are_one_too_many(customers, shop_model, tmp_path):
    output = tmp_path / "s.csv"
    with (
        open_chunks(output, {"job": 1}, resume=False),
        pytest.raises(ChurnkitError, match="another run is writing"),
    ):
        score(customers, output, shop_model)
    assert not output.exists()


def test_a_manifest_names_no_customer(customers, shop_model, tmp_path, small_chunks):
    interrupted(25, customers, tmp_path / "s.csv", shop_model)
    notes = (tmp_path / ".s.csv.parts" / "manifest.json").read_text()
    assert "canary" not in notes
    assert len(json.loads(notes)["chunks"]) == 2

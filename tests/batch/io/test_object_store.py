"""S3 on loopback: sources, outputs, and a job that is killed and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import score
from churnkit.batch.io import folder_writer
from churnkit.batch.io.delete_remote_rows import erase_remote_rows
from churnkit.batch.io.open_writer import open_writer
from churnkit.batch.jobs import score as score_job
from churnkit.cli.customer_input import CustomerInput
from churnkit.contracts import Column, Contract
from churnkit.core.io import table_file
from churnkit.core.io.locations import parse_location
from churnkit.core.io.remote import object_store
from churnkit.core.io.table_sources import open_rows, open_source, read_all, read_table
from churnkit.errors import ChurnkitError

pytest.importorskip("moto", reason="moto is not installed")

pytestmark = pytest.mark.server

# 60 rows in batches of 5, chunks of 2 batches, files of 20 rows.
KILLED = """
import os, signal, sys
from churnkit.batch.io import checkpoints, folder_writer
from churnkit.core.io import table_file
from churnkit.batch.jobs import score as score_job
import churnkit
table_file.BATCH_ROWS, score_job.CHUNK_BATCHES, folder_writer.PART_ROWS = 5, 2, 20
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "upload":
    folder_writer.ObjectFolderWriter.finish = folder_writer.ObjectWriter.finish = kill
else:
    save, left = checkpoints.Chunks._save, [int(sys.argv[3])]
    def saves(self):
        if not left[0]:
            kill()
        save(self)
        left[0] -= 1
    checkpoints.Chunks._save = saves
churnkit.batch.score(sys.argv[1], sys.argv[2], churnkit.load("bundle"))
"""


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    object_store._filesystem.cache_clear()
    from pyarrow import fs

    _, _, address = endpoint.partition("://")
    store = fs.S3FileSystem(
        endpoint_override=address, scheme="http", region="us-east-1",
        access_key="key", secret_key="secret", allow_bucket_creation=True,  # noqa: S106 - of moto
        allow_bucket_deletion=True,
    )  # fmt: skip
    store.create_dir("lake")
    yield store
    store.delete_dir("lake")
    object_store._filesystem.cache_clear()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 5)
    monkeypatch.setattr(score_job, "CHUNK_BATCHES", 2)
    monkeypatch.setattr(folder_writer, "PART_ROWS", 20)


@pytest.fixture
def customers(store, rows_of_shop):
    """Sixty customers in three partitions."""
    rows = rows_of_shop(60, seed=8)
    rows[17]["plan"] = "unheard of"
    for number in range(3):
        part = pa.Table.from_pylist(rows[20 * number : 20 * number + 20])
        pq.write_table(part, f"lake/in/month={number}/a.parquet", filesystem=store)
    return rows


def names(store, prefix):
    from pyarrow import fs

    entries = store.get_file_info(fs.FileSelector(prefix, recursive=True))
    return sorted(entry.path for entry in entries if entry.type == fs.FileType.File)


def content(store, prefix):
    return {
        name.removeprefix(prefix): store.open_input_file(name).readall()
        for name in names(store, prefix)
    }


def test_a_prefix_a_pattern_and_a_file_are_read(store, customers):
    table = read_table("s3://lake/in/")
    assert table["customer_id"].to_pylist() == [row["customer_id"] for row in customers]
    assert table["month"].to_pylist() == [0] * 20 + [1] * 20 + [2] * 20
    assert read_table("s3://lake/in/month=[12]/*.parquet").num_rows == 40
    assert read_table("s3://lake/in/month=1/a.parquet", columns=["plan"]).num_rows == 20
    assert open_rows(open_source("s3://lake/in")).rows == 60


def test_other_formats_are_copied_and_read(store):
    with store.open_output_stream("lake/c.csv.gz") as stream:
        stream.write(b"id,plan\n1,a\n")
    assert read_table("s3://lake/c.csv.gz").to_pylist() == [{"id": "1", "plan": "a"}]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://lake/none.parquet", "does not exist"),
        ("s3://nowhere/a.parquet", "does not exist|cannot be reached"),
        ("s3://lake/notes.md", "a table is a"),
        ("s3://lake/broken.parquet", "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_refused(store, url, message):
    for name in ("notes.md", "broken.parquet"):
        with store.open_output_stream(f"lake/{name}") as stream:
            stream.write(b"PAR1 text")
    with pytest.raises(ChurnkitError, match=message):
        read_table(url)


def test_a_store_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_TIMEOUT_SECONDS", 1)
    object_store._filesystem.cache_clear()
    with pytest.raises(ChurnkitError, match=r"cannot be reached.*AWS_ACCESS_KEY_ID"):
        read_table("s3://lake/a.parquet")
    object_store._filesystem.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("output", ["s3://lake/out/", "s3://lake/s.parquet", "s3://lake/s.csv.gz"])
def test_a_job_killed_at_any_time_resumes_to_the_same_bytes(
    store, customers, shop_model, tmp_path, small_chunks, monkeypatch, output
):
    import churnkit

    shop_model.save(tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".churnkit").mkdir()
    model = churnkit.load("bundle")
    score("s3://lake/in/", output, model)
    whole = content(store, "lake/")
    assert [n for n in whole if "invalid" in n]
    for moment in ("1", "4", "upload"):
        for name in names(store, "lake/"):
            if not name.startswith("lake/in/"):
                store.delete_file(name)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, "s3://lake/in/", output, moment],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        left = [name for name in content(store, "lake/") if not name.startswith("in/")]
        assert all("/_temporary-" in name or "unfinished" in name for name in left)
        counted: list[int] = []
        report = score("s3://lake/in/", output, model, resume=True, progress=counted.append)
        assert counted[0] == (60 if moment == "upload" else 10 * int(moment))
        assert (report.rows, report.invalid) == (60, 1)
        assert content(store, "lake/") == whole
        assert not list(tmp_path.glob(".*.parts"))


def test_an_output_within_the_input_or_among_other_objects_is_refused(store, customers, shop_model):
    for output in ("s3://lake/in/scores.parquet", "s3://lake/in/scores/"):
        with pytest.raises(ChurnkitError, match="would be read with it next time"):
            score("s3://lake/in/", output, shop_model)
    with pytest.raises(ChurnkitError, match=r"1 other files|3 other files"):
        score("s3://lake/in/month=0/a.parquet", "s3://lake/", shop_model)


def test_a_smaller_output_leaves_no_files_of_the_earlier_one(store, monkeypatch):
    monkeypatch.setattr(folder_writer, "PART_ROWS", 2)
    for rows in (7, 3):
        table = pa.table({"id": list(range(rows))})
        with open_writer("s3://lake/s/", table.schema) as writer:
            writer.write(table)
            writer.finish()
    assert names(store, "lake/s/") == [
        "lake/s/_SUCCESS", "lake/s/part-00000.parquet", "lake/s/part-00001.parquet",
    ]  # fmt: skip
    assert read_table("s3://lake/s/")["id"].to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("url", ["gs://bucket/a.parquet", "az://container/a.parquet"])
def test_other_stores_name_their_settings(url, monkeypatch):
    from pyarrow import fs

    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    monkeypatch.delattr(fs, "GcsFileSystem", raising=False)
    object_store._filesystem.cache_clear()
    with pytest.raises(ChurnkitError, match=r"AZURE_STORAGE_ACCOUNT|no GcsFileSystem"):
        read_table(url)
    object_store._filesystem.cache_clear()


def test_rows_of_a_customer_are_deleted_from_files_of_a_store(store, customers):
    location = parse_location("s3://lake/in/")
    ids = {customers[3]["customer_id"], customers[41]["customer_id"]}
    before = content(store, "lake/in")
    assert erase_remote_rows(location, ids, column="customer_id", dry_run=True) == 2
    assert content(store, "lake/in") == before
    assert erase_remote_rows(location, ids, column="customer_id") == 2
    left = read_table("s3://lake/in/")["customer_id"].to_pylist()
    assert left == [row["customer_id"] for row in customers if row["customer_id"] not in ids]
    # Files without their rows are not written again.
    assert content(store, "lake/in")["/month=1/a.parquet"] == before["/month=1/a.parquet"]
    other = parse_location("s3://lake/none/")
    assert erase_remote_rows(other, ids, column="customer_id") is None


def test_files_with_one_row_per_customer_are_joined_as_local_ones(store, capsys, tmp_path):
    plans = pa.table({"customer_id": ["a", "b", "c"], "plan": ["x", "y", "x"]})
    usage = pa.table({"Customer ID": ["c", "a"], "visits": [3, 4]})
    for place, options in ((f"{tmp_path}/in", {}), ("lake/joined", {"filesystem": store})):
        if not options:
            (tmp_path / "in").mkdir()
        pq.write_table(plans, f"{place}/plans.parquet", **options)
        pq.write_table(usage, f"{place}/usage.parquet", **options)
    texts = {}
    for name in (
        "s3://lake/joined",
        "s3://lake/joined/*.parquet",
        f"{tmp_path}/in",
        f"{tmp_path}/in/*.parquet",
    ):
        contract = Contract("shop", (Column("customer_id", "string", ("entity",)),))
        source = CustomerInput(name, None, None, None)
        rows = source.sheet(source.open(), contract, "predict")
        assert read_all(rows).sort_by("customer_id").to_pydict() == {
            "customer_id": ["a", "b", "c"], "plan": ["x", "y", "x"], "visits": [4, None, 3],
        }  # fmt: skip
        texts[name] = capsys.readouterr().err
    assert len(set(texts.values())) == 1
    assert (
        "plans.parquet is joined with usage.parquet by 'customer_id'" in texts["s3://lake/joined"]
    )

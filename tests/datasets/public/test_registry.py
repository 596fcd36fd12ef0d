"""Public data sets: known figures if available, and downloads."""

from __future__ import annotations

import hashlib
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from churnkit.datasets import PublicDataset, PublicFile, fetch, load, public_datasets
from churnkit.datasets.public.registry import fetch_dataset
from churnkit.errors import DatasetUnavailableError


@pytest.fixture
def at_hand():
    if not os.environ.get("CHURNKIT_DATA_DIR"):
        pytest.skip("CHURNKIT_DATA_DIR is not set: the public data sets are not at hand")


@pytest.mark.data
@pytest.mark.usefixtures("at_hand")
class TestKnownFigures:
    def test_telco(self):
        table = load("telco")
        assert table.shape == (7043, 21)
        assert pc.sum(pc.equal(table["Churn"], "Yes")).as_py() == 1869
        assert table.schema.field("TotalCharges").type == pa.string()
        assert pc.sum(pc.equal(pc.utf8_trim_whitespace(table["TotalCharges"]), "")).as_py() == 11
        numbers = ["SeniorCitizen", "tenure", "MonthlyCharges"]
        types = [table.schema.field(name).type for name in numbers]
        assert types == [pa.int64(), pa.int64(), pa.float64()]

    def test_tv_subscription(self):
        table = load("tv_subscription")
        assert table.shape == (9379, 52)
        assert pc.sum(table["target"]).as_py() == 449
        assert table.column_names[-5:] == ["C_FP", "C_FN", "C_TP", "C_TN", "target"]

    def test_cdnow(self):
        tables = load("cdnow")
        purchases = tables["transactions"]
        assert purchases.num_rows == 69_659
        assert len(purchases["customer_id"].unique()) == 23_570
        assert pc.sum(purchases["dollar_value"]).as_py() == pytest.approx(2_500_315.63, abs=0.005)
        days = purchases["date"].to_numpy()
        assert (str(days.min()), str(days.max())) == ("1997-01-01", "1998-06-30")
        assert tables["summary"].shape == (2357, 4)

    def test_online_retail(self):
        table = load("online_retail")
        assert table.shape == (541_909, 8)
        assert table["CustomerID"].null_count == 135_080
        assert len(table["CustomerID"].drop_null().unique()) == 4372
        assert len(table["InvoiceNo"].unique()) == 25_900
        revenue = (table["Quantity"].to_numpy() * table["UnitPrice"].to_numpy()).sum()
        assert revenue == pytest.approx(9_747_747.934, abs=0.001)

    def test_hillstrom(self):
        table = load("hillstrom")
        assert table.shape == (64_000, 12)
        assert pc.mean(table["visit"]).as_py() == pytest.approx(0.1468, abs=5e-5)
        assert pc.mean(table["conversion"]).as_py() == pytest.approx(0.00903, abs=5e-6)
        assert pc.mean(table["spend"]).as_py() == pytest.approx(1.051, abs=5e-4)
        arms = {
            row["segment"]: row["visit_mean"]
            for row in table.group_by("segment").aggregate([("visit", "mean")]).to_pylist()
        }
        assert arms["Mens E-Mail"] - arms["No E-Mail"] == pytest.approx(0.0766, abs=5e-5)
        assert arms["Womens E-Mail"] - arms["No E-Mail"] == pytest.approx(0.0452, abs=5e-5)

    def test_open_bandit(self):
        tables = load("open_bandit")
        for policy, rate in (("random", 0.0046), ("bts", 0.0069)):
            assert tables[policy].num_rows == 10_000
            assert tables[f"{policy}_items"].num_rows == 34
            assert pc.mean(tables[policy]["click"]).as_py() == pytest.approx(rate, abs=5e-5)
        assert np.allclose(tables["random"]["propensity_score"].to_numpy(), 1 / 34)

    def test_clothing_reviews(self):
        table = load("clothing_reviews")
        assert table.shape == (23_486, 11)
        assert table["Review Text"].null_count == 845
        assert pc.mean(table["Recommended IND"]).as_py() == pytest.approx(0.8224, abs=5e-5)

    @pytest.mark.parametrize("name", sorted(public_datasets()))
    def test_every_file_is_found_in_the_given_folder(self, name):
        folder = fetch(name)
        assert folder.name == name
        assert all((folder / file.path).is_file() for file in public_datasets()[name].files)


@pytest.mark.parametrize("dataset", public_datasets().values(), ids=lambda d: d.name)
def test_every_data_set_has_a_title_and_terms(dataset):
    assert dataset.title
    assert dataset.source
    assert dataset.terms
    assert dataset.citation
    for file in dataset.files:
        assert len(file.sha256) == 64
        assert int(file.sha256, 16)
        assert file.url is None or file.url.startswith("https://")


def read_first(folder):
    return (folder / "a.csv").read_text()


def a_set(content: bytes, url: str | None) -> PublicDataset:
    return PublicDataset(
        name="sample",
        title="A sample",
        files=(PublicFile("a.csv", hashlib.sha256(content).hexdigest(), url),),
        source="https://publisher.invalid/sample",
        terms="CC0",
        citation="Nobody (2024).",
        read=read_first,
    )


@pytest.fixture
def publisher(tmp_path):
    """A web server on loopback that offers one file."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"a,b\n1,2\n")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/a.csv"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def empty_machine(tmp_path, monkeypatch):
    """No data folder, and a cache of our own."""
    monkeypatch.delenv("CHURNKIT_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("empty_machine")
def test_a_file_is_downloaded_once_and_then_read_from_the_cache(publisher):
    dataset = a_set(b"a,b\n1,2\n", publisher)
    folder = fetch_dataset(dataset)
    assert dataset.read(folder) == "a,b\n1,2\n"
    gone = a_set(b"a,b\n1,2\n", "http://127.0.0.1:9/a.csv")
    assert fetch_dataset(gone) == folder


@pytest.mark.usefixtures("empty_machine")
def test_a_file_of_other_bytes_is_refused_and_not_kept(publisher, tmp_path):
    with pytest.raises(DatasetUnavailableError, match=r"could not be downloaded as a\.csv"):
        fetch_dataset(a_set(b"something else", publisher))
    assert not list((tmp_path / "cache").rglob("*.csv"))


@pytest.mark.usefixtures("empty_machine")
def test_offline_the_message_names_the_data_set_its_source_and_its_path():
    with pytest.raises(DatasetUnavailableError) as caught:
        fetch_dataset(a_set(b"x", "http://127.0.0.1:9/a.csv"))
    message = str(caught.value)
    for part in (
        "'sample' (A sample)",
        "http://127.0.0.1:9/a.csv",
        "https://publisher.invalid/sample",
        "terms: CC0",
        "CHURNKIT_DATA_DIR/sample/a.csv",
    ):
        assert part in message


@pytest.mark.usefixtures("empty_machine")
def test_a_set_without_an_address_is_to_be_fetched_by_hand():
    with pytest.raises(
        DatasetUnavailableError, match=r"downloaded by hand.*CHURNKIT_DATA_DIR/sample"
    ):
        fetch_dataset(a_set(b"x", None))


def test_the_data_folder_is_used_and_digests_are_verified(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURNKIT_DATA_DIR", str(tmp_path))
    index = tmp_path / "sample"
    index.mkdir()
    (index / "a.csv").write_bytes(b"x")
    assert fetch_dataset(a_set(b"x", None)) == index
    (index / "a.csv").write_bytes(b"y")
    with pytest.raises(DatasetUnavailableError, match="is not the published file"):
        fetch_dataset(a_set(b"x", None))


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(DatasetUnavailableError, match=r"'telko'.*telco, tv_subscription"):
        load("telko")

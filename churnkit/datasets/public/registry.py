"""Registry of public data sets: locations, terms and digests."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from churnkit.datasets.public import readers
from churnkit.errors import DatasetUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PublicDataset", "PublicFile", "fetch", "load", "public_datasets"]

_DATA_DIR = "CHURNKIT_DATA_DIR"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file of a data set.

    Parameters
    ----------
    path
        Path in the data set's folder.
    sha256
        SHA-256 of the file, in hexadecimal.
    url
        Publisher's address of the file; None if it must be downloaded by hand.
    """

    path: str
    sha256: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PublicDataset:
    """A public data set.

    Parameters
    ----------
    name
        Name for `load`, and of the folder under ``CHURNKIT_DATA_DIR``.
    title
        Description in one line.
    files
        Files of the data set.
    source
        Page of the publisher.
    terms
        Terms of use.
    citation
        Reference to cite.
    read
        Function from the folder to a table or a dict of tables.
    """

    name: str
    title: str
    files: tuple[PublicFile, ...]
    source: str
    terms: str
    citation: str
    read: Callable[[Path], Any]


_LIFETIMES = (
    "https://raw.githubusercontent.com/CamDavidsonPilon/lifetimes/master/lifetimes/datasets"
)
_OPEN_BANDIT = "https://raw.githubusercontent.com/st-tech/zr-obp/master/obp/dataset/obd"

_SETS = (
    PublicDataset(
        name="telco",
        title="IBM Telco customer churn: 7,043 customers of a sample company",
        files=(
            PublicFile(
                "Telco-Customer-Churn.csv",
                "16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
                "https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/master/data/"
                "Telco-Customer-Churn.csv",
            ),
        ),
        source="https://github.com/IBM/telco-customer-churn-on-icp4d (data/)",
        terms="IBM sample data",
        citation="IBM, Telco customer churn, sample data set.",
        read=readers.read_telco,
    ),
    PublicDataset(
        name="tv_subscription",
        title="TV provider's churn with the four costs of a decision for each customer",
        files=(
            PublicFile(
                "churn_tv_subscriptions.csv.gz",
                "8cfcb536108a277fd59aaae47f74298f62e1e2cfc1253d104aa46b25730701ed",
            ),
        ),
        source="inside the package empulse on PyPI (empulse/datasets/data/)",
        terms="MIT, as part of empulse",
        citation=(
            "Correa Bahnsen, Aouada, Ottersten (2015). A novel cost-sensitive framework for "
            "customer churn predictive modeling. Decision Analytics 2:5."
        ),
        read=readers.read_tv_subscription,
    ),
    PublicDataset(
        name="cdnow",
        title="CDNOW: purchases of 23,570 customers, 1997-01 to 1998-06, and a sample's summary",
        files=(
            PublicFile(
                "CDNOW_master.txt",
                "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
                f"{_LIFETIMES}/CDNOW_master.txt",
            ),
            PublicFile(
                "cdnow_customers_summary.csv",
                "09d92ca80daaabe8be0f997d4c539f9c9606106baa5b199081fe01cbce5fa9f6",
            ),
        ),
        source="https://github.com/CamDavidsonPilon/lifetimes (lifetimes/datasets/)",
        terms="academic use; cite Fader and Hardie",
        citation=(
            "Fader, Hardie (2001). Forecasting repeat sales at CDNOW: a case study. "
            "Interfaces 31(3), S94-S107."
        ),
        read=readers.read_cdnow,
    ),
    PublicDataset(
        name="online_retail",
        title="UCI Online Retail: line items of a British web shop, 2010-12-01 to 2011-12-09",
        files=(
            PublicFile(
                "online_retail.parquet",
                "4851f048eca9467c43d76026639b85b6c7c6a0021c0feeced00d2aaa3ff0f1c7",
            ),
        ),
        source="https://archive.ics.uci.edu/dataset/352/online+retail (a spreadsheet, to Parquet)",
        terms="CC BY 4.0",
        citation="Chen (2015). Online Retail. UCI Machine Learning Repository.",
        read=readers.read_online_retail,
    ),
    PublicDataset(
        name="hillstrom",
        title="MineThatData email experiment: 64,000 customers, three randomized arms",
        files=(
            PublicFile(
                "hillstrom.csv",
                "0e5893329d8b93cefecc571777672028290ab69865718020c78c7284f291aece",
            ),
        ),
        source=(
            "https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html"
        ),
        terms="public challenge by MineThatData",
        citation="Hillstrom (2008). The MineThatData e-mail analytics and data mining challenge.",
        read=readers.read_hillstrom,
    ),
    PublicDataset(
        name="open_bandit",
        title="Open Bandit, campaign men: recommendations logged with their true propensities",
        files=tuple(
            PublicFile(path, sha256, f"{_OPEN_BANDIT}/{path}")
            for path, sha256 in (
                (
                    "random/men/men.csv",
                    "ede6d08c6877f99cd3770f7d09e26c738e6aa6de4445ccccfb1356ba5d06b1eb",
                ),
                (
                    "random/men/item_context.csv",
                    "6d855c2b7e917d0448d71bbe62c023147495882c0fdc8c41e86fef86abf9fe09",
                ),
                (
                    "bts/men/men.csv",
                    "db6d1f7ed2d591ba521533e45286d4c1fba7fe57a8ad2e80342210335f43c527",
                ),
                (
                    "bts/men/item_context.csv",
                    "3b411ed6b0471316321a6b93f4f756bb25888eac6218cd71d0b603d41d85732d",
                ),
            )
        ),
        source="https://github.com/st-tech/zr-obp (the small version of the data set)",
        terms="CC BY 4.0 for the data, Apache-2.0 for the accompanying code; see the publisher",
        citation=(
            "Saito, Aihara, Matsutani, Narita (2021). Open Bandit Dataset and Pipeline: towards "
            "realistic and reproducible off-policy evaluation. NeurIPS Datasets and Benchmarks."
        ),
        read=readers.read_open_bandit,
    ),
    PublicDataset(
        name="clothing_reviews",
        title="Women's e-commerce clothing reviews: 23,486 texts with rating and recommendation",
        files=(
            PublicFile(
                "womens_clothing_reviews.csv.gz",
                "471110b1fd241cb109a6cb1ec95760e84b071c5ce2df0f6f30876c0b941a1767",
            ),
        ),
        source="the public set 'Women's E-Commerce Clothing Reviews', gzip of its CSV",
        terms="CC0, as listed by its publisher",
        citation="Brooks (2018). Women's E-Commerce Clothing Reviews.",
        read=readers.read_clothing_reviews,
    ),
)
_REGISTRY = MappingProxyType({dataset.name: dataset for dataset in _SETS})


def public_datasets() -> Mapping[str, PublicDataset]:
    """Return the public data sets by name.

    Returns
    -------
    Mapping of str to PublicDataset
        All data sets that `load` reads.

    Examples
    --------
    >>> public_datasets()["telco"].terms
    'IBM sample data'
    """
    return _REGISTRY


def fetch(name: str) -> Path:
    """Find or download a public data set and verify its digests.

    Searched in this order: the folder ``$CHURNKIT_DATA_DIR/<name>``, the user's cache, the
    publisher's address.

    Parameters
    ----------
    name
        A key of `public_datasets`.

    Returns
    -------
    Path
        Folder with the data set's files.

    Raises
    ------
    DatasetUnavailableError
        If the data set is unknown, cannot be downloaded, or differs from its digest.
    """
    if name not in _REGISTRY:
        raise DatasetUnavailableError(
            f"unknown data set '{name}'; available: {', '.join(_REGISTRY)}"
        )
    return fetch_dataset(_REGISTRY[name])


def load(name: str) -> Any:
    """Read a public data set, downloading it if needed.

    Columns keep the publisher's names and values.

    Parameters
    ----------
    name
        A key of `public_datasets`.

    Returns
    -------
    pyarrow.Table or dict of str to pyarrow.Table
        One table, or several by name: ``cdnow`` gives ``transactions`` and ``summary``;
        ``open_bandit`` gives ``random, random_items, bts, bts_items``.

    Raises
    ------
    DatasetUnavailableError
        If the data set is unknown, cannot be downloaded, or differs from its digest.
    """
    folder = fetch(name)
    return _REGISTRY[name].read(folder)


def fetch_dataset(dataset: PublicDataset) -> Path:
    """Find or download a data set and verify its digests; see `fetch`."""
    data_dir = os.environ.get(_DATA_DIR)
    if data_dir:
        folder = Path(data_dir) / dataset.name
        if all((folder / file.path).is_file() for file in dataset.files):
            for file in dataset.files:
                _verify(dataset, folder, file)
            return folder
    return _download(dataset)


def _download(dataset: PublicDataset) -> Path:
    manual = [file.path for file in dataset.files if file.url is None]
    if manual:
        raise DatasetUnavailableError(
            f"data set '{dataset.name}' ({dataset.title}) must be downloaded by hand: "
            f"{', '.join(manual)} has no stable address. {_instructions(dataset)}"
        )
    import pooch

    folder = Path(pooch.os_cache("churnkit")) / dataset.name
    for file in dataset.files:
        target = folder / file.path
        try:
            pooch.retrieve(
                file.url,
                known_hash=f"sha256:{file.sha256}",
                fname=target.name,
                path=target.parent,
            )
        except (OSError, ValueError) as error:
            raise DatasetUnavailableError(
                f"data set '{dataset.name}' ({dataset.title}) is not in {_DATA_DIR}, and "
                f"{file.url} could not be downloaded as {file.path} ({type(error).__name__}). "
                f"{_instructions(dataset)}"
            ) from error
    return folder


def _instructions(dataset: PublicDataset) -> str:
    paths = ", ".join(f"{_DATA_DIR}/{dataset.name}/{file.path}" for file in dataset.files)
    return (
        f"Download it from {dataset.source} (terms: {dataset.terms}), save it as {paths}, and set "
        f"the environment variable {_DATA_DIR}."
    )


def _verify(dataset: PublicDataset, folder: Path, file: PublicFile) -> None:
    digest = hashlib.sha256()
    with (folder / file.path).open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != file.sha256:
        raise DatasetUnavailableError(
            f"{_DATA_DIR}/{dataset.name}/{file.path} is not the published file: its SHA-256 "
            f"starts with {digest.hexdigest()[:12]}, not {file.sha256[:12]}. "
            f"{_instructions(dataset)}"
        )

"""Every parser reads a changed input or refuses it in words: no crash, no hang, no other error."""

from __future__ import annotations

import contextlib
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import strategies as st

from churnkit.contracts import Contract
from churnkit.core.io.table_sources import read_table
from churnkit.decisions import Catalogue, Ranking
from churnkit.errors import ChurnkitError
from churnkit.trees import compile_booster
from churnkit.trees.parsing.catboost import compile_catboost
from churnkit.trees.parsing.xgboost import compile_xgboost
from tests.security.mutation import changed_bytes, changed_document, fuzz

ROWS = np.array([[0.0, 1.0], [3.0, np.nan], [1e300, -1e300], [-1.0, 0.5]])


def read_or_refuse(read):
    """Run a reader; a refusal is a short message without a traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except ChurnkitError as error:
            message = str(error)
    assert message.strip()
    assert len(message) < 5_000
    return None


def scores_of(trees):
    width = max(2, len(trees.feature_names)) if hasattr(trees, "feature_names") else 2
    if width > 1_000:
        return
    rows = np.zeros((len(ROWS), width))
    rows[:, :2] = ROWS
    with contextlib.suppress(ChurnkitError):
        trees.predict(rows, raw_score=True)


def test_texts_of_lightgbm():
    def check(content):
        trees = read_or_refuse(lambda: compile_booster(content.decode("utf-8", "replace")))
        if trees is not None:
            scores_of(trees)

    fuzz(changed_bytes("lightgbm"), check)


@pytest.mark.parametrize(
    ("name", "read"), [("xgboost", compile_xgboost), ("catboost", compile_catboost)]
)
def test_documents_of_xgboost_and_catboost(name, read):
    def check(document):
        trees = read_or_refuse(lambda: read(document))
        if trees is not None:
            scores_of(trees)

    fuzz(changed_document(name), check)


def test_texts_of_xgboost():
    fuzz(
        changed_bytes("xgboost"),
        lambda content: read_or_refuse(lambda: compile_xgboost(content.decode("utf-8", "replace"))),
    )


def test_catalogues_and_rankings():
    def check(document):
        for kind in (Catalogue, Ranking):
            read = read_or_refuse(lambda kind=kind: kind.from_dict(document))
            if read is not None:
                assert kind.from_dict(read.to_dict()) == read or _has_nan(read.to_dict())

    fuzz(changed_document("catalogue"), check)


def _has_nan(value):
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list):
        return any(map(_has_nan, value))
    return isinstance(value, float) and math.isnan(value)


def test_contracts():
    fuzz(
        st.one_of(changed_document("contract").map(_dump), changed_bytes("contract").map(_decode)),
        lambda text: read_or_refuse(lambda: Contract.from_json(text)),
    )


def _dump(document):
    return json.dumps(document)


def _decode(content):
    return content.decode("utf-8", "replace")


def test_csv_files(tmp_path):
    file = tmp_path / "table.csv"

    def check(content):
        file.write_bytes(content)
        read_or_refuse(lambda: read_table(file))

    fuzz(changed_bytes("csv"), check)


def test_files_of_settings(tmp_path):
    pytest.importorskip("msgspec", reason="the extra 'serve' is not installed")
    from churnkit.server import Settings
    from churnkit.server.settings import unknown_settings

    file = tmp_path / "service.toml"
    variables = {"CHURNKIT_CONFIG": str(file)}

    def check(content):
        file.write_bytes(content)
        read_or_refuse(lambda: Settings.from_environment(variables))
        read_or_refuse(lambda: unknown_settings(variables))

    fuzz(changed_bytes("toml"), check)

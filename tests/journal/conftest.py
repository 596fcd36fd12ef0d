"""Journals on SQLite and on a real PostgreSQL server, which the tests start and stop."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from churnkit.journal import Journal


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request, tmp_path):
    """The URL of an empty journal, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server = request.getfixturevalue("postgres")
    import psycopg

    schema = f"t{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{schema}"')
    return f"{server}&options={quote(f'-csearch_path={schema}')}"


@pytest.fixture
def journal(journal_url):
    with Journal.open(journal_url) as opened:
        yield opened

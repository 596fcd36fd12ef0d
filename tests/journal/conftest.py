"""Journals on SQLite and on a real PostgreSQL server, which the tests start and stop."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from churnkit.journal import Journal


def _binaries():
    """Find PostgreSQL's programs: where Debian puts them, or on the path."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    for home in reversed(homes):
        if (home / "initdb").is_file():
            return home
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _as_user():
    """PostgreSQL refuses to run as root: then it runs as the user that Debian makes for it."""
    if os.getuid() != 0:
        return {}
    import pwd

    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own on a socket of our own; gives its SQLAlchemy URL."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    home = _binaries()
    if home is None:
        pytest.skip("PostgreSQL is not installed")
    who = _as_user()
    folder = Path(tempfile.mkdtemp(prefix="churnkit-postgres-"))
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        said = (folder / "said").open("wb")
        data = str(folder / "data")

        def run(*command):
            done = subprocess.run(
                list(command), cwd=folder, stdout=said, stderr=said, check=False, **who
            )
            assert done.returncode == 0, (folder / "said").read_text()

        run(home / "initdb", "-D", data, "-U", "churnkit", "-A", "trust", "-N", "-E", "UTF8")
        server = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=60"
        run(home / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", server, "start")
        try:
            yield f"postgresql://churnkit@/postgres?host={quote(str(folder))}"
        finally:
            run(home / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
            said.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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

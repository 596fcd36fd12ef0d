"""A query ends on SIGINT and SIGTERM, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

BUILD = """
import sys, pyarrow as pa
from churnkit.timeline import *
from churnkit.timeline.engines.duckdb import connect
with connect("1GB", sys.argv[1], 1) as con:
    print("started", flush=True)
    {query}
"""
# Queries that would run for hours: while one executes, and while its result is read.
QUERIES = {
    "execute": "con.execute('CREATE TABLE t AS SELECT sum(a.i * b.i) FROM range(3000000) a(i), range(3000000) b(i)')",
    "read": "next(iter(con.sql('SELECT sum(a.i * b.i) s FROM range(3000000) a(i), range(3000000) b(i)').fetch_arrow_reader(9)))",
}  # fmt: skip


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="on Python 3.13 some signals do not end a query: open fault"
)
@pytest.mark.parametrize("query", sorted(QUERIES))
@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_a_query_and_removes_its_folder(tmp_path, query, number, expected):
    script = BUILD.format(query=QUERIES[query])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(1.0)
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == expected, error
    assert not list(tmp_path.iterdir())
    assert "RuntimeError" not in error


def test_handlers_are_restored():
    from churnkit.timeline.engines.signals import stop_on_signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signal(lambda: None):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1

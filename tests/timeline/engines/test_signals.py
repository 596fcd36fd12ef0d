"""A query ends on SIGINT and SIGTERM, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
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


def test_the_exception_of_a_signal_is_raised_where_the_block_ends():
    from churnkit.timeline.engines.signals import stop_on_signal

    interrupted = threading.Event()
    reached: list[str] = []
    with pytest.raises(SystemExit) as ended, stop_on_signal(interrupted.set):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupted.wait(10)
        reached.append("the end of the block")
    assert ended.value.code == 128 + signal.SIGTERM
    assert reached


def test_a_second_signal_does_not_wait_for_the_query():
    from churnkit.timeline.engines.signals import stop_on_signal

    def send_twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    started = time.monotonic()
    with pytest.raises(SystemExit), stop_on_signal(lambda: None):
        send_twice()
    assert time.monotonic() - started < 5


def test_an_interruption_that_comes_too_early_is_repeated():
    from churnkit.timeline.engines.signals import stop_on_signal

    calls: list[None] = []
    third = threading.Event()

    def interrupt():
        calls.append(None)
        if len(calls) == 3:
            third.set()

    with pytest.raises(SystemExit), stop_on_signal(interrupt):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        assert third.wait(10)


def test_handlers_are_restored():
    from churnkit.timeline.engines.signals import stop_on_signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signal(lambda: None):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1

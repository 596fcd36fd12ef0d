"""Many writers at once, and writers that die: limits hold, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from churnkit.decisions import ContactLimit
from churnkit.journal import Journal

START = datetime(2026, 11, 1, tzinfo=UTC)

# Eight writers that share the imports, and nothing else: each opens the journal for itself.
CROWD = """
import multiprocessing, random, sys
from datetime import datetime, timedelta, UTC
from churnkit.decisions import ContactLimit
from churnkit.journal import DecisionRecord, Journal

limits = (ContactLimit(2, days=30), ContactLimit(1, days=10, channel="phone"))
start = datetime(2026, 11, 1, tzinfo=UTC)

def write(writer, gate):
    chance = random.Random(writer)
    journal = Journal.open(sys.argv[1])
    gate.wait(60)
    for turn in range(12):
        batch = []
        for place in range(chance.randrange(1, 16)):
            at = start + timedelta(hours=chance.randrange(720))
            channel = chance.choice(["phone", "email"])
            batch.append(DecisionRecord(
                f"{writer}-{turn}-{place}", f"c{chance.randrange(25)}", at, at, "shop",
                action=channel, channel=channel, propensity=1.0))
        journal.record(batch, limits=limits)
        # All writers also hand in the same decision.
        same = DecisionRecord(f"same-{turn}", "shared", start, start, "shop")
        journal.record([same], limits=limits)

fork = multiprocessing.get_context("fork")
gate = fork.Barrier(8)
writers = [fork.Process(target=write, args=(writer, gate)) for writer in range(8)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join(120)
print(*[writer.exitcode for writer in writers])
"""

MORTAL = """
import sys
from datetime import datetime, UTC
from churnkit.journal import DecisionRecord, Journal

journal = Journal.open(sys.argv[1])
at = datetime(2026, 11, 1, tzinfo=UTC)
for turn in range(int(sys.argv[2])):
    journal.record(
        DecisionRecord(f"{turn}-{place}", f"c{place}", at, at, "shop", action="mail", propensity=1)
        for place in range(40))
    print(turn, flush=True)
"""


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def most_within(times, days):
    times = sorted(times)
    window = timedelta(days=days)
    return max(sum(first <= at < first + window for at in times) for first in times)


def test_eight_writers_at_once_never_break_a_limit_or_double_an_entry(journal_url):
    crowd = start(CROWD, journal_url)
    assert crowd.communicate()[0].split() == ["0"] * 8
    with Journal.open(journal_url) as journal:
        rows = journal.decisions().to_pylist()
    keys = Counter(row["key"] for row in rows)
    assert set(keys.values()) == {1}
    assert sum(key.startswith("same-") for key in keys) == 12
    sent = [row for row in rows if row["action"] is not None]
    assert any(row["capped"] for row in rows)
    for customer in {row["customer"] for row in sent}:
        mine = [row for row in sent if row["customer"] == customer]
        assert most_within([row["decided_at"] for row in mine], 30) <= 2
        by_phone = [row["decided_at"] for row in mine if row["channel"] == "phone"]
        assert not by_phone or most_within(by_phone, 10) <= 1


@pytest.mark.parametrize("acknowledged", [3, 11])
def test_a_writer_that_is_killed_loses_nothing_and_its_second_run_doubles_nothing(
    journal_url, acknowledged
):
    Journal.open(journal_url).close()
    writer = start(MORTAL, journal_url, 400)
    last = -1
    try:
        while last < acknowledged:
            last = int(writer.stdout.readline())
    finally:
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    said = [last, *map(int, rest.split())]
    with Journal.open(journal_url) as journal:
        groups = Counter(key.split("-")[0] for key in journal.decisions()["key"].to_pylist())
        # Each group is there whole or not at all, and all that was acknowledged is there.
        assert set(groups.values()) == {40}
        assert {str(turn) for turn in range(max(said) + 1)} <= set(groups)
        assert len(groups) <= max(said) + 2
        again = start(MORTAL, journal_url, len(groups) + 2)
        again.communicate(timeout=60)
        assert again.returncode == 0
        assert journal.decisions().num_rows == 40 * (len(groups) + 2)
        assert journal.record([], limits=(ContactLimit(1, days=1),)).written == 0

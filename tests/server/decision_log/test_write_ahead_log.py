"""Every stored decision is read back as it was, or not stored at all."""

import errno
import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.core.io.lock import lock_stream
from churnkit.journal import DecisionRecord
from churnkit.server.decision_log.write_ahead_log import WriteAheadLog

DAY = date(2026, 11, 1)
RECORD = DecisionRecord(
    "k1",
    "m7",
    DAY,
    datetime(2026, 11, 1, 12, 30, 0, 123457, UTC),
    "gym",
    action="call",
    propensity=0.1 + 0.2,
    eligible=("call", "offer"),
    expected_gain=1e-17,
    holdout="call",
    detail={"row": {"fee": 0.1, "city": None}, "state": 3},
)


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    return folder


def die(log):
    """Close the file as the death of its worker does."""
    log._stream.close()
    return log._file


def orphans(spool):
    reader = WriteAheadLog(spool)
    found = list(reader.orphans())
    reader.close()
    return found


def test_a_record_is_read_back_with_the_same_content(spool):
    log = WriteAheadLog(spool)
    log.add([RECORD, replace(RECORD, key="k2", detail=None)])
    log.sync()
    die(log)
    [orphan] = orphans(spool)
    # The digest decides whether the journal takes a second write as the same decision.
    assert orphan.records[0].to_row() == RECORD.to_row()
    assert [record.key for record in orphan.records] == ["k1", "k2"]
    assert (orphan.invalid, orphan.torn_bytes) == ((), 0)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60).filter(lambda line: b"\n" not in line),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["key", "action", "detail"]), inner)
            ),
            max_leaves=6,
        ).map(lambda value: json.dumps(value).encode()),
        st.tuples(
            st.sampled_from([*json.loads(json.dumps(RECORD.to_row()))]),
            st.sampled_from([None, 1, -1e999, "x" * 201, "", {}, [1], [[]], True, "a\0"]),
        ).map(lambda change: json.dumps({**RECORD.to_row(), change[0]: change[1]}).encode()),
    )
)
def test_no_line_keeps_the_others_from_being_read(tmp_path_factory, line):
    spool = tmp_path_factory.mktemp("spool")
    log = WriteAheadLog(spool)
    log.add([RECORD])
    log._stream.write(line + b"\n")
    log._size += len(line) + 1
    log.add([replace(RECORD, key="k2")])
    die(log)
    [orphan] = orphans(spool)
    keys = [record.key for record in orphan.records]
    assert keys[0] == "k1"
    assert keys[-1] == "k2"
    assert len(keys) + len(orphan.invalid) == 3
    for record in orphan.records:
        assert record.to_row()


class FullDisk:
    """A file on a disk that has room for some more bytes."""

    def __init__(self, stream, room):
        self._stream = stream
        self._room = room

    def write(self, content):
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(len(content), self._room, 7)
        self._room -= taken
        return self._stream.write(content[:taken])

    def __getattr__(self, name):
        return getattr(self._stream, name)


@pytest.mark.parametrize("room", [0, 1, 300])
def test_on_a_full_disk_a_decision_is_stored_whole_or_refused(spool, room):
    log = WriteAheadLog(spool)
    log.add([RECORD])
    before = log._file.stat().st_size
    full: Any = FullDisk(log._stream, room)
    stream, log._stream = log._stream, full
    with pytest.raises(OSError, match="No space"):
        log.add([replace(RECORD, key="k2"), replace(RECORD, key="k3")])
    assert log._file.stat().st_size == before
    roomy: Any = FullDisk(stream, 10_000)
    log._stream = roomy
    log.add([replace(RECORD, key="k4")])
    die(log)
    [orphan] = orphans(spool)
    assert [record.key for record in orphan.records] == ["k1", "k4"]
    assert (orphan.invalid, orphan.torn_bytes) == ((), 0)


def test_a_partial_write_that_could_not_be_cut_is_cut_before_the_next(spool):
    log = WriteAheadLog(spool)
    log.add([RECORD])
    os.write(log._stream.fileno(), b'{"key": "half')
    log.add([replace(RECORD, key="k2")])
    die(log)
    [orphan] = orphans(spool)
    assert [record.key for record in orphan.records] == ["k1", "k2"]
    assert (orphan.invalid, orphan.torn_bytes) == ((), 0)


def test_the_file_of_a_starting_worker_is_not_removed_as_an_orphan(spool, monkeypatch):
    stolen: list[str] = []

    def slow_lock(stream, *, wait):
        # Between the creation and the lock, another worker looks for orphans.
        if wait and not stolen:
            stolen.append(stream.name)
            for file in spool.glob("*.decisions"):
                file.unlink()
        lock_stream(stream, wait=wait)

    monkeypatch.setattr(f"{WriteAheadLog.__module__}.lock_stream", slow_lock)
    log = WriteAheadLog(spool)
    log.add([RECORD])
    assert log._file.read_bytes()
    log.close()


def test_files_are_readable_by_their_owner_alone(spool):
    log = WriteAheadLog(spool)
    log.add([RECORD])
    rejected = log.reject([RECORD, b"damaged"])
    log.close()
    assert {file.stat().st_mode & 0o777 for file in spool.iterdir()} == {0o600}
    assert rejected.read_bytes().endswith(b"damaged\n")

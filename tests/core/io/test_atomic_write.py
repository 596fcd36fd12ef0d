from __future__ import annotations

import os
import stat
import threading

import numpy as np
import pytest

from churnkit.core.io.atomic_write import StagedFile, atomic_write, write_atomic
from churnkit.decisions import Action, Catalogue, Effect, ShadowPrices
from churnkit.decisions.allocation.plan import read_prices, write_prices


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    write_atomic(target, "old")

    def fail():
        with atomic_write(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_nothing_appears_before_the_commit(tmp_path):
    staged = StagedFile(tmp_path / "deep" / "a.txt")
    staged.path.write_text("new")
    assert not staged.target.exists()
    staged.commit()
    assert staged.target.read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
@pytest.mark.parametrize(("mask", "mode", "expected"), [(0o022, 0o666, 0o644), (0, 0o600, 0o600)])
def test_the_mode_is_reduced_by_the_umask_and_the_umask_is_not_changed(
    tmp_path, monkeypatch, mask, mode, expected
):
    before = os.umask(mask)
    try:
        calls: list[int] = []
        monkeypatch.setattr(os, "umask", calls.append)
        write_atomic(tmp_path / "a", b"x", mode=mode)
        assert calls == []
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == expected


def test_two_threads_that_write_prices_800_times_never_fail(tmp_path):
    catalogue = Catalogue((Action("call", "A call", 5, Effect(0, 0.1, 0.2)),))
    target = tmp_path / "prices.json"
    errors = []

    def write(value):
        try:
            for _ in range(400):
                write_prices(target, ShadowPrices(value, np.zeros(1)), catalogue)
        except Exception as error:  # noqa: BLE001 - any error is a failure of the test
            errors.append(error)

    threads = [threading.Thread(target=write, args=(value,)) for value in (0.25, 0.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert read_prices(target, catalogue).budget in {0.25, 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["prices.json"]

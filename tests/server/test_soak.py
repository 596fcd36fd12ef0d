"""Seconds of load while versions change and workers die; `benchmarks.soak` does hours."""

import pytest

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_no_answer_is_wrong_or_lost_while_versions_change_and_workers_die(
    bento_home, tmp_path, monkeypatch
):
    from benchmarks.soak import soak

    seen = soak(tmp_path, seconds=20.0, change=2.0, kill=8.0)
    assert seen["wrong"] == {}
    assert seen["lost"] == 0
    assert seen["recommendations"] > 0
    assert seen["answers"]["200"] > 100
    assert seen["answers"]["422"] + seen["answers"]["400"] > 10
    assert seen["answers"]["bad versions"] >= 1
    assert seen["answers"]["killed workers"] >= 1
    assert seen["swapped"] >= 3
    assert seen["refused_versions"] >= 1
    assert "versions" not in seen["wrong"]

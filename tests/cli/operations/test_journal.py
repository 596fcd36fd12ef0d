"""``churnkit journal prune``: what it deletes, what it keeps and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from churnkit.bundle import RetentionModel
from churnkit.cli.main import DONE, REFUSED
from churnkit.decisions import ContactLimit
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.journal import DecisionRecord, Journal

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")


@pytest.fixture
def url(tmp_path):
    """URL of a journal with decisions of 400, 200 and 10 days ago."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    now = datetime.now(UTC)
    with Journal.open(url) as journal:
        journal.record(
            DecisionRecord(f"k{days}", f"idcanary{days}", at, at, "shop", action="call")
            for days, at in ((days, now - timedelta(days=days)) for days in (400, 200, 10))
        )
    return url


def keys(url):
    with Journal.open(url) as journal:
        return journal.decisions()["key"].to_pylist()


def test_a_dry_run_lists_what_the_command_deletes(churnkit, url, shop_copy):
    command = ("journal", "prune", "--keep-days", "100", "--journal", url)
    code, out, err = churnkit(*command, "--dry-run", folder=shop_copy.root)
    assert code == DONE
    assert "Would be deleted" in out
    assert "next: the same command without --dry-run" in err
    assert keys(url) == ["k400", "k200", "k10"]
    code, out, err = churnkit(*command, "--json")
    assert code == DONE
    assert json.loads(out)["decisions"] == 2
    assert keys(url) == ["k10"]
    assert "idcanary" not in out + err


def test_the_longest_contact_window_of_the_registered_models_is_kept(
    churnkit, url, shop_copy, monkeypatch
):
    real = RetentionModel.load

    def with_limit(*arguments, **settings):
        model = real(*arguments, **settings)
        assert model.contents.catalogue is not None
        assert model.contents.catalogue is not None
        catalogue = replace(
            model.contents.catalogue, contact=ContactPolicy((ContactLimit(1, days=300),))
        )
        return RetentionModel(replace(model.contents, catalogue=catalogue))

    monkeypatch.setattr(RetentionModel, "load", with_limit)
    code, out, _ = churnkit(
        *("journal", "prune", "--keep-days", "100", "--journal", url), folder=shop_copy.root
    )
    assert code == DONE
    assert keys(url) == ["k200", "k10"]
    assert "contact limits" in out
    assert "2 decisions and reviews" in _


def test_policies_without_a_registered_model_need_their_contact_window(churnkit, url, tmp_path):
    (tmp_path / "empty").mkdir()
    command = ("journal", "prune", "--before", "2026-01-01", "--journal", url)
    code, _, err = churnkit(*command, folder=tmp_path / "empty")
    assert code == REFUSED
    assert "--contact-days" in err
    assert keys(url) == ["k400", "k200", "k10"]
    code, _, _ = churnkit(*command, "--contact-days", "30")
    assert code == DONE


@pytest.mark.parametrize(
    "options", [(), ("--before", "2026-01-01", "--keep-days", "5"), ("--before", "2999-01-01")]
)
def test_a_date_is_required_once_and_not_in_the_future(churnkit, url, options):
    code, _, err = churnkit("journal", "prune", *options, "--journal", url, "--contact-days", "1")
    assert code == REFUSED
    assert "before" in err
    assert len(keys(url)) == 3

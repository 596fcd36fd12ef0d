"""``churnkit journal prune``: what it deletes, what it keeps and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from churnkit.bundle import Registry, RetentionModel
from churnkit.bundle.parts.ranker import Ranker
from churnkit.cli.main import DONE, REFUSED
from churnkit.decisions import Action, ContactLimit, Ranking
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.journal import DecisionRecord, Journal
from churnkit.models import LinearBandit

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


def with_catalogue(contents, contact):
    """Return a model's contents with contact rules in its catalogue."""
    assert contents.catalogue is not None
    return replace(contents, catalogue=replace(contents.catalogue, contact=contact))


def with_ranking(contents, contact):
    """Return a model's contents with a ranking, which has contact rules, and no catalogue."""
    ranking = Ranking((Action("news", "News"),), outcome="clicked", contact=contact)
    compiled = compile_ranking(ranking, contents.contract.encoded("recommend"))
    bandit = LinearBandit.new(
        customer_features=len(compiled.indices), categories=compiled.categories
    )
    return replace(contents, catalogue=None, ranker=Ranker(ranking, bandit))


@pytest.mark.parametrize("change", [with_catalogue, with_ranking])
@pytest.mark.parametrize("has_alias", [True, False])
def test_the_longest_contact_window_of_the_registered_models_is_kept(
    churnkit, url, shop_copy, monkeypatch, change, has_alias
):
    real, real_versions = RetentionModel.load, Registry.versions

    def with_limit(*arguments, **settings):
        contact = ContactPolicy((ContactLimit(1, days=300),))
        return RetentionModel(change(real(*arguments, **settings).contents, contact))

    def without_alias(registry, name):
        return [replace(version, aliases=()) for version in real_versions(registry, name)]

    monkeypatch.setattr(RetentionModel, "load", with_limit)
    if not has_alias:
        monkeypatch.setattr(Registry, "versions", without_alias)
    code, out, err = churnkit(
        *("journal", "prune", "--keep-days", "100", "--journal", url), folder=shop_copy.root
    )
    assert code == DONE
    assert keys(url) == ["k200", "k10"]
    assert "contact limits" in out
    assert "2 decisions and reviews" in err


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


@pytest.mark.parametrize("option", ["--keep-days", "--outcome-days", "--contact-days"])
def test_a_length_over_a_century_is_refused(churnkit, url, option):
    others = [] if option == "--keep-days" else ["--keep-days", "5"]
    code, _, err = churnkit("journal", "prune", option, "1e12", *others, "--journal", url)
    assert code == REFUSED
    assert option in err
    assert "Traceback" not in err
    assert len(keys(url)) == 3


def test_the_longest_lengths_delete_nothing(churnkit, url):
    lengths = ("--keep-days", "36500", "--outcome-days", "36500", "--contact-days", "36500")
    code, _, _ = churnkit("journal", "prune", *lengths, "--journal", url)
    assert code == DONE
    assert len(keys(url)) == 3

"""The spool belongs to one user, one service and one journal."""

import os

import pytest

from churnkit.errors import ChurnkitError, JournalError
from churnkit.server.decision_log.spool_folder import (
    default_spool,
    journal_identity,
    prepare_spool,
)


def test_a_new_spool_is_for_its_owner_alone(tmp_path):
    folder = prepare_spool(tmp_path / "a" / "spool", "j1")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert prepare_spool(folder, "j1") == folder


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_spool_that_other_users_can_reach_is_refused(tmp_path, mode):
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ChurnkitError, match="chmod 700"):
        prepare_spool(folder, "j1")


def test_a_spool_of_another_user_is_refused(tmp_path, monkeypatch):
    folder = prepare_spool(tmp_path / "spool", "j1")
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ChurnkitError, match="another user"):
        prepare_spool(folder, "j1")


@pytest.mark.parametrize("target", ["folder", "file"])
def test_a_link_or_a_file_is_refused_as_a_spool(tmp_path, target):
    real = tmp_path / target
    real.mkdir(mode=0o700) if target == "folder" else real.touch()
    link = tmp_path / "spool"
    link.symlink_to(real)
    with pytest.raises(ChurnkitError):
        prepare_spool(link, "j1")


def test_two_journals_never_share_a_spool(tmp_path):
    folder = prepare_spool(tmp_path / "spool", journal_identity("sqlite:///a.db"))
    with pytest.raises(ChurnkitError, match="another journal"):
        prepare_spool(folder, journal_identity("sqlite:///b.db"))


def test_the_default_is_named_by_service_and_journal_and_outlives_a_restart(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = default_spool("telco", journal_identity("sqlite:///a.db"))
    assert one.is_relative_to(tmp_path / "churnkit")
    assert one != default_spool("telco", journal_identity("sqlite:///b.db"))
    assert one != default_spool("other", journal_identity("sqlite:///a.db"))
    assert default_spool("../x/y", "0" * 64).parent == one.parent
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(default_spool("telco", "0" * 64)).startswith("/home/someone/.local/state/")


def test_a_journal_is_the_same_with_another_password_or_from_another_folder(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/a.db"
    monkeypatch.chdir(tmp_path)
    assert journal_identity("sqlite:///a.db") == journal_identity(url)
    assert not list(tmp_path.iterdir())
    with pytest.raises(JournalError):
        journal_identity("mysql://db/a")

"""Settings from the environment: known names, and paths that hold in any working folder."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from churnkit.errors import ChurnkitError
from churnkit.journal import Journal
from churnkit.server import Settings
from churnkit.server.settings import unknown_settings


def test_unknown_settings_are_named_with_the_similar_one():
    environment = {
        "CHURNKIT_JOURNL": "sqlite://",
        "CHURNKIT_JOURNAL": "sqlite://",
        "CHURNKIT_XYZ": "1",
        "CHURNKIT_MODEL": "models:/telco",
        "PATH": "/bin",
    }
    assert unknown_settings(environment) == {
        "CHURNKIT_JOURNL": "CHURNKIT_JOURNAL",
        "CHURNKIT_XYZ": "",
    }


def test_unknown_settings_are_logged_at_the_start(live, monkeypatch, caplog):
    monkeypatch.setenv("CHURNKIT_MAX_ROW", "5")

    async def questions(client):
        return await client.get("/livez")

    assert live(questions).status_code == 200
    assert "CHURNKIT_MAX_ROW is no setting: use CHURNKIT_MAX_ROWS" in caplog.text


def test_a_journal_in_the_working_folder_stays_there(tmp_path, monkeypatch):
    """The service runs in a temporary folder, which is removed when it stops."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(journal="sqlite:///journal.db", spool="spool", keys="k.json", shadow="b")
    paths = settings.absolute_paths()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    Journal.open(paths["CHURNKIT_JOURNAL"]).close()
    assert (tmp_path / "journal.db").exists()
    assert paths["CHURNKIT_SPOOL"] == str(tmp_path / "spool")
    assert paths["CHURNKIT_KEYS"] == str(tmp_path / "k.json")
    assert paths["CHURNKIT_SHADOW"] == str(tmp_path / "b")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:////data/j.db", "postgresql://u:p%40w@db:5432/j?sslmode=require"]
)
def test_addresses_that_are_absolute_stay_as_they_are(url):
    assert Settings(journal=url, follow="models:/a@champion").absolute_paths() == {
        "CHURNKIT_JOURNAL": url,
        "CHURNKIT_FOLLOW": "models:/a@champion",
    }


def test_a_sync_policy_that_does_not_exist_is_refused():
    with pytest.raises(ChurnkitError, match="always, second or never"):
        Settings.from_environment({"CHURNKIT_SPOOL_SYNC": "sometimes"})


def test_every_setting_is_on_the_page_with_its_default():
    page = Path(__file__).parents[2] / "docs" / "serving.md"
    listed: dict[str, str] = {}
    for names, values in re.findall(r"(?m)^\| (`[A-Z_`, ]+`) \| ([^|]+) \|", page.read_text()):
        defaults = [value.strip().split(" (")[0].strip("`") for value in values.split(",")]
        settings = re.findall(r"[A-Z_]+", names)
        defaults += defaults[-1:] * (len(settings) - len(defaults))
        listed |= dict(zip(settings, defaults, strict=True))
    known: dict[str, Any] = {setting.name.upper(): setting.default for setting in fields(Settings)}
    assert set(known) <= set(listed)
    for name, default in known.items():
        text = listed[name]
        if default is None:
            assert text in {"none", "see above"}, name
        elif isinstance(default, str):
            assert text == default, name
        else:
            assert float(text) == float(default), name


def test_a_file_has_the_settings_and_the_environment_wins(tmp_path):
    (tmp_path / "service.toml").write_text(
        'max_rows = 50\nopen = true\nbody_seconds = 2.5\nkeys = "keys.json"\n'
        'journal = "sqlite:///journal.db"\nfollow = "models:/telco@champion"\nmax_row = 1\n'
    )
    environment = {"CHURNKIT_CONFIG": str(tmp_path / "service.toml"), "CHURNKIT_OPEN": "0"}
    settings = Settings.from_environment(environment)
    assert (settings.max_rows, settings.open, settings.body_seconds) == (50, False, 2.5)
    assert settings.keys == str(tmp_path / "keys.json")
    assert settings.journal == f"sqlite:///{tmp_path / 'journal.db'}"
    assert settings.follow == "models:/telco@champion"
    assert unknown_settings(environment) == {"CHURNKIT_MAX_ROW": "CHURNKIT_MAX_ROWS"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"max_rows = ", "not TOML"),
        (b"\xff", "not TOML"),
        (b"[limits]\nmax_rows = 5", "limits must be a text, a number"),
        (b"max_rows = true", "CHURNKIT_MAX_ROWS must be a whole number"),
        (b'max_rows = "many"', "CHURNKIT_MAX_ROWS must be a whole number"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(tmp_path, content, message):
    file = tmp_path / "service.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ChurnkitError, match=message):
        Settings.from_environment({"CHURNKIT_CONFIG": str(file)})


def test_a_file_with_the_mark_of_an_editor_and_a_driver_in_its_url_is_read(tmp_path):
    file = tmp_path / "service.toml"
    file.write_bytes(b'\xef\xbb\xbfmax_rows = 7\njournal = "sqlite+pysqlite:///j.db"\n')
    settings = Settings.from_environment({"CHURNKIT_CONFIG": str(file)})
    assert settings.max_rows == 7
    assert settings.journal == f"sqlite+pysqlite:///{tmp_path / 'j.db'}"


def test_names_that_no_setting_of_the_file_has_are_named(tmp_path):
    file = tmp_path / "service.toml"
    file.write_text('model = "telco"\nKEYS = "keys.json"\nmax_rows = 3\n')
    environment = {"CHURNKIT_CONFIG": str(file)}
    assert Settings.from_environment(environment).keys is None
    assert set(unknown_settings(environment)) == {"CHURNKIT_MODEL", "KEYS"}


def test_origins_are_checked_before_a_service_is_packed():
    with pytest.raises(ChurnkitError, match="exact origins"):
        Settings.from_environment({"CHURNKIT_CORS": "*"})

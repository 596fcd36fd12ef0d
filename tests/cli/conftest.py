"""Run commands in this process and capture their output."""

from __future__ import annotations

import pytest

from churnkit.cli.main import run


@pytest.fixture
def churnkit(capsys, monkeypatch):
    """Run a command in this process, in a folder: its code, and what it printed where."""

    def churnkit(*arguments, folder=None):
        if folder is not None:
            monkeypatch.chdir(folder)
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return code, printed.out, printed.err

    return churnkit


@pytest.fixture
def customers(tmp_path, rows_of_shop, to_csv):
    return to_csv(tmp_path / "new.csv", rows_of_shop(30, seed=21))

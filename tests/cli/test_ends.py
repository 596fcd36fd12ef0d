"""Exit codes and messages of commands, in this process and in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from churnkit.cli.main import DONE, FAULT, REFUSED
from churnkit.errors import ChurnkitError


class TestEnds:
    """The ways in which a command can end."""

    @pytest.fixture
    def failing(self, churnkit, monkeypatch, tmp_path):
        def failing(error):
            from churnkit.core import project

            def fail(*_):
                raise error

            monkeypatch.setattr(project.Project, "recipes", fail)
            return churnkit("doctor", folder=tmp_path)

        return failing

    def test_a_refusal_is_one_line(self, failing):
        assert failing(ChurnkitError("no [bold] luck")) == (
            REFUSED,
            "",
            "churnkit: no [bold] luck\n",
        )

    def test_an_os_error_is_not_an_internal_error(self, failing):
        code, _, err = failing(OSError(28, "No space left on device", "/data/s.csv"))
        assert (code, err) == (REFUSED, "churnkit: /data/s.csv: No space left on device\n")

    def test_an_internal_error_exits_with_two_and_without_its_text(self, failing):
        code, _, err = failing(ValueError("a canary"))
        assert code == FAULT
        assert "internal error: ValueError" in err
        assert "canary" not in err

    def test_an_interruption_is_reported(self, failing):
        code, _, err = failing(KeyboardInterrupt())
        assert code == 130
        assert "interrupted" in err

    def test_with_debugging_the_error_itself_is_raised(self, failing, monkeypatch):
        monkeypatch.setenv("CHURNKIT_DEBUG", "1")
        with pytest.raises(ValueError, match="a canary"):
            failing(ValueError("a canary"))


class TestProcess:
    """Through the real entry point."""

    @pytest.fixture
    def process(self):
        def process(*arguments, **settings):
            return subprocess.run(
                [sys.executable, "-c", "from churnkit.cli import main; main()", *arguments],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=120,
                check=False,
                **settings,
            )

        return process

    def test_the_entry_point_is_installed(self):
        (script,) = metadata.entry_points(group="console_scripts", name="churnkit")
        assert script.load() is __import__("churnkit.cli", fromlist=["main"]).main

    def test_codes_and_streams(self, process, tmp_path):
        helped = process()
        assert (helped.returncode, helped.stderr) == (DONE, "")
        refused = process("score", "none.csv", cwd=tmp_path)
        assert (refused.returncode, refused.stdout) == (REFUSED, "")
        assert refused.stderr == "churnkit: none.csv does not exist: correct the name\n"

    def test_a_closed_pipe_is_no_error(self, shop_model, tmp_path, rows_of_shop,
                                                       to_csv):  # fmt: skip
        shop_model.save(tmp_path / "bundle")
        to_csv(tmp_path / "c.csv", rows_of_shop(20) * 300)
        read, write = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", "from churnkit.cli import main; main()",
             "score", "c.csv", "--model", "bundle"],
            cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        assert os.read(read, 10)
        os.close(read)
        _, message = process.communicate(timeout=60)
        assert process.returncode == DONE, message
        assert b"Traceback" not in message
        assert b"BrokenPipe" not in message

    def test_a_termination_midway_leaves_the_older_scores_and_nothing_else(
        self, process, shop_model, tmp_path, customers
    ):
        shop_model.save(tmp_path / "bundle")
        (tmp_path / "s.csv").write_text("older\n")
        script = (
            "import os, signal, sys\n"
            "from churnkit.batch.io import table_writer\n"
            "table_writer.TableWriter.seal = lambda _: os.kill(os.getpid(), signal.SIGTERM)\n"
            "from churnkit.cli import main\n"
            "main(sys.argv[1:])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script,
             "score", str(customers), "-o", "s.csv", "--model", "bundle"],
            cwd=tmp_path, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 143
        assert (tmp_path / "s.csv").read_text() == "older\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "new.csv", "s.csv"]

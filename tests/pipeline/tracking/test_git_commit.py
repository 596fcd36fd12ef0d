"""The commit of a recipe, read with git itself."""

import shutil
import subprocess

import pytest

from churnkit.pipeline.tracking.git_commit import git_tags

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    (tmp_path / "recipe.py").write_text("seed = 0\n")
    git("add", ".")
    git("commit", "-qm", "first")
    git("remote", "add", "origin", "https://user:secret@example.org/shop.git")
    return tmp_path, git


def test_the_tags_are_those_of_the_commit(repository):
    folder, git = repository
    assert git_tags(folder) == {
        "mlflow.source.git.commit": git("rev-parse", "HEAD"),
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.dirty": "false",
        "mlflow.source.git.repoURL": "https://***@example.org/shop.git",
    }


def test_a_changed_file_makes_the_commit_dirty(repository):
    folder, _ = repository
    (folder / "recipe.py").write_text("seed = 1\n")
    assert git_tags(folder)["mlflow.source.git.dirty"] == "true"


def test_a_folder_outside_a_repository_has_no_tags(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_tags(tmp_path) == {}
    monkeypatch.setenv("PATH", "")
    assert git_tags(tmp_path) == {}

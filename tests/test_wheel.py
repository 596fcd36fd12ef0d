"""Contents of the wheel: the library's code and the project templates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the extra 'test' is not installed")

ROOT = Path(__file__).parent.parent
NEEDED = ["churnkit", "schemas", "training", "serving", "pyproject.toml", "README.md", "LICENSE"]
STRAYS = ["churnkit/.env", "churnkit/model.pkl", "churnkit/cli/notes.txt", "churnkit/data.parquet",
          "serving/.env", "training/mine.csv", "schemas/private.py",
          "churnkit/__pycache__/a.cpython-311.pyc"]  # fmt: skip

pytestmark = [
    pytest.mark.quality,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="the wheel is built from a clone of the repository"
    ),
]


def tracked():
    """List the repository's files, with new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *NEEDED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name for name in listed.stdout.split("\0") if name}
    return sorted(name for name in names if (ROOT / name).is_file())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Wheel built from a copy with stray files."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    for name in STRAYS:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("stray")
    target = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(target), "."],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("retention_decisions-*.whl")
    return built


def test_the_wheel_contains_exactly_code_and_templates(wheel):
    with zipfile.ZipFile(wheel) as archive:
        contents = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {name for name in tracked() if name.startswith("churnkit/")}
    for folder in ("schemas", "training", "serving"):
        files = [name for name in tracked() if name.startswith(f"{folder}/")]
        assert files
        expected |= {f"churnkit/_project/{name}" for name in files}
    assert contents == expected


def test_an_installed_wheel_finds_its_templates_and_copies_them(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "from pathlib import Path\n"
        "import churnkit\n"
        "from churnkit.pipeline.project_templates import copy_templates, serving_folder, template_folder\n"
        "site = Path(churnkit.__file__).parent\n"
        "assert template_folder() == site / '_project', template_folder()\n"
        "copy_templates(['schemas/demo.py', 'training/demo.py'], Path('project'))\n"
        "assert serving_folder(Path('project')) == site / '_project' / 'serving'\n"
        "from churnkit.pipeline import load_recipe\n"
        "print(site, load_recipe('project/training/demo.py').name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "site" / "churnkit"), "demo"]


def test_two_builds_are_equal_byte_for_byte(tmp_path):
    """From clones in other folders, with other times of files and another working umask."""
    wheels = []
    for number, moment in enumerate((1_000_000_000, 1_700_000_000)):
        source = tmp_path / f"clone-{number}"
        for name in tracked():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
            os.utime(source / name, (moment, moment))
        target = tmp_path / f"dist-{number}"
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(target), "."],
            cwd=source,
            capture_output=True,
            text=True,
            check=False,
            umask=(0o022, 0o077)[number],
        )
        assert done.returncode == 0, done.stderr[-1_000:]
        [built] = target.glob("*.whl")
        wheels.append((built.name, built.read_bytes()))
    assert wheels[0] == wheels[1]

"""Python blocks of the documentation run, and its commands exist.

A page's blocks run in order, in one namespace, in an empty folder. Objects that a page assumes
(`customers`, `X`, a trained model) come from ``setups/PAGE.py``, whose `names(reader)` yields them
and cleans up. See `Reader`.
"""

from __future__ import annotations

import contextlib
import re
import runpy
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SETUPS = Path(__file__).parent / "setups"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Pages whose blocks talk to a running service.
SERVED = {"howto_application", "serving"}
# PySpark leaves the sockets of its results to the garbage collector, which warns.
ON_SPARK = (pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("default"))
MARKS = dict.fromkeys(SERVED, (pytest.mark.server, pytest.mark.slow)) | {"howto_spark": ON_SPARK}


@dataclass(frozen=True)
class Reader:
    """Objects for all pages: a trained project, an empty folder, and a function for rows."""

    project: Any
    folder: Path
    rows: Any


def pages():
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for file in sorted(files):
        inside = file.relative_to(ROOT if file.name == "README.md" else ROOT / "docs")
        yield str(inside.with_suffix("")).replace("/", "_").lower(), file


def blocks(file, language):
    text = file.read_text(encoding="utf-8")
    for result in FENCE.finditer(text):
        if result[1] == language:
            yield text.count("\n", 0, result.start()) + 1, result[2]


def with_blocks(language, *, marked=False):
    for name, file in pages():
        if any(blocks(file, language)):
            marks = MARKS.get(name, ()) if marked else ()
            yield pytest.param(name, file, id=name, marks=marks)


def setup(name, reader):
    file = SETUPS / f"{name}.py"
    if not file.exists():
        return contextlib.nullcontext({})
    return contextlib.contextmanager(runpy.run_path(str(file))["names"])(reader)


@pytest.mark.parametrize(("name", "file"), [*with_blocks("python", marked=True)])
def test_the_python_of_a_page_runs(
    name, file, trained_shop, rows_of_shop, tmp_path, monkeypatch, request
):
    if name in SERVED:
        request.getfixturevalue("bento_home")
    if name == "howto_spark":
        request.getfixturevalue("spark")
    monkeypatch.chdir(tmp_path)
    with setup(name, Reader(trained_shop[0], tmp_path, rows_of_shop)) as options:
        namespace = {"__name__": "page", **options}
        for line, block in blocks(file, "python"):
            code = compile("\n" * line + block, str(file), "exec")
            exec(code, namespace)  # noqa: S102 - that it runs is the point


def commands(file):
    for line, block in blocks(file, "bash"):
        for row in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||;|\||&$", row.partition(" #")[0]):
                if part.strip().startswith("churnkit "):
                    yield line, shlex.split(re.split(r"[<>]", part)[0])[1:]


@pytest.mark.parametrize(("name", "file"), [*with_blocks("bash")])
def test_the_commands_of_a_page_exist_with_their_options(name, file):
    from churnkit.cli.app import build_command

    unknown = []
    for line, words in commands(file):
        at = build_command()
        while words and hasattr(at, "commands") and not words[0].startswith("-"):
            at = at.commands.get(words.pop(0))
        options = {option for part in getattr(at, "params", ()) for option in part.opts}
        arguments = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        if at is None or arguments - options - {"--help"}:
            unknown.append(
                f"{file.name}:{line}: {' '.join(sorted(arguments - options)) or 'no command'}"
            )
    assert unknown == []


def test_no_setup_is_left_over():
    assert {file.stem for file in SETUPS.glob("*.py")} <= {name for name, _ in pages()}

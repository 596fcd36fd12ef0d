"""Every block of Python in the documentation runs; every command in it exists.

A page's blocks run in order, in one namespace, in an empty folder. What a reader brings along
(`customers`, `X`, a trained model) comes from ``setups/PAGE.py``, where `names(reader)` yields it;
what it starts ends with the page. See `Reader` for what there is to start from.
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
SERVER = (pytest.mark.server, pytest.mark.slow)


@dataclass(frozen=True)
class Reader:
    """What a reader of any page may have: a trained project, and an empty folder to be in."""

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
    for found in FENCE.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start()) + 1, found[2]


def with_blocks(language, *, marked=False):
    for name, file in pages():
        if any(blocks(file, language)):
            marks = SERVER if marked and name in SERVED else ()
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
    monkeypatch.chdir(tmp_path)
    with setup(name, Reader(trained_shop[0], tmp_path, rows_of_shop)) as known:
        namespace = {"__name__": "page", **known}
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

    strange = []
    for line, words in commands(file):
        at = build_command()
        while words and hasattr(at, "commands") and not words[0].startswith("-"):
            at = at.commands.get(words.pop(0))
        known = {option for part in getattr(at, "params", ()) for option in part.opts}
        asked = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        if at is None or asked - known - {"--help"}:
            strange.append(f"{file.name}:{line}: {' '.join(sorted(asked - known)) or 'no command'}")
    assert strange == []


def test_no_setup_is_left_over():
    assert {file.stem for file in SETUPS.glob("*.py")} <= {name for name, _ in pages()}

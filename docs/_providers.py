"""Write a page for each provider from its description: ``reference/providers/NAME.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit import connect
from churnkit.connect.description.columns import split_column
from churnkit.connect.description.provider import Provider, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = """# Providers

Descriptions of the providers that `churnkit pull` reads, made from the code. What holds for all of them is in
[Connect](../../connect.md).

| Provider | Tables |
|---|---|
"""
_KINDS = {"text": "text", "number": "number", "flag": "true or false"}


def write_pages(folder: Path) -> None:
    """Write the pages and their index into a folder, where their content changed."""
    providers = {
        name: value
        for name in sorted(connect.__all__)
        if isinstance(value := getattr(connect, name), Provider)
    }
    folder.mkdir(exist_ok=True)
    rows = [
        f"| [{name}]({provider.name}.md) | {', '.join(s.name for s in provider.streams)} |"
        for name, provider in providers.items()
    ]
    names = "\n".join(provider.name for provider in providers.values())
    tree = f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    _write(folder / "index.md", _HEAD + "\n".join(rows) + "\n" + tree)
    for name, provider in providers.items():
        _write(folder / f"{provider.name}.md", "\n".join(_page(name, provider)))


def _write(page: Path, text: str) -> None:
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def _page(name: str, provider: Provider) -> Iterator[str]:
    secrets = [
        f'{key}=Env("{provider.name.upper()}_{key.upper()}")' for key in provider.auth.secrets
    ]
    settings = [f'{key}="..."' for key in provider.settings]
    arguments = ", ".join([*secrets, *settings])
    yield f"# {name}\n"
    imported = ", ".join(sorted(["Env", name, "Sources"]))
    yield (
        f"```python\nfrom churnkit.connect import {imported}\n\n"
        f"sources = Sources({provider.name}={name}({arguments}))\n```\n"
    )
    yield f"Access: {provider.access}.\n"
    yield f"{_rate(provider)}\n"
    requested = [stream.name for stream in provider.streams if stream.on_request]
    for stream in provider.streams:
        yield from _stream(provider, stream, on_request=stream.name in requested)


def _rate(provider: Provider) -> str:
    rate = provider.rate
    often = (
        f"{rate.per_second:g} requests a second"
        if rate.per_second >= 1
        else f"{60 * rate.per_second:g} requests a minute"
    )
    reported = ", and the limits that it states in its responses" if rate.remaining else ""
    return f"Rate: at most {often}{reported}."


def _stream(provider: Provider, stream: Stream, *, on_request: bool) -> Iterator[str]:
    table = f"{provider.name}_{stream.name}"
    yield f"## {stream.name}\n"
    yield f"Table `{table}`, of the family {stream.family}. {' '.join(_facts(stream))}\n"
    if on_request:
        yield f'It is read if fields are named: `fields={{"{stream.name}": ("...",)}}`.\n'
    yield "| Column | Kind | Path in the record |\n|---|---|---|"
    for column, spec in stream.columns.items():
        path, kind = split_column(spec)
        yield f"| `{column}` | {_KINDS.get(kind, 'time')} | `{path}` |"
    yield ""
    if stream.rest:
        yield f"All further names of `{stream.rest}` become columns too.\n"


def _facts(stream: Stream) -> Iterator[str]:
    if stream.log:
        yield "Rows are events and do not change."
    else:
        yield "Columns that change are in the table of versions, `..._history`."
    if stream.changes is None:
        yield "Each pull reads all records."
    elif stream.changes_days is None:
        yield "Later pulls read what is new or changed."
    else:
        yield (
            f"Later pulls read what changed in at most {stream.changes_days:g} days, and all records "
            "after a longer pause."
        )
    if stream.deleted is not None or stream.deletion is not None:
        yield "Deleted records are marked in `deleted_at`."
    if stream.constant:
        yield f"Taken as unchanging: {', '.join(f'`{name}`' for name in stream.constant)}."

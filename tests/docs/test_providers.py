"""Pages of the providers, made from their descriptions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from churnkit import connect
from churnkit.connect import Provider

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("provider_pages", DOCS / "_providers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("providers")
    module.write_pages(folder)
    return {page.stem: page.read_text(encoding="utf-8") for page in folder.iterdir()}


def test_each_provider_has_a_page_with_its_access_its_tables_and_their_columns(pages):
    providers = [p for n in connect.__all__ if isinstance(p := getattr(connect, n), Provider)]
    assert len(providers) == 14
    for provider in providers:
        page = pages[provider.name]
        assert provider.access
        assert f"Access: {provider.access}." in page
        for stream in provider.streams:
            assert f"## {stream.name}\n" in page
            assert all(f"| `{column}` |" in page for column in stream.columns)


def test_the_index_links_each_page(pages):
    assert all(f"({name}.md)" in pages["index"] for name in pages if name != "index")

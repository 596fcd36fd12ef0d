"""Random changes are made to documents of their own."""

from __future__ import annotations

from typing import Any

from hypothesis import given, seed, settings

from tests.security.mutation import LEAVES, changed_document


def drawn(strategy):
    """Return some examples."""
    examples: list[Any] = []

    def keep(example):
        examples.append(example)

    settings(max_examples=200, deadline=None, database=None)(seed(0)(given(strategy)(keep)))()
    return examples


def containers(document):
    """Yield each list and dict of a document."""
    if isinstance(document, (list, dict)):
        yield document
        for member in document.values() if isinstance(document, dict) else document:
            yield from containers(member)


def test_no_two_examples_share_a_list_or_a_dict():
    examples = drawn(LEAVES) + drawn(LEAVES)
    leaves = [container for leaf in examples for container in containers(leaf)]
    assert len(leaves) > 4
    assert len({id(container) for container in leaves}) == len(leaves)


def test_no_list_or_dict_is_twice_in_a_changed_document():
    for document in drawn(changed_document("contract")):
        parts = list(containers(document))
        assert len({id(part) for part in parts}) == len(parts)

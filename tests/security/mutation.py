"""Random changes of valid inputs, and the time that a test spends on them.

Each test starts from the files of its folder in ``corpus/``: valid inputs, and inputs that once
failed. `CHURNKIT_FUZZ_SECONDS` is the time per parser; by default a test tries a few dozen inputs.
"""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("CHURNKIT_FUZZ_SECONDS", "0"))
EXAMPLES = 60
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.sampled_from([0, -1, 1, 2**31, 2**31 - 1, 2**63, 1e308, -0.0])
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["", "NaN", "inf", "1e999", "\x00", "\ud800", "9" * 5_000, [], {}, [[]], [None]]
    ),
    # A later change may write into a list or dict, which must not be that of other examples.
).map(copy.deepcopy)


def seeds(name):
    """Return the contents of the files of a folder of the corpus."""
    contents = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    assert contents
    return contents


@st.composite
def changed_bytes(draw, name):
    """Files of the corpus with bytes changed, removed, repeated or inserted."""
    contents = seeds(name)
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 40))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            content[start : start + length] = draw(st.binary(max_size=20))
        elif kind == 1:
            del content[start : start + length]
        elif kind == 2:
            content[start:start] = content[start : start + length] * draw(st.integers(1, 30))
        elif kind == 3:
            other = draw(st.sampled_from(contents))
            content[start:start] = other[start : start + length]
        else:
            words = (
                b"nan",
                b"-1",
                b"99999999999999999999",
                b"1e999",
                b"\r",
                b'"',
                b"\xff\xfe",
                b"\x00",
            )
            content[start:start] = draw(st.sampled_from(words))
    return bytes(content)


@st.composite
def changed_document(draw, name):
    """JSON documents of the corpus with nodes replaced, removed, repeated or renamed."""
    document = json.loads(draw(st.sampled_from(seeds(name))))
    for _ in range(draw(st.integers(1, 4))):
        parent, key = _node(draw, document)
        if parent is None:
            return draw(LEAVES)
        kind = draw(st.integers(0, 4))
        if kind <= 1:
            parent[key] = draw(LEAVES)
        elif kind == 2:
            del parent[key]
        elif kind == 3 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=5))] = copy.deepcopy(parent[key])
        else:
            parent[key] = [copy.deepcopy(parent[key]) for _ in range(draw(st.integers(0, 3)))]
    return document


def _node(draw, document):
    """Return a random node as its parent and its key or index."""
    parent, key, node = None, None, document
    while isinstance(node, (dict, list)) and node and (parent is None or draw(st.integers(0, 5))):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        parent, key = node, draw(st.sampled_from(keys))
        node = parent[key]
    return parent, key


def fuzz(strategy, check):
    """Check random inputs, for the time that is asked for."""

    def run_once(example):
        check(example)

    end = time.monotonic() + SECONDS
    count = 0
    while count == 0 or time.monotonic() < end:
        run = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            # A failing input is small, and shrinking it would take the time of the others.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )(seed(count)(given(strategy)(run_once)))
        run()
        count += 1

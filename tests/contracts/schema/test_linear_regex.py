"""Patterns of a schema have the verdict of `re.match`, without its exponential time."""

import re
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from churnkit.contracts import Check, Column
from churnkit.contracts.schema import linear_regex
from churnkit.contracts.schema.linear_regex import MAX_TEXT, LinearRegex, PatternError
from churnkit.errors import ContractError

CHARACTERS = ["a", "b", "A", "1", "_", "-", "\n", "\u00e9", "\u0130"]
atoms = st.sampled_from(
    [
        "a",
        "b",
        ".",
        r"\d",
        r"\w",
        r"\W",
        r"\s",
        "[ab]",
        "[^a]",
        "[a-z1]",
        "(?i:a)",
        "(?a:\\w)",
        "\u00e9",
    ]
)
conditions = st.sampled_from(["^", "$", r"\A", r"\Z", r"\b", r"\B", ""])
repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "??", "{0}", "{,2}?"])


def larger(inner):
    groups = st.sampled_from(["(%s)", "(?:%s)", "(?i:%s)", "(?P<g>%s)"]).flatmap(
        lambda form: inner.map(lambda body: form % body)
    )
    return st.one_of(
        groups,
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(?:" + "|".join(parts) + ")"),
        st.tuples(inner, repeats).map(lambda parts: f"(?:{parts[0]}){parts[1]}"),
    )


patterns = st.recursive(st.one_of(atoms, conditions), larger, max_leaves=8)


@given(patterns, st.lists(st.text(CHARACTERS, max_size=8), min_size=1, max_size=6))
@example("(|a)+b", ["aab", "b", "a"])
@example("a$", ["a", "a\n", "a\n\n"])
@example(r"a\Z", ["a", "a\n"])
@settings(max_examples=400, deadline=None)
def test_the_automaton_has_the_verdict_of_re(pattern, texts):
    try:
        plain = re.compile(pattern)
    except re.error:  # a name of a group twice
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_regex, "_MAX_PATHS", 0)
        automaton = LinearRegex(pattern)
    assert automaton._plain is None
    for text in texts * 2:  # again, from the kept steps
        assert automaton.matches(text) == (plain.match(text) is not None), (pattern, text)
        assert LinearRegex(pattern).matches(text) == (plain.match(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "is_plain"),
    [
        (r"^C\d{7}$", True),
        (r"[A-Z]{2}-\d+", True),
        (r"(EU|US)-[A-F0-9]{4}(\.x)?$", True),
        (r"(?=x)(?!q)\d|x$", True),
        (r"(a+)+$", False),
        (r"(a|a)*$", False),
        (r"[^@]+@[^@]+\.[a-z]+$", False),
        (r"\d+\d+\d+\d+\d+$", False),
        (r"(a?){30}a{30}$", False),
        (r"(([a-z])+.)+[A-Z]([a-z])+$", False),
    ],
)
def test_re_itself_matches_only_where_it_has_few_ways(pattern, is_plain):
    assert (LinearRegex(pattern)._plain is not None) == is_plain


SLOW = r"""
import sys
from churnkit.contracts.schema.linear_regex import LinearRegex
for pattern, letter in [
    ("(a+)+$", "a"), ("(a|a)*$", "a"), ("(a|aa)+$", "a"), ("(.*)*x", "a"), ("(a?){300}a{300}b", "a"),
    (r"\d+\d+\d+\d+\d+\d+$", "1"), (r"(\w+\s?)+$", "a"), ("(a|b)*a(a|b){600}$", "ab"),
    ("((a*)*)*b", "a"), ("^(([a-z])+.)+[A-Z]([a-z])+$", "a"), ("(x+x+)+y", "x"),
]:
    text = (letter * 1_000)[:999] + "!"
    print(int(LinearRegex(pattern).matches(text)))
"""


def test_patterns_that_explode_elsewhere_are_matched_at_once():
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["0"] * 11


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+\1",
        r"(?=(a+)+b)(a+)+",
        r"(?<!b)(a+)+$",
        r"(?>a+)(a+)+",
        "(" * 60 + "a" + ")" * 60,
        "((((a{50}){50}){50}){50})",
        "(.{0,900}){0,900}",
        "a{3000}",
    ],
)
def test_patterns_without_a_bound_are_refused(pattern):
    with pytest.raises(PatternError):
        LinearRegex(pattern)
    with pytest.raises(ContractError, match="a regular expression"):
        Column("code", "string", ("context",), checks=(Check("matches", pattern),))


def test_a_text_of_any_length_ends():
    assert LinearRegex("a*").matches("a" * MAX_TEXT)
    assert not LinearRegex("a*").matches("a" * (MAX_TEXT + 1))

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.contracts import Column, Contract
from churnkit.server.http.problem_details import Problem
from churnkit.server.openapi.example_row import example_row
from churnkit.server.openapi.regex_example import example_text
from churnkit.server.routes.customers import PredictHandler

CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON_VALUES = st.recursive(
    CELLS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
STATED = {200, 400, 413, 422}


@pytest.fixture(scope="module")
def handler(model):
    from churnkit.server import create_app

    return PredictHandler(create_app(model).state)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_have_a_stated_answer(ask, body):
    assert ask("/v1/predict", body).status_code in STATED


@settings(max_examples=100, deadline=None)
@given(body=JSON_VALUES, route=st.sampled_from(["/v1/predict", "/v1/explain", "/v1/recommend"]))
def test_any_json_has_a_stated_answer(ask, body, route):
    assert ask(route, json.dumps(body).encode()).status_code in STATED


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_customer_with_any_cells_has_a_stated_answer(ask, member, data):
    row = member(data.draw(st.integers(0, 60)), decide=True)
    for name in data.draw(st.sets(st.sampled_from(sorted(row)))):
        row[name] = data.draw(JSON_VALUES)
    answer = ask("/v1/recommend", json.dumps({"customers": [row]}).encode())
    assert answer.status_code in STATED


WORDS = st.text(max_size=4) | st.text(':a"\\', max_size=4)
PAIRS = st.lists(st.tuples(WORDS, st.integers() | WORDS), max_size=5)
SPACE = st.sampled_from(["", " ", "\n\t"])


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(PAIRS, min_size=1, max_size=4), space=SPACE, escaped=st.booleans())
def test_exactly_the_bodies_with_a_repeated_key_are_refused(handler, rows, space, escaped):
    """Compared with counting the keys of each object while it is written."""

    def written(value):
        return json.dumps(value, ensure_ascii=escaped)

    objects = [
        "{" + ",".join(f"{written(key)}{space}:{space}{written(cell)}" for key, cell in row) + "}"
        for row in rows
    ]
    raw = ('{"customers": [' + ",".join(objects) + "]}").encode()
    repeated = any(len({key for key, _ in row}) < len(row) for row in rows)
    if repeated:
        with pytest.raises(Problem) as refused:
            handler.decode(raw)
        assert refused.value.kind == "repeated-key"
        assert refused.value.violations
    else:
        handler.decode(raw)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(), CELLS.filter(lambda v: v == v)), min_size=1))  # noqa: PLR0124
def test_what_is_decoded_is_what_was_written(handler, rows):
    finite = [
        {k: v for k, v in row.items() if v not in {float("inf"), -float("inf")}} for row in rows
    ]
    body = json.dumps({"customers": finite}).encode()
    try:
        decoded = handler.decode(body)
    except Problem as problem:
        # Python's integers may be beyond what JSON readers agree on.
        assert problem.violations[0]["rule"] == "finite"  # noqa: PT017
    else:
        assert decoded.customers == finite


@pytest.mark.parametrize(
    "checks",
    [
        [("ge", 0)],
        [("gt", 0.25), ("lt", 0.5)],
        [("ge", 1e6)],
        [("lt", -1e9)],
        [("isin", (7, 9))],
        [("ne", 12)],
        [("eq", 3)],
    ],
)
def test_an_example_number_fits_its_checks(checks):
    from churnkit.contracts import Check

    rules = tuple(Check(*check) for check in checks)
    fee = Column("fee", "number", ("feature",), checks=rules)
    row = example_row(Contract("gym", (Column("id", "integer", ("entity",)), fee)), "predict")
    assert row is not None
    assert all(rule.holds(row["fee"]) for rule in rules)


@pytest.mark.parametrize(
    "pattern",
    [
        r"C\d{7}$",
        r"^\d{4}-[A-Z]{5}$",
        r"(?:EU|US)_[0-9a-f]{8}$",
        r"(?P<land>[A-Z]{2})-(\d+)(\.\d{2})?$",
        r"\A[^@\s]+@[^@\s]+\.[a-z]{2,}\Z",
        r"id:\w*?x{1,3}$",
        r"a\.b\+c|d",
        r"[\dA-F]{8}-[\dA-F]{4}$",
    ],
)
def test_an_example_text_is_made_for_the_patterns_of_ids(pattern):
    from churnkit.contracts import Check

    entity = Column("id", "string", ("entity",), checks=(Check("matches", pattern),))
    row = example_row(Contract("gym", (entity,)), "predict")
    assert row is not None
    assert re.match(pattern, row["id"])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab\\\\()[]{}^$|?*+.,-:<>P0129dDwWsS", max_size=12))
def test_any_pattern_is_read_to_its_end(pattern):
    assert isinstance(example_text(pattern), str)


def test_no_example_is_made_up_where_a_pattern_is_beyond_what_is_tried():
    from churnkit.contracts import Check

    odd = Column("id", "string", ("entity",), checks=(Check("matches", r"(?=x)(?!q)\d|x$"),))
    assert example_row(Contract("gym", (odd,)), "predict") is None

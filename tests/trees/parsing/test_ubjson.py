"""UBJSON as its specification (draft 12) and XGBoost write it."""

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.trees.parsing.ubjson import is_ubjson, read_ubjson


# Examples of the specification, https://ubjson.org.
@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"NNT", True),
        (b"F", False),
        (b"i\x80", -128),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\xff\xff\xff\xfe", -2),
        (b"L\x00\x00\x00\x01\x00\x00\x00\x00", 2**32),
        (b"d\x3f\xc0\x00\x00", 1.5),
        (b"D\x40\x09\x21\xfb\x54\x44\x2d\x18", np.pi),
        (b"Ca", "a"),
        (b"SU\x05hello", "hello"),
        (b"[]", []),
        (b"{}", {}),
        (b"[ZTSi\x01a]", [None, True, "a"]),
        (b"[#i\x02ZF", [None, False]),
        (b"[$C#i\x02ab", ["a", "b"]),
        (b"{i\x01a[Z]i\x01b{}}", {"a": [None], "b": {}}),
        (b"{#i\x01i\x01aZ", {"a": None}),
        (b"{$U#i\x02i\x01a\x07i\x01b\x08", {"a": 7, "b": 8}),
    ],
)
def test_values_are_read_as_the_specification_says(content, value):
    assert read_ubjson(content) == value


def test_numbers_of_one_type_are_an_array():
    numbers = read_ubjson(b"[$d#l\x00\x00\x00\x02\x3f\x80\x00\x00\xc0\x00\x00\x00")
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "ends after 0 bytes"),
        (b"I\x01", "ends after 2 bytes"),
        (b"[", "ends after"),
        (b"{i\x01a", "ends after"),
        (b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "announces"),
        (b"[#i\xff", "announces -1 values"),
        (b"Si\xff", "negative"),
        (b"Si\x01\xff", "not UTF-8"),
        (b"[$d]", "no number of values"),
        (b"{i\x01aZi\x01aZ}", "key twice"),
        (b"{Z", "type of a length"),
        (b"H", "not the start of a value"),
        (b"[" * 100, "not the start of a value"),
        (b"ZZ", "1 bytes after its end"),
    ],
)
def test_damaged_content_is_refused(content, problem):
    with pytest.raises(BundleError, match=problem):
        read_ubjson(content)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"{L", True),
        (b"{$U#", True),
        (b'{"a"', False),
        (b"{}", False),
        (b"{ ", False),
        (b"", False),
    ],
)
def test_json_is_told_from_ubjson(content, answer):
    assert is_ubjson(content) is answer

"""Reading rows costs no library but numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCORE = """
import sys
from churnkit.contracts.contract import Contract
from churnkit.contracts.schema.column import Column
from churnkit.contracts.encoding.row_encoder import RowEncoder
gym = Contract("gym", (Column("id", "string", ("entity",)), Column("x", "number", ("feature",))))
gym = Contract.from_json(gym.to_json())
assert RowEncoder(gym, closed=True).encode([{"id": "a", "x": 1}]).matrix.tolist() == [[1.0]]
assert RowEncoder(gym, lenient=True).encode([{"id": "a", "x": "?"}]).violations
gym.to_json_schema()
"""
HEAVY = ("pandas", "pandera", "pyarrow", "narwhals", "polars", "sklearn", "scipy", "lightgbm")


@pytest.mark.parametrize(
    ("work", "heavy"),
    [
        (SCORE, HEAVY),
        ("import sys, churnkit.contracts", (*HEAVY, "numpy")),
        (
            "import sys, churnkit.contracts.encoding.table_encoder",
            [name for name in HEAVY if name != "pyarrow"],
        ),
    ],
)
def test_reading_loads_only_what_it_needs(work, heavy):
    shown = f"{work}\nprint(*[name for name in {list(heavy)!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_loads_and_an_unknown_one_is_refused():
    from churnkit import contracts

    assert all(getattr(contracts, name) is not None for name in contracts.__all__)
    with pytest.raises(AttributeError, match="no attribute 'roles_of'"):
        contracts.roles_of  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", ["label", "value", "feature", "entity"])
def test_no_module_of_the_package_hides_a_public_name(name):
    from churnkit import contracts
    from churnkit.contracts.parsing import scalars  # noqa: F401

    assert callable(getattr(contracts, name))

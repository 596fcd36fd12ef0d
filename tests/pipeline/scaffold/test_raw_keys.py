"""Customers of raw tables: names, inclusion of values, and ways through other tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.raw.table_keys import find_customers, is_customer_name

RNG = np.random.default_rng(0)
COUNT = 60


def find(tables, times=(), entity=None):
    profiles = {
        name: {
            column: profile_column(column, pa.chunked_array([pa.array(list(map(str, values)))]))
            for column, values in columns.items()
        }
        for name, columns in tables.items()
    }
    dated = {
        name: {column for column in columns if column in times} for name, columns in tables.items()
    }
    return find_customers(profiles, dated, entity)


def path(keys, table):
    return [(lookup.source, lookup.key, lookup.to) for lookup in keys.lookups[table]]


IDS = list(range(1, COUNT + 1))
MANY = RNG.choice(IDS, 400).tolist()


@pytest.mark.parametrize(
    "name",
    ["user_id", "account_id", "uid", "customer", "msno", "CustomerID", "Kundennummer", "card_no"],
)
def test_the_same_name_in_several_tables_is_the_customer(name):
    keys = find(
        {
            "people": {name: IDS, "age": RNG.integers(20, 60, COUNT)},
            "log": {name: MANY, "n": MANY[::-1]},
        }
    )
    assert keys.columns == {"people": name, "log": name}


def test_a_key_has_another_name_in_the_table_of_customers():
    keys = find(
        {
            "users": {"id": IDS, "age": RNG.integers(20, 60, COUNT)},
            "events": {"id": range(1, 401), "user_id": MANY},
            "tickets": {"id": range(1, 401), "uid": MANY},
            "orders": {"id": range(1, 401), "customer": MANY},
        }
    )
    assert keys.columns == {
        "users": "id",
        "events": "user_id",
        "tickets": "uid",
        "orders": "customer",
    }
    assert not any(keys.lookups.values())


def test_small_numbers_are_no_keys_by_chance():
    keys = find(
        {
            "users": {"id": IDS, "age": RNG.integers(20, 60, COUNT)},
            "events": {
                "event_id": range(1, 401),
                "user_id": MANY,
                "quantity": RNG.integers(1, 50, 400),
            },
        }
    )
    assert keys.columns == {"users": "id", "events": "user_id"}
    assert keys.links == ()


def test_lines_find_the_customer_through_their_order():
    orders = [f"o{number:04d}" for number in range(400)]
    keys = find(
        {
            "lines": {"order": RNG.choice(orders, 900), "sku": RNG.choice(["a", "b"], 900)},
            "orders": {"number": orders, "buyer": [f"b{one}" for one in MANY]},
        }
    )
    assert keys.columns["lines"] == "buyer"
    assert path(keys, "lines") == [("orders", "order", "number")]
    assert keys.links == ("'order' of lines is 'number' of orders",)


def test_the_account_is_the_customer_of_its_users():
    accounts = list(range(1, 21))
    keys = find(
        {
            "accounts": {"account_id": accounts, "seats": RNG.integers(1, 90, 20)},
            "users": {"user_id": IDS, "account_id": RNG.choice(accounts, COUNT)},
            "events": {"user_id": MANY, "n": RNG.integers(0, 9, 400)},
        }
    )
    assert keys.columns == {"accounts": "account_id", "users": "account_id", "events": "account_id"}
    assert path(keys, "events") == [("users", "user_id", "user_id")]
    assert "user_id" in keys.others


def test_an_id_per_order_is_not_the_customer():
    orders = [f"{one:032x}" for one in range(400)]
    people = [f"p{one}" for one in MANY]
    keys = find(
        {
            "customers": {"customer_id": orders[::-1], "customer_unique_id": people},
            "orders": {"order_id": [f"o{one}" for one in orders], "customer_id": orders},
            "items": {
                "order_id": RNG.choice([f"o{one}" for one in orders], 900),
                "price": RNG.random(900),
            },
        }
    )
    assert keys.name == "customer_unique_id"
    assert path(keys, "items") == [
        ("orders", "order_id", "order_id"),
        ("customers", "customer_id", "customer_id"),
    ]


def test_people_of_the_business_are_not_customers():
    assert [
        is_customer_name(name) for name in ("account_manager_id", "sales_rep", "referred_by_user")
    ] == [0, 0, 0]
    keys = find(
        {
            "deals": {"client_id": MANY, "account_manager_id": RNG.integers(1, 9, 400)},
            "clients": {"client_id": IDS},
        }
    )
    assert keys.name == "client_id"


def test_the_option_chooses_among_several_ids():
    tables = {
        "users": {"user_id": IDS, "account_id": RNG.integers(1, 30, COUNT)},
        "events": {"user_id": MANY, "n": MANY},
    }
    assert find(tables, entity="user_id").columns == {"users": "user_id", "events": "user_id"}


def test_tables_without_an_id_are_refused_with_candidates():
    with pytest.raises(ChurnkitError, match=r"name it with --entity COLUMN; candidates: 'a'"):
        find({"log": {"a": RNG.random(400), "b": RNG.choice(["x", "y"], 400)}})

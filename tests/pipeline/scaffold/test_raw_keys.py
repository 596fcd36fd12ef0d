"""Customers of raw tables: names, inclusion of values, and ways through other tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.raw.tables.key_columns import is_customer_name
from churnkit.pipeline.scaffold.raw.tables.table_keys import find_customers

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


@pytest.mark.parametrize(
    ("customer", "key"),
    [
        ("Mitglied", "Mitgliedsnr"),
        ("Mitglied", "Mitgliedsnummer"),
        ("Mitgliedskennung", "Mitglied"),
        ("Kunde", "Kundenkennung"),
        ("socio", "numero_socio"),
        ("member_id", "member_no"),
    ],
)
def test_serial_numbers_join_by_names_of_the_same_customer(customer, key):
    serial = [f"{number:05d}" for number in range(COUNT)]
    keys = find(
        {
            "mitglieder": {customer: serial, "age": RNG.integers(20, 60, COUNT)},
            "checkins": {key: serial[: COUNT // 2] * 5, "n": range(5 * (COUNT // 2))},
        }
    )
    assert keys.columns == {"mitglieder": customer, "checkins": key}


def test_a_table_without_a_way_to_the_customers_names_the_columns_that_were_tried():
    keys = find(
        {
            "people": {"user_id": IDS, "age": RNG.integers(20, 60, COUNT)},
            "log": {"user_id": MANY, "n": MANY[::-1]},
            "weather": {"station": [f"s{number}" for number in range(80)], "wet": ["a", "b"] * 40},
        }
    )
    assert keys.describe_left_out("weather") == (
        "review: table 'weather' is left out: none of 'station' leads to a customer; give the "
        "customer's id the same name in all files, and run churnkit init again"
    )


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


PADDED = [f"{number:06d}" for number in IDS]


@pytest.mark.parametrize(
    ("owner", "written", "told"),
    [
        (PADDED, [str(int(each)) for each in MANY], "without leading zeros"),
        ([f"AB{n}X" for n in IDS], [f"ab{n}x" for n in MANY], "in lower case"),
        ([f"CUST-{n:05d}" for n in IDS], [str(n) for n in MANY], "without a prefix"),
        ([f"A{n}-B{n}" for n in IDS], [f"A{n}B{n}" for n in MANY], "without spaces and hyphens"),
    ],
)
@pytest.mark.parametrize("column", ["id", "user_id"])
def test_ids_that_differ_by_their_spelling_are_told_with_counts(owner, written, told, column):
    keys = find(
        {
            "users": {column: owner, "age": RNG.integers(20, 60, COUNT)},
            "events": {"user_id": written, "n": MANY[::-1]},
        }
    )
    (sentence,) = keys.differences
    total = len(set(written))
    assert f"'user_id' of events has 0 of its {total} values in '{column}' of users" in sentence
    assert f"{total} {told}: write the ids alike" in sentence


def test_whole_numbers_with_a_fraction_are_the_same_ids():
    keys = find(
        {"users": {"id": IDS, "age": IDS[::-1]}, "log": {"user_id": [f"{n}.0" for n in MANY]}}
    )
    assert (keys.columns, keys.differences) == ({"users": "id", "log": "user_id"}, ())


def test_the_customer_is_chosen_among_several_ids_of_people():
    staff = RNG.choice(IDS[:5], 400).tolist()
    others = RNG.choice(IDS, 400).tolist()
    keys = find(
        {
            "users": {"id": IDS, "age": RNG.integers(20, 60, COUNT)},
            "tickets": {"id": range(1, 401), "requester_id": MANY, "assignee_id": staff},
            "chats": {"user_id": staff, "contact": others, "n": MANY},
            "payments": {"account_id": MANY, "n": others},
        }
    )
    assert keys.columns == {
        "users": "id",
        "tickets": "requester_id",
        "chats": "contact",
        "payments": "account_id",
    }
    assert "the customer of chats is 'contact', not 'user_id'" in keys.notes


def test_people_of_the_business_with_opaque_ids_are_not_customers():
    ids = {n: f"{n * 7919:08x}-aa" for n in IDS}
    keys = find(
        {
            "users": {"id": ids.values(), "age": RNG.integers(20, 60, COUNT)},
            "events": {"user_id": [ids[n] for n in MANY], "assignee": [ids[n] for n in MANY[::-1]]},
        }
    )
    assert keys.columns == {"users": "id", "events": "user_id"}


def test_customers_without_a_row_in_the_table_of_customers_are_counted():
    keys = find(
        {
            "users": {"user_id": IDS[:40], "age": RNG.integers(20, 60, 40)},
            "events": {"user_id": MANY, "n": MANY[::-1]},
        }
    )
    absent, total = len(set(MANY) - set(IDS[:40])), len(set(MANY))
    note = f"{absent} of the {total} customers in 'user_id' of events are not in 'user_id' of users"
    assert keys.notes == (note,)


def test_an_id_is_the_customer_before_a_name_of_as_many():
    names = [f"Firm {n}" for n in IDS]
    orders = RNG.choice(len(IDS), 300)
    tables = {
        "customers": {"CustomerID": IDS, "CompanyName": names, "Customer": names},
        "orders": {
            "OrderID": range(5_000, 5_300),
            "CustomerID": [IDS[n] for n in orders],
            "Customer": [names[n] for n in orders],
            "day": range(300),
        },
        "notes": {"Customer": names, "text": names[::-1]},
    }
    keys = find(tables, times={"day"})
    assert keys.columns["orders"] == "CustomerID"
    assert "Customer" in keys.others


def test_postal_codes_are_no_keys_of_row_numbers():
    tables = {
        "transactions": {
            "transaction_id": range(1, 5_001),
            "customer_id": RNG.choice(IDS, 5_000),
            "day": range(5_000),
        },
        "prospects": {
            "name": [f"N {n}" for n in range(60)],
            "postcode": RNG.choice(range(2_000, 4_900), 60),
        },
    }
    assert "prospects" not in find(tables, times={"day"}).columns


def test_numbers_of_customers_are_no_ids_in_another_spelling():
    tables = {
        "subscriptions": {"customer_id": [f"CUST-{n:04d}" for n in IDS], "day": IDS},
        "months": {
            "month": [f"m{n}" for n in range(40)],
            "new_customers": range(1, 41),
            "total_active_customers": range(5, 45),
        },
    }
    assert find(tables, times={"day"}).differences == ()


def test_names_of_ids_may_differ_by_case_and_separators():
    tables = {
        "ratings": {"user_id": MANY, "item": MANY[::-1]},
        "tags": {"userId": MANY[:50], "tag": [f"t{n}" for n in range(50)]},
    }
    assert find(tables).columns == {"ratings": "user_id", "tags": "userId"}


def test_a_kind_of_customer_is_no_customer():
    tables = {
        "teams": {
            "team_id": [f"T{n:02d}" for n in IDS],
            "team_activity": [f"sport {n % 25}" for n in IDS],
        },
        "events": {"event_id": range(1, 401), "team_id": [f"T{n:02d}" for n in MANY]},
    }
    keys = find(tables)
    assert (keys.columns, keys.others) == ({"teams": "team_id", "events": "team_id"}, ())


def test_serial_numbers_of_orders_and_lines_are_no_ids_in_another_spelling():
    orders = [f"O{n:06d}" for n in range(400)]
    tables = {
        "orders": {"order_id": orders, "customer_id": [f"C{n:05d}" for n in MANY]},
        "order_items": {
            "order_item_id": [f"OI{n:06d}" for n in range(800)],
            "order_id": [orders[n // 2] for n in range(800)],
        },
    }
    keys = find(tables)
    assert keys.differences == ()
    assert path(keys, "order_items") == [("orders", "order_id", "order_id")]


@pytest.mark.parametrize("name", ["Id", "ID", "id"])
def test_an_id_that_repeats_is_that_of_the_table_with_one_row_each(name):
    keys = find(
        {
            "payments": {name: MANY, "paid_at": ["2025-01-31"] * 400},
            "static": {name: IDS, "age": RNG.integers(20, 60, COUNT)},
        },
        times=("paid_at",),
    )
    assert keys.columns == {"payments": name, "static": name}
    # Numbers of the rows of each table are no keys, though they are equal.
    own = {"orders": {name: IDS, "at": ["2025-01-31"] * COUNT}, "static": {name: IDS}}
    with pytest.raises(ChurnkitError, match="no column is recognized"):
        find(own, times=("at",))

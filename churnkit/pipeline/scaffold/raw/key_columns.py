"""Columns that may be keys of raw tables, and names of keys of customers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from churnkit.pipeline.scaffold import name_rules

__all__ = ["KeyColumn", "is_customer_name", "is_other_person", "singular"]

_SYNONYMS = {
    "uid": "user", "cust": "customer", "acct": "account", "acc": "account", "usr": "user", "sub": "subscription",
    "subs": "subscription", "org": "organization", "organisation": "organization", "tx": "transaction",
    "txn": "transaction", "trans": "transaction", "kunde": "customer", "kunden": "customer", "inv": "invoice",
}  # fmt: skip
# Names of customers beyond those of a table with one row per customer.
_OTHER_CUSTOMERS = {
    "guest", "passenger", "household", "visitor", "device", "caller", "donor", "student", "learner",
    "rider", "traveler", "tenant", "organization", "company", "team", "workspace", "shopper", "reader",
    "viewer", "listener", "patron", "person", "msno", "client", "profile", "card", "party", "requester",
    "contact", "reporter", "submitter", "sender", "payer", "holder", "insured", "recipient",
}  # fmt: skip
# People of the business itself, or other customers.
_NOT_CUSTOMERS = {
    "manager", "agent", "rep", "sales", "staff", "employee", "seller", "driver", "referrer", "referred",
    "referral", "parent", "inviter", "invited", "owner", "assignee", "trainer", "vendor", "supplier",
    "type", "merchant", "host",
}  # fmt: skip
_ID_WORDS = {
    "id",
    "ids",
    "key",
    "uuid",
    "guid",
    "identifier",
    "nr",
    "no",
    "num",
    "number",
    "code",
    "ref",
}


@dataclass(frozen=True)
class KeyColumn:
    """A column that may be a key.

    Parameters
    ----------
    table, column
        Names.
    values
        Distinct values; whole numbers without a fraction.
    rows, filled
        Number of rows, and of those with a value.
    """

    table: str
    column: str
    values: frozenset[str]
    rows: int
    filled: int

    @cached_property
    def is_unique(self) -> bool:
        """True if nearly every row has its own value."""
        return self.filled == len(self.values) and self.filled >= 0.95 * self.rows

    @cached_property
    def is_opaque(self) -> bool:
        """True if the values are no small numbers, which other columns share by chance."""
        limit = 20 * len(self.values) + 1_000
        return not all(value.isdigit() and int(value) < limit for value in self.values)

    @cached_property
    def words(self) -> frozenset[str]:
        """Words of the name that say what the key identifies."""
        words = {singular(word) for word in name_rules.split_words(self.column)}
        words = {word[:-2] if word.endswith("id") and len(word) > 4 else word for word in words}
        return frozenset({_SYNONYMS.get(word, word) for word in words} - _ID_WORDS)

    @cached_property
    def table_words(self) -> frozenset[str]:
        """Words of the table's name, in the singular."""
        words = (singular(word) for word in name_rules.split_words(self.table))
        return frozenset(_SYNONYMS.get(word, word) for word in words)


def singular(word: str) -> str:
    """Return a word without the s of the plural."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def is_customer_name(name: str) -> int:
    """Rate a name as that of a customer's id: 2 certain, 1 possible, 0 unlikely.

    Examples
    --------
    >>> [is_customer_name(name) for name in ("user_id", "msno", "account_manager_id", "plan")]
    [2, 1, 0, 0]
    """
    words = {singular(word) for word in name_rules.split_words(name)}
    if words & _NOT_CUSTOMERS:
        return 0
    if name_rules.is_customer_id(name):
        return 2
    words = {word[:-2] if word.endswith("id") and len(word) > 4 else word for word in words}
    return int(bool({_SYNONYMS.get(word, word) for word in words} & _OTHER_CUSTOMERS))


def is_other_person(key: KeyColumn) -> bool:
    """Return True for the name of staff or of another customer, such as ``assignee_id``."""
    words = {singular(word) for word in name_rules.split_words(key.column)}
    return bool(words & _NOT_CUSTOMERS) and not key.is_unique

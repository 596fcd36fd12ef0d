"""Columns that may be keys of raw tables, and names of keys of customers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from churnkit.pipeline.scaffold import name_rules

__all__ = ["KeyColumn", "is_customer_name", "is_other_person", "singular"]

_SYNONYMS = {
    "uid": "user", "cust": "customer", "acct": "account", "acc": "account", "usr": "user", "sub": "subscription",
    "subs": "subscription", "org": "organization", "organisation": "organization", "tx": "transaction",
    "txn": "transaction", "trans": "transaction", "kunde": "customer", "kunden": "customer", "inv": "invoice",
    "klant": "customer", "klanten": "customer", "mitglied": "member", "mitglieder": "member", "socio": "member",
    "membre": "member", "nutzer": "user", "benutzer": "user", "usuario": "user", "usuário": "user",
    "utente": "user", "konto": "account", "konten": "account", "vertrag": "contract", "verträge": "contract",
    "abonnent": "subscriber", "abonnenten": "subscriber", "abonné": "subscriber", "abonne": "subscriber",
    "assinante": "subscriber", "cliente": "client",
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
# Last words of a name of which an earlier word may name the customer: company_name, not team_activity.
_IDENTIFYING = {
    "name", "hash", "hashed", "serial", "token", "email", "phone", "login", "username", "handle", "index",
}  # fmt: skip
_ID_WORDS = {
    "id", "ids", "key", "uuid", "guid", "identifier", "nr", "no", "num", "number", "code", "ref", "nummer",
    "kennung", "numero", "número", "numéro", "codigo", "código", "identifiant", "matricule", "matricula",
    "matrícula",
}  # fmt: skip
# The last part of a name in one word, such as Mitgliedsnummer, after which s joins German words.
_MERGED_ID = re.compile("(?<=.{3})(?:id|nr|nummer|number|kennung|numero)$")


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
        return frozenset(map(_without_id, name_rules.split_words(self.column))) - _ID_WORDS

    @cached_property
    def plain_name(self) -> str:
        """The name in lower case without separators: equal for user_id, userId and USER ID."""
        return re.sub(r"[\W_]", "", self.column.casefold())

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
    >>> [is_customer_name(name) for name in ("team_id", "team_name", "team_activity", "card_type")]
    [1, 1, 0, 0]
    """
    words = {singular(word) for word in name_rules.split_words(name)}
    if words & _NOT_CUSTOMERS:
        return 0
    if name_rules.is_customer_id(name):
        return 2
    named = [
        word for word in map(_without_id, name_rules.split_words(name)) if word not in _ID_WORDS
    ]
    while len(named) > 1 and (named[-1] in _IDENTIFYING or named[-1].isdigit()):
        named.pop()
    return int(bool(named) and named[-1] in _OTHER_CUSTOMERS)


def _without_id(word: str) -> str:
    """Return a word of a key's name in the singular, spelled out and without id at its end."""
    word = singular(_MERGED_ID.sub("", singular(word)))
    return _SYNONYMS.get(word, word)


def is_other_person(key: KeyColumn) -> bool:
    """Return True for the name of staff or of another customer, such as ``assignee_id``."""
    words = {singular(word) for word in name_rules.split_words(key.column)}
    return bool(words & _NOT_CUSTOMERS) and not key.is_unique

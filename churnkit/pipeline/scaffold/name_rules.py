"""What names of columns and files say, and the names that a draft gives."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "class_name",
    "identifiers",
    "is_customer_id",
    "is_id",
    "is_label",
    "is_personal",
    "is_revenue",
    "module_name",
    "title_of",
    "words_of",
]

_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^0-9A-Za-z\u00c0-\uffff]+")
_CUSTOMER = {
    "customer", "client", "member", "subscriber", "user", "account", "cust", "kunde", "kunden",
    "buyer", "patient", "player", "policyholder", "contract", "acct", "msisdn", "uid",
}  # fmt: skip
_ID = {"id", "ids", "key", "uuid", "guid", "identifier", "nr", "no", "num", "number", "code", "ref"}
_MERGED_ID = re.compile(r"^(customer|client|member|user|account|cust|clientnum|row)_?(id|no|num)$")
_PERSONAL = {
    "email", "mail", "phone", "mobile", "telephone", "fax", "surname", "lastname", "firstname",
    "forename", "fullname", "address", "street", "iban", "ssn", "passport", "birthday", "birthdate",
    "dob", "ip", "latitude", "longitude", "adresse", "telefon", "handy", "nachname", "vorname",
    "strasse", "straße", "geburtsdatum", "nom", "prénom", "prenom", "apellido",
}  # fmt: skip
_NAMED_PERSON = {"first", "last", "full", "family", "given", "customer", "client", "member", "user"}
_LEFT = {
    "churn", "churned", "exited", "attrition", "attrited", "left", "cancelled", "canceled",
    "cancellation", "churner", "quit", "lapsed", "gekündigt", "gekuendigt", "kündigung",
}  # fmt: skip
_LABEL = {"target", "label", "y", "outcome", "class"}
_BY_PERIOD = {"monthly", "month", "mrr", "arpu", "recurring", "annual", "yearly"}
_MONEY = {"charge", "charges", "revenue", "fee", "price", "amount", "spend", "rate", "mrr", "arpu"}


def words_of(name: str) -> list[str]:
    """Part a name into lower-case words.

    Examples
    --------
    >>> words_of("MonthlyCharges"), words_of("customerID"), words_of("total day-minutes")
    (['monthly', 'charges'], ['customer', 'id'], ['total', 'day', 'minutes'])
    """
    return [word.lower() for word in _ENDS.split(name) if word]


def title_of(name: str) -> str:
    """Say a column's name as a person would.

    Examples
    --------
    >>> title_of("MonthlyCharges"), title_of("last_nps"), title_of("NPS"), title_of("Éta_civil")
    ('Monthly charges', 'Last nps', 'NPS', 'Éta civil')
    """
    parts = [part for part in _ENDS.split(name) if part]
    said = [part if part.isupper() and len(part) > 1 else part.lower() for part in parts]
    text = " ".join(said)
    return text[:1].upper() + text[1:]


def is_id(name: str) -> bool:
    """Tell whether a name sounds like that of an id.

    Examples
    --------
    >>> is_id("RowNumber"), is_id("CLIENTNUM"), is_id("NumOfProducts"), is_id("paid")
    (True, True, False, False)
    """
    words = words_of(name)
    return bool(words) and (words[-1] in _ID or bool(_MERGED_ID.match(words[-1])) or _merged(words))


def _merged(words: list[str]) -> bool:
    return any(words[-1] == one + end for one in _CUSTOMER for end in ("id", "no", "num", "nr"))


def is_customer_id(name: str) -> bool:
    """Tell whether a name sounds like that of the customer's id.

    Examples
    --------
    >>> is_customer_id("customerID"), is_customer_id("RowNumber"), is_customer_id("Kundennummer")
    (True, False, True)
    """
    words = words_of(name)
    own = any(word in _CUSTOMER or word.startswith(("customer", "kunden")) for word in words)
    return bool(words) and (_merged(words) or (own and (len(words) == 1 or is_id(name))))


def is_personal(name: str) -> bool:
    """Tell whether a name sounds like that of personal data.

    Examples
    --------
    >>> is_personal("E-Mail"), is_personal("first_name"), is_personal("plan_name")
    (True, True, False)
    """
    words = words_of(name)
    if set(words) & _PERSONAL or "".join(words) in _PERSONAL:
        return True
    return words == ["name"] or (words[-1:] == ["name"] and bool(set(words) & _NAMED_PERSON))


def is_label(name: str) -> int:
    """Tell how much a name sounds like that of the label: 2 surely, 1 perhaps, 0 not.

    Examples
    --------
    >>> is_label("Churn"), is_label("Attrition_Flag"), is_label("target"), is_label("tenure")
    (2, 2, 1, 0)
    """
    words = words_of(name)
    if set(words) & _LEFT or any(word.startswith("churn") for word in words):
        return 2
    return int(bool(set(words) & _LABEL))


def is_revenue(name: str) -> bool:
    """Tell whether a name sounds like what a customer pays each period.

    Examples
    --------
    >>> is_revenue("MonthlyCharges"), is_revenue("mrr"), is_revenue("TotalCharges")
    (True, True, False)
    """
    words = set(words_of(name))
    return bool(words & {"mrr", "arpu"}) or bool(words & _BY_PERIOD and words & _MONEY)


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give each column a name that Python and pandera can take, its own where it can be.

    Examples
    --------
    >>> identifiers(["tenure", "Total Charges", "class", "2nd", "Total-Charges"])
    {'tenure': 'tenure', 'Total Charges': 'Total_Charges', 'class': 'class_', '2nd': 'c_2nd', \
'Total-Charges': 'Total_Charges_2'}
    """
    given: dict[str, str] = {}
    used = set(taken)
    for name in names:
        wanted = re.sub(r"\W+", "_", name).strip("_") or "column"
        if not wanted.isidentifier():
            wanted = f"c_{wanted}"
        if keyword.iskeyword(wanted) or wanted in taken:
            wanted = f"{wanted}_"
        number, chosen = 1, wanted
        while chosen in used:
            number += 1
            chosen = f"{wanted}_{number}"
        used.add(chosen)
        given[name] = chosen
    return given


def module_name(text: str) -> str:
    """Make a name for a module of a file's name.

    Examples
    --------
    >>> module_name("WA_Fn-UseC_-Telco-Customer-Churn"), module_name("2024 Kunden"), module_name("-")
    ('wa_fn_use_c_telco_customer_churn', 'm_2024_kunden', 'customers')
    """
    name = "_".join(words_of(text)) or "customers"
    name = name if name.isidentifier() else f"m_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def class_name(module: str) -> str:
    """Make a name for a class of a module's name.

    Examples
    --------
    >>> class_name("telco_customers")
    'TelcoCustomers'
    """
    return "".join(word[:1].upper() + word[1:] for word in module.split("_") if word)

"""Infer meanings from column names, and derive Python names from columns and files."""

from __future__ import annotations

import keyword
import re
import unicodedata
from itertools import count
from typing import TYPE_CHECKING

from churnkit.pipeline.scaffold.keys.label_names import name_rating

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "is_customer_id",
    "is_id",
    "is_label",
    "is_personal",
    "is_revenue",
    "make_class_name",
    "make_identifiers",
    "make_module_name",
    "make_table_names",
    "make_title",
    "split_words",
]

_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^0-9A-Za-z\u00c0-\uffff]+")
_CUSTOMER = {
    "customer",
    "client",
    "member",
    "subscriber",
    "user",
    "account",
    "cust",
    "kunde",
    "kunden",
    "buyer",
    "patient",
    "player",
    "policyholder",
    "contract",
    "acct",
    "msisdn",
    "uid",
    "cliente",
    "usuario",
    "usuário",
    "socio",
    "abonné",
    "abonne",
    "klant",
    "utente",
    "assinante",
    "mitglied",
    "employee",
    "guest",
    "borrower",
    "household",
}
_CUSTOMER_CHARACTERS = re.compile("顧客|客户|客戶|会員|用户|고객|회원")  # fmt: skip
_ID = {
    "id", "ids", "key", "uuid", "guid", "identifier", "nr", "no", "num", "number", "code", "ref",
    "nummer", "kennung", "numéro", "numero", "número", "código", "codigo", "identifiant", "clé",
    "matrícula", "matricula", "matricule",
}  # fmt: skip
# Before the customer, as in "id_cliente" or "N° client"; "number of customers" is no id.
_LEADING_ID = {
    "id",
    "n",
    "nº",
    "no",
    "codigo",
    "código",
    "cod",
    "numero",
    "número",
    "numéro",
    "identifiant",
}
_MERGED_ID = re.compile(r"^(customer|client|member|user|account|cust|clientnum|row)_?(id|no|num)$")
_PERSONAL = {
    "email", "mail", "phone", "mobile", "telephone", "fax", "surname", "lastname", "firstname",
    "forename", "fullname", "address", "street", "iban", "ssn", "passport", "birthday", "birthdate",
    "dob", "ip", "latitude", "longitude", "adresse", "telefon", "handy", "nachname", "vorname",
    "strasse", "straße", "geburtsdatum", "nom", "prénom", "prenom", "apellido",
}  # fmt: skip
_NAMED_PERSON = {"first", "last", "full", "family", "given", "customer", "client", "member", "user"}
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_BY_PERIOD = {"monthly", "month", "mrr", "arpu", "recurring", "annual", "yearly"}
_MONEY = {"charge", "charges", "revenue", "fee", "price", "amount", "spend", "rate", "mrr", "arpu"}


def split_words(name: str) -> list[str]:
    """Split a name into lower-case words.

    Examples
    --------
    >>> split_words("MonthlyCharges"), split_words("customerID"), split_words("total day-minutes")
    (['monthly', 'charges'], ['customer', 'id'], ['total', 'day', 'minutes'])
    """
    return [word.lower() for word in _ENDS.split(name) if word]


def make_title(name: str) -> str:
    """Derive a title from a column's name.

    Examples
    --------
    >>> make_title("MonthlyCharges"), make_title("last_nps"), make_title("NPS"), make_title("Éta_civil")
    ('Monthly charges', 'Last nps', 'NPS', 'Éta civil')
    """
    parts = [part for part in _ENDS.split(name) if part]
    text = " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)
    return text[:1].upper() + text[1:]


def is_id(name: str) -> bool:
    """Return True for the name of an id.

    Examples
    --------
    >>> is_id("RowNumber"), is_id("CLIENTNUM"), is_id("NumOfProducts"), is_id("paid")
    (True, True, False, False)
    """
    words = split_words(name)
    return bool(words) and (words[-1] in _ID or bool(_MERGED_ID.match(words[-1])) or _merged(words))


def _merged(words: list[str]) -> bool:
    suffixes = ("id", "no", "num", "nr", "number", "nummer", "kennung", "numero")
    # German joins words by an s: Mitgliedsnummer.
    ends = tuple(joint + suffix for joint in ("", "s") for suffix in suffixes)
    return any(words[-1] == word + end for word in _CUSTOMER for end in ends)


def is_customer_id(name: str) -> bool:
    """Return True for the name of a customer's id.

    Examples
    --------
    >>> is_customer_id("customerID"), is_customer_id("RowNumber"), is_customer_id("Kundennummer")
    (True, False, True)
    >>> is_customer_id("id_cliente"), is_customer_id("number_customer_service_calls")
    (True, False)
    """
    if _CUSTOMER_CHARACTERS.search(name):
        return True
    words = split_words(name)
    is_customer = any(
        word in _CUSTOMER or word.startswith(("customer", "kunden")) for word in words
    )
    leads = len(words) in {2, 3} and words[0] in _LEADING_ID and words[-1] in _CUSTOMER
    is_named = len(words) == 1 or is_id(name) or leads
    return bool(words) and (_merged(words) or (is_customer and is_named))


def is_personal(name: str) -> bool:
    """Return True for the name of personal data.

    Examples
    --------
    >>> is_personal("E-Mail"), is_personal("first_name"), is_personal("plan_name")
    (True, True, False)
    """
    words = split_words(name)
    if set(words) & _PERSONAL or "".join(words) in _PERSONAL:
        return True
    return words == ["name"] or (words[-1:] == ["name"] and bool(set(words) & _NAMED_PERSON))


def is_label(name: str) -> int:
    """Rate a name as that of the label: 2 certain, 1 possible, 0 unlikely.

    Examples
    --------
    >>> is_label("Churn"), is_label("Attrition_Flag"), is_label("target"), is_label("tenure")
    (2, 2, 1, 0)
    """
    rating = name_rating(name)
    return 2 if rating >= 3 else int(rating == 2)


def is_revenue(name: str) -> bool:
    """Return True for the name of revenue per period.

    Examples
    --------
    >>> is_revenue("MonthlyCharges"), is_revenue("mrr"), is_revenue("TotalCharges")
    (True, True, False)
    """
    words = set(split_words(name))
    return bool(words & {"mrr", "arpu"}) or bool(words & _BY_PERIOD and words & _MONEY)


def make_identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Derive a unique Python identifier for each column, its own name where possible.

    Examples
    --------
    >>> make_identifiers(["m³", "Mesesª"])
    {'m³': 'm3', 'Mesesª': 'Mesesa'}
    >>> make_identifiers(["tenure", "Total Charges", "class", "2nd", "Total-Charges"])
    {'tenure': 'tenure', 'Total Charges': 'Total_Charges', 'class': 'class_', '2nd': 'c_2nd', \
'Total-Charges': 'Total_Charges_2'}
    """
    assigned: dict[str, str] = {}
    used = set(taken)
    for name in names:
        # Python reads identifiers in this form, in which a superscript is a digit.
        base = unicodedata.normalize("NFKC", name)
        base = "".join(c if f"a{c}".isidentifier() else " " for c in base)
        base = re.sub(r"\W+", "_", base).strip("_") or "column"
        if not base.isidentifier():
            base = f"c_{base}"
        if keyword.iskeyword(base) or base in taken:
            base = f"{base}_"
        number, chosen = 1, base
        while chosen in used:
            number += 1
            chosen = f"{base}_{number}"
        used.add(chosen)
        assigned[name] = chosen
    return assigned


def make_module_name(text: str) -> str:
    """Derive a module's name from a file's name.

    Examples
    --------
    >>> make_module_name("WA_Fn-UseC_-Telco-Customer-Churn"), make_module_name("2024 Kunden"), make_module_name("-")
    ('wa_fn_use_c_telco_customer_churn', 'm_2024_kunden', 'customers')
    """
    name = "_".join(split_words(text)) or "customers"
    name = name if name.isidentifier() else f"m_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def make_table_names(names: Iterable[str]) -> dict[str, str]:
    """Derive unique names for the tables of a timeline, in ASCII letters, digits and ``_``.

    Examples
    --------
    >>> make_table_names(["Kündigungen", "2024 Käufe", "ck_log", "顧客"])
    {'Kündigungen': 'kuendigungen', '2024 Käufe': 'm_2024_kaeufe', 'ck_log': 'm_ck_log', '顧客': 'table'}
    """
    ascii_names = {}
    for name in names:
        text = unicodedata.normalize("NFKD", make_module_name(name).translate(_UMLAUTS))
        plain = re.sub(r"_+", "_", text.encode("ascii", "ignore").decode()).strip("_") or "table"
        ascii_names[name] = plain if plain[0].isalpha() and plain[:3] != "ck_" else f"m_{plain}"
    used: set[str] = set()
    for name, plain in ascii_names.items():
        chosen = next(
            each
            for number in count(1)
            if (each := plain if number == 1 else f"{plain}_{number}") not in used
        )
        used.add(chosen)
        ascii_names[name] = chosen
    return ascii_names


def make_class_name(module: str) -> str:
    """Derive a class's name from a module's name.

    Examples
    --------
    >>> make_class_name("telco_customers")
    'TelcoCustomers'
    """
    return "".join(word[:1].upper() + word[1:] for word in module.split("_") if word)

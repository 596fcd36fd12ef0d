"""Which column names the customer, which says who left, and which value means that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.number_columns import MISSING_WORDS
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.pipeline.scaffold.column_profile import Facts

__all__ = ["draft_label", "find_entity", "find_label"]

# Words for "has left", as they begin; the other value then means "has stayed".
_LEFT = (
    "churn", "attrit", "left", "leave", "exit", "cancel", "lost", "gone", "quit", "lapse", "inactive",
    "closed", "terminat", "stopped", "yes", "true", "former", "non-renew", "not renew",
)  # fmt: skip
_STAYED = (
    "stay", "exist", "active", "retain", "current", "no", "false", "loyal", "renew", "kept", "open",
    "not churn", "non-churn", "non churn", "joined", "remain",
)  # fmt: skip
_YES = {"y", "t", "j", "ja", "oui", "si", "sí", "sim", "wahr", "vrai", "vero"}
_NO = {"n", "f", "nein", "non", "não", "nee", "falsch", "faux", "falso"}
_SHOWN = 6


def refuse_unknown(table: str, columns: Mapping[str, Facts], option: str, name: str) -> None:
    """Refuse a name that the table does not have.

    Raises
    ------
    ChurnkitError
        It names the nearest column.
    """
    if name not in columns:
        raise ChurnkitError(
            f"{table} has no column '{name}' ({option}); {did_you_mean(name, columns)}"
        )


def find_entity(table: str, columns: Mapping[str, Facts]) -> str:
    """Find the column that names the customer: by its name, and by a value of its own in each row.

    Raises
    ------
    ChurnkitError
        If none does, or several might; it names the candidates.
    """
    usable = [one for one in columns.values() if one.name and one.texts]
    sure = [one.name for one in usable if name_rules.is_customer_id(one.name) and _names_rows(one)]
    unique = [one.name for one in usable if name_rules.is_id(one.name) and _names_rows(one)]
    for found in (sure, unique):
        if len(found) == 1:
            return found[0]
        if found:
            raise ChurnkitError(
                f"{table}: {_listed(found)} might each name the customer: say which, as in "
                f"--entity {found[0]}"
            )
    likely = [
        one.name
        for one in usable
        if name_rules.is_customer_id(one.name)
        or name_rules.is_id(one.name)
        or one.distinct == one.rows
    ]
    hint = f"; candidates are {_listed(likely)}" if likely else ""
    raise ChurnkitError(
        f"{table}: no column is known to name the customer: say which with --entity COLUMN{hint}"
    )


def _names_rows(facts: Facts) -> bool:
    return facts.distinct >= 0.5 * max(facts.known, 1)


def _listed(columns: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in columns[:_SHOWN])
    more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    return shown + more


def find_label(table: str, columns: Mapping[str, Facts]) -> str:
    """Find the column that says who left: by its name, with two values.

    Raises
    ------
    ChurnkitError
        If none does, or several might; it names the candidates.
    """
    named = {one.name: name_rules.is_label(one.name) for one in columns.values() if one.name}
    kinds = {one.name: _kinds(one.texts)[0] for one in columns.values()}
    for sureness in (2, 1):
        found = [name for name, sure in named.items() if sure == sureness and kinds[name] == 2]
        if found:
            # "Churn Label" and "Churn Value" say the same; the guard leaves the other one out.
            return min(found, key=lambda name: (len(name_rules.words_of(name)), found.index(name)))
    sound = [name for name, sure in named.items() if sure]
    two = [name for name, count in kinds.items() if count == 2 and name]
    if sound:
        only = kinds[sound[0]]
        raise ChurnkitError(
            f"{table}: column '{sound[0]}' sounds like the label and has {only} values; a label "
            "has two, left and stayed: name another with --label COLUMN"
        )
    hint = f"; with two values there are {_listed(two)}" if two else ""
    raise ChurnkitError(
        f"{table}: no column is known to say who left: say which with --label COLUMN{hint}"
    )


def draft_label(table: str, facts: Facts, positive: str | None) -> DraftColumn:
    """Draft the label's column.

    Parameters
    ----------
    table
        What to call the table in a message.
    facts
        What the column holds.
    positive
        The value that means "has left"; guessed if None.

    Raises
    ------
    ChurnkitError
        If it has not two values, or nobody can tell which of them means "has left".

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import facts_of
    >>> flag = facts_of("flag", pa.chunked_array([["Existing Customer", "Attrited Customer"]]))
    >>> draft_label("customers.csv", flag, None).settings["positive"]
    'Attrited Customer'
    """
    words = [text for text in facts.texts if text.casefold() not in MISSING_WORDS]
    if positive is not None and positive not in words:
        raise ChurnkitError(
            f"{table}: column '{facts.name}' has no value '{positive}' (--positive): write it as "
            "the table does"
        )
    kinds, truths = _kinds(words)
    if kinds != 2 or len(words) != len(facts.texts):
        raise ChurnkitError(
            f"{table}: the label '{facts.name}' has {_counted(kinds, facts)}; it must have two, "
            "left and stayed: leave out or rename the others, or name another with --label"
        )
    if truths and (positive is None or read_boolean(positive, lenient=True)):
        return DraftColumn(facts.name, "bool", "label")
    chosen = positive or _positive(table, facts.name, sorted(words))
    settings: dict[str, Any] = {"positive": chosen, "isin": sorted(words)}
    review = "" if positive else f"'{chosen}' is taken to mean that a customer left"
    return DraftColumn(facts.name, "str", "label", settings, review)


def _kinds(words: Iterable[str]) -> tuple[int, bool]:
    """Count the values of a label, and tell whether they are truth values, however written."""
    told = set(words)
    codes = {read_boolean(text, lenient=True) for text in told}
    truths = not any(code is NOT_READABLE for code in codes)
    return len(codes) if truths else len(told), truths


def _counted(kinds: int, facts: Facts) -> str:
    if [text for text in facts.texts if text.casefold() in MISSING_WORDS]:
        return f"{facts.distinct} values, some of which stand for none"
    return "one value only" if kinds == 1 else f"{kinds} values"


def _positive(table: str, column: str, words: list[str]) -> str:
    """Guess which of two words means "has left"."""
    said = [word.casefold() for word in words]
    gone = [place for place, word in enumerate(said) if word in _YES or _begins(word, _LEFT)]
    stayed = [place for place, word in enumerate(said) if word in _NO or _begins(word, _STAYED)]
    gone = [place for place in gone if place not in stayed]
    if len(gone) == 1:
        return words[gone[0]]
    if len(stayed) == 1 and not gone:
        return words[1 - stayed[0]]
    raise ChurnkitError(
        f"{table}: which of the two values of '{column}' means that a customer left? Say it with "
        "--positive VALUE"
    )


def _begins(word: str, beginnings: tuple[str, ...]) -> bool:
    return any(word.startswith(beginning) for beginning in beginnings)

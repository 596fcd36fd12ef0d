"""Events of a log that mark the end of a customer, by the words of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.core.predicate import Where
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.raw.history import measure_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable

__all__ = ["EVENT_COLUMNS", "ChurnEvent", "find_churn_events", "names_churn"]

EVENT_COLUMNS = {
    "event", "events", "type", "subtype", "action", "name", "kind", "activity", "page", "category", "topic",
    "operation", "step", "ereignis", "vorgang", "aktion", "evento", "tipo", "événement", "evenement",
}  # fmt: skip
_VERBS = re.compile(
    "churn|cancel|delet|terminat|deactivat|unsubscri|uninstall|clos(?:e|ed|ure)$|remov(?:e|ed|al)$|"
    "kündig|kuendig|gekünd|gekuend|résili|resili|désabonn|desabonn|opgezegd|disdett|offboard"
)
_OBJECTS = {
    "account", "subscription", "plan", "membership", "member", "service", "contract", "customer", "user",
    "app", "abo", "vertrag", "konto", "policy", "license", "tenant", "workspace", "profile", "sub", "billing",
    "abonnement", "compte", "contrat", "suscripción", "suscripcion", "cuenta", "contrato",
}  # fmt: skip
_MODIFIERS = re.compile(
    "confirm|success|complet|final|by$|self$|event$|done$|immediate|end$|effective$"
)
_MAX_EVENTS = 1_000
_MIN_CHURNERS = 10
_MIN_FINAL = 0.5
# Several events mean churn if together they are those of so many times more customers.
_MIN_MORE = 1.1


@dataclass(frozen=True, slots=True)
class ChurnEvent:
    """An event after which customers are mostly not seen again.

    Parameters
    ----------
    column
        Column of the events' names.
    where
        Condition on the rows.
    reason
        Why it can be chosen.
    """

    column: str
    where: Where
    reason: str


def names_churn(event: str) -> bool:
    """Return True for the name of an event by which a customer leaves.

    Examples
    --------
    >>> [names_churn(name) for name in ("plan.cancel_confirmed", "SubscriptionDeleted", "churned")]
    [True, True, True]
    >>> [names_churn(name) for name in ("order.cancelled", "cancel_page_viewed", "account.created")]
    [False, False, False]
    """
    words = name_rules.split_words(event)
    verbs = [word for word in words if _VERBS.match(word)]
    others = [word for word in words if word not in verbs and word not in _OBJECTS]
    return bool(verbs) and all(map(_MODIFIERS.match, others))


def find_churn_events(table: RawTable, data: Mapping[str, Any]) -> list[ChurnEvent]:
    """Find the event of each column of a log after which customers are not seen again."""
    if table.happened is None or table.is_unique:
        return []
    events = []
    for name, profile in table.profiles.items():
        if profile.kind != "text" or not set(name_rules.split_words(name)) & EVENT_COLUMNS:
            continue
        values = [text for text in profile.texts if names_churn(text)]
        if not values or profile.distinct > _MAX_EVENTS:
            continue
        with_names = replace(table, categories={**table.categories, name: ()})
        event = _most_final(with_names, name, values, data)
        events += [event] if event else []
    return events


def _most_final(
    table: RawTable, name: str, values: list[str], data: Mapping[str, Any]
) -> ChurnEvent | None:
    """Choose the values after which customers are not seen again."""
    measured = {v: measure_events(table, (Where(name, "==", v),), data) for v in values}
    final = [
        value
        for value, (customers, share) in measured.items()
        if customers >= _MIN_CHURNERS and share >= _MIN_FINAL
    ]
    if not final:
        return None
    best = max(final, key=lambda value: (measured[value][1], measured[value][0]))
    where = Where(name, "==", best)
    if len(final) > 1:
        several = Where(name, "in", sorted(final))
        customers, share = measure_events(table, (several,), data)
        if customers >= _MIN_MORE * measured[best][0] and share >= _MIN_FINAL:
            where = several
    meaning = f"'{name}' of '{table.source}' is {' or '.join(map(repr, where.values))}"
    return ChurnEvent(name, where, f"{meaning}, mostly the last row of a customer")

"""Draft the causes of churn from a column of recorded reasons."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.pipeline.scaffold.keys.label_column import names_reason
from churnkit.timeline import Cause

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold.raw.churn_rules import ChurnRule
    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable

__all__ = ["label_with_cause"]

_MAX_REASONS = 30
# Reasons without a decision of the customer.
_INVOLUNTARY = re.compile(
    r"payment|\bcard\b|billing|unpaid|non.?pay|insufficient|declin|dunning|fraud|chargeback|overdue|debt|"
    r"involuntary|deceased|death|zahlung|karte|lastschrift|betrug|verstorben|paiement|impay|carte|"
    r"d[ée]c[èe]s|\bpago\b|tarjeta|fallec|pagamento|cart[aã]o|insolut",
    re.IGNORECASE,
)
_REASON = (
    "the same with the causes of churn in '{column}', for actions against some of them: import Cause, and "
    "declare cause: str = cause() in the schema"
)


def label_with_cause(rule: ChurnRule, table: RawTable, label: Any) -> tuple[Any, str] | None:
    """Return a label with the recorded reasons of churn, and how to use it; None without reasons.

    Payments that failed and other reasons without a decision of the customer are one cause.
    """
    if rule.kind not in {"contract", "event"} or table.is_series:
        return None
    conditions = {where.column for where in rule.where}
    for name, profile in table.profiles.items():
        is_few = profile.kind == "text" and 2 <= profile.distinct <= _MAX_REASONS
        if not is_few or name in conditions or not names_reason(name):
            continue
        if rule.kind == "contract" and name not in table.known_at_end:
            continue
        reasons = sorted(profile.texts)
        forced = [reason for reason in reasons if _INVOLUNTARY.search(reason)]
        others = [reason for reason in reasons if reason not in forced]
        groups = {"involuntary": forced, "voluntary": others} if forced and others else {}
        return replace(label, cause=Cause(name, groups)), _REASON.format(column=name)
    return None

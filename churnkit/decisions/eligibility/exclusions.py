"""Exclude customers from actions: rules, consent, dates, contact policy and holdouts.

A table and a single row get the same result: rules are evaluated by column for a table and by
cell for a row, everything else by customer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.decisions import reason_codes
from churnkit.decisions.eligibility.holdout import GLOBAL, held_out, position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.action import Action
    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue, Rule
    from churnkit.decisions.eligibility.context import DecisionContext, Event

__all__ = [
    "NOT_EXCLUDED",
    "assigned_holdouts",
    "eligible_actions",
    "row_exclusions",
    "table_exclusions",
]

NOT_EXCLUDED = 0
"""Code of an eligible action."""


def table_exclusions(
    catalogue: CompiledCatalogue,
    matrix: NDArray[np.float64],
    context: DecisionContext | None = None,
) -> NDArray[np.int8]:
    """Return the first exclusion of each action, (n, m): a reason code, or `NOT_EXCLUDED`."""
    catalogue.check_width(matrix)
    declared = catalogue.catalogue
    codes = np.full((matrix.shape[0], len(declared.actions)), NOT_EXCLUDED, dtype=np.int8)
    for rules_by_action, code in _rule_kinds(catalogue):
        for j, rules in enumerate(rules_by_action):
            for rule in rules:
                _exclude(codes[:, j], ~rule.mask(matrix), code)
    for j, index in enumerate(catalogue.consent_index):
        if index is not None:
            _exclude(codes[:, j], matrix[:, index] != 1.0, reason_codes.NO_CONSENT)
    if context is not None:
        _exclude_by_date(codes, declared, context)
        _exclude_by_history(codes, declared, context)
        _exclude_by_holdout(codes, declared, context)
    return codes


def row_exclusions(
    catalogue: CompiledCatalogue, row: Sequence[float], context: DecisionContext | None = None
) -> list[int]:
    """Return the first exclusion of each action for one customer, (m,)."""
    declared = catalogue.catalogue
    codes = [NOT_EXCLUDED] * len(declared.actions)
    kinds = _rule_kinds(catalogue)
    for j, action in enumerate(declared.actions):
        for rules_by_action, code in kinds:
            if (
                codes[j] == NOT_EXCLUDED
                and rules_by_action
                and not all(rule.holds(row) for rule in rules_by_action[j])
            ):
                codes[j] = code
        index = catalogue.consent_index[j] if catalogue.consent_index else None
        if codes[j] == NOT_EXCLUDED and index is not None and row[index] != 1.0:
            codes[j] = reason_codes.NO_CONSENT
        if codes[j] == NOT_EXCLUDED and context and not action.valid_on(context.as_of):
            codes[j] = reason_codes.INVALID_NOW
    if context is not None:
        customer = context.customers[0]
        codes = _first(codes, _history_exclusions(declared, context, customer))
        codes = _first(codes, _holdout_exclusions(declared, customer))
    return codes


def eligible_actions(
    catalogue: CompiledCatalogue, matrix: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which actions each customer is eligible for by rules and consent, (n, m)."""
    eligible: NDArray[np.bool_] = table_exclusions(catalogue, matrix) == NOT_EXCLUDED
    return eligible


def assigned_holdouts(catalogue: Catalogue, customer: str) -> str | None:
    """Return a customer's holdouts: ``"global"``, or names of actions; None for none."""
    if catalogue.holdout and position(catalogue.salt, GLOBAL, customer) < catalogue.holdout:
        return "global"
    names = [
        action.name
        for action in catalogue.actions
        if action.holdout and position(catalogue.salt, action.name, customer) < action.holdout
    ]
    return ",".join(names) or None


def _rule_kinds(
    catalogue: CompiledCatalogue,
) -> tuple[tuple[tuple[tuple[Rule, ...], ...], int], ...]:
    return (
        (catalogue.rules, reason_codes.INELIGIBLE),
        (catalogue.applicable, reason_codes.INAPPLICABLE),
        (catalogue.suitable, reason_codes.UNSUITABLE),
    )


def _exclude(column: NDArray[np.int8], rows: NDArray[np.bool_], code: int) -> None:
    column[rows & (column == NOT_EXCLUDED)] = code


def _first(codes: Sequence[int], later: Sequence[int]) -> list[int]:
    return [code or other for code, other in zip(codes, later, strict=True)]


def _exclude_by_date(
    codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext
) -> None:
    all_rows = np.ones(codes.shape[0], dtype=np.bool_)
    for j, action in enumerate(catalogue.actions):
        if not action.valid_on(context.as_of):
            _exclude(codes[:, j], all_rows, reason_codes.INVALID_NOW)


def _exclude_by_history(
    codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext
) -> None:
    events = {} if context.history is None else context.history.events
    if not events and not context.no_contact:
        return
    for i, customer in enumerate(context.customers):
        if customer in events or customer in context.no_contact:
            codes[i] = _first(codes[i].tolist(), _history_exclusions(catalogue, context, customer))


def _exclude_by_holdout(
    codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext
) -> None:
    in_global = held_out(catalogue.salt, GLOBAL, catalogue.holdout, context.customers)
    for j, action in enumerate(catalogue.actions):
        in_holdout = held_out(catalogue.salt, action.name, action.holdout, context.customers)
        _exclude(codes[:, j], in_holdout | in_global, reason_codes.HELD_OUT)


def _holdout_exclusions(catalogue: Catalogue, customer: str) -> list[int]:
    in_global = held_out(catalogue.salt, GLOBAL, catalogue.holdout, [customer])[0]
    return [
        reason_codes.HELD_OUT
        if in_global or held_out(catalogue.salt, a.name, a.holdout, [customer])[0]
        else NOT_EXCLUDED
        for a in catalogue.actions
    ]


def _history_exclusions(catalogue: Catalogue, context: DecisionContext, customer: str) -> list[int]:
    if customer in context.no_contact:
        return [reason_codes.NO_CONSENT] * len(catalogue.actions)
    events = () if context.history is None else context.history.events.get(customer, ())
    if not events:
        return [NOT_EXCLUDED] * len(catalogue.actions)
    return [_contact_exclusion(catalogue, context, events, action) for action in catalogue.actions]


def _contact_exclusion(
    catalogue: Catalogue, context: DecisionContext, events: Sequence[Event], action: Action
) -> int:
    policy = catalogue.contact
    for limit in policy.limits:
        if not limit.counts(action.name, action.group, action.channel):
            continue
        since = context.back(limit.days)
        sent = sum(
            e.outcome is None and e.at > since and limit.counts(e.action, e.group, e.channel)
            for e in events
        )
        if sent >= limit.most:
            return reason_codes.CAPPED
    for cool_down in policy.cool_downs:
        if cool_down.channel is not None and cool_down.channel != action.channel:
            continue
        since = context.back(cool_down.days)
        if any(e.outcome == cool_down.outcome and e.at > since for e in events):
            return reason_codes.COOLING
    suppression = policy.suppression
    if suppression is not None:
        since = context.back(suppression.days)
        refusals = sum(
            e.outcome == suppression.outcome and e.action == action.name and e.at > since
            for e in events
        )
        if refusals >= suppression.refusals:
            return reason_codes.SUPPRESSED
    return NOT_EXCLUDED

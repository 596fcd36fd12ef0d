"""What stands between a customer and each action, before any gain is weighed.

A table and a single row get the same verdict: the rules are asked column by column for the one,
cell by cell for the other; all else is asked customer by customer.
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

__all__ = ["NOT_EXCLUDED", "assigned_holdouts", "row_exclusions", "table_exclusions"]

NOT_EXCLUDED = 0
"""Nothing bars the action."""


def table_exclusions(
    catalogue: CompiledCatalogue,
    matrix: NDArray[np.float64],
    context: DecisionContext | None = None,
) -> NDArray[np.int8]:
    """Give the first thing that bars each action, (n, m): a place in `REASONS`, or `NOT_EXCLUDED`."""
    catalogue.sized(matrix)
    declared = catalogue.catalogue
    codes = np.full((matrix.shape[0], len(declared.actions)), NOT_EXCLUDED, dtype=np.int8)
    for kind, code in _kinds(catalogue):
        for j, rules in enumerate(kind):
            for rule in rules:
                _bar(codes[:, j], ~rule.mask(matrix), code)
    for j, index in enumerate(catalogue.consent_index):
        if index is not None:
            _bar(codes[:, j], matrix[:, index] != 1.0, reason_codes.NO_CONSENT)
    if context is not None:
        _bar_by_day(codes, declared, context)
        _bar_by_past(codes, declared, context)
        _bar_by_holdout(codes, declared, context)
    return codes


def row_exclusions(
    catalogue: CompiledCatalogue, row: Sequence[float], context: DecisionContext | None = None
) -> list[int]:
    """Give the first thing that bars each action for one customer, (m,)."""
    declared = catalogue.catalogue
    codes = [NOT_EXCLUDED] * len(declared.actions)
    kinds = _kinds(catalogue)
    for j, action in enumerate(declared.actions):
        for kind, code in kinds:
            if codes[j] == NOT_EXCLUDED and kind and not all(rule.holds(row) for rule in kind[j]):
                codes[j] = code
        index = catalogue.consent_index[j] if catalogue.consent_index else None
        if codes[j] == NOT_EXCLUDED and index is not None and row[index] != 1.0:
            codes[j] = reason_codes.NO_CONSENT
        if codes[j] == NOT_EXCLUDED and context is not None and not action.valid_on(context.as_of):
            codes[j] = reason_codes.INVALID_NOW
    if context is not None:
        customer = context.customers[0]
        for verdict in (_past(declared, context, customer), _held(declared, customer)):
            codes = [code or other for code, other in zip(codes, verdict, strict=True)]
    return codes


def assigned_holdouts(catalogue: Catalogue, customer: str) -> str | None:
    """Name the holdouts that a customer is in: ``"global"``, or actions; None for none."""
    if catalogue.holdout and position(catalogue.salt, GLOBAL, customer) < catalogue.holdout:
        return "global"
    held = [
        action.name
        for action in catalogue.actions
        if action.holdout and position(catalogue.salt, action.name, customer) < action.holdout
    ]
    return ",".join(held) or None


def _kinds(
    catalogue: CompiledCatalogue,
) -> tuple[tuple[tuple[tuple[Rule, ...], ...], int], ...]:
    return (
        (catalogue.rules, reason_codes.INELIGIBLE),
        (catalogue.applicable, reason_codes.INAPPLICABLE),
        (catalogue.suitable, reason_codes.UNSUITABLE),
    )


def _bar(column: NDArray[np.int8], where: NDArray[np.bool_], code: int) -> None:
    column[where & (column == NOT_EXCLUDED)] = code


def _bar_by_day(codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext) -> None:
    every = np.ones(codes.shape[0], dtype=np.bool_)
    for j, action in enumerate(catalogue.actions):
        if not action.valid_on(context.as_of):
            _bar(codes[:, j], every, reason_codes.INVALID_NOW)


def _bar_by_past(codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext) -> None:
    events = {} if context.history is None else context.history.events
    if not events and not context.no_contact:
        return
    for i, customer in enumerate(context.customers):
        if customer in events or customer in context.no_contact:
            codes[i] = [
                code or other
                for code, other in zip(codes[i], _past(catalogue, context, customer), strict=True)
            ]


def _bar_by_holdout(
    codes: NDArray[np.int8], catalogue: Catalogue, context: DecisionContext
) -> None:
    everything = held_out(catalogue.salt, GLOBAL, catalogue.holdout, context.customers)
    for j, action in enumerate(catalogue.actions):
        held = held_out(catalogue.salt, action.name, action.holdout, context.customers)
        _bar(codes[:, j], held | everything, reason_codes.HELD_OUT)


def _held(catalogue: Catalogue, customer: str) -> list[int]:
    everything = held_out(catalogue.salt, GLOBAL, catalogue.holdout, [customer])[0]
    return [
        reason_codes.HELD_OUT
        if everything or held_out(catalogue.salt, a.name, a.holdout, [customer])[0]
        else NOT_EXCLUDED
        for a in catalogue.actions
    ]


def _past(catalogue: Catalogue, context: DecisionContext, customer: str) -> list[int]:
    """Give what a customer's past bars, by action."""
    if customer in context.no_contact:
        return [reason_codes.NO_CONSENT] * len(catalogue.actions)
    events = () if context.history is None else context.history.events.get(customer, ())
    if not events:
        return [NOT_EXCLUDED] * len(catalogue.actions)
    return [_past_of(catalogue, context, events, action) for action in catalogue.actions]


def _past_of(
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
    for rest in policy.cool_downs:
        if rest.channel is not None and rest.channel != action.channel:
            continue
        since = context.back(rest.days)
        if any(e.outcome == rest.outcome and e.at > since for e in events):
            return reason_codes.COOLING
    stop = policy.suppression
    if stop is not None:
        since = context.back(stop.days)
        refusals = sum(
            e.outcome == stop.outcome and e.action == action.name and e.at > since for e in events
        )
        if refusals >= stop.refusals:
            return reason_codes.SUPPRESSED
    return NOT_EXCLUDED

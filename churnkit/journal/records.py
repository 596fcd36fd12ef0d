"""Journal entries: decisions and outcomes as frozen records."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from churnkit.core.result import Result
from churnkit.core.time import to_microseconds
from churnkit.errors import JournalError
from churnkit.journal.entry_keys import body_digest, moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

__all__ = ["MAX_CHARACTERS", "DecisionRecord", "OutcomeRecord", "Verdict", "WriteResult"]

Verdict = Literal["decide", "approve", "reject", "snooze"]
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision for one customer, with its propensity and reason.

    Parameters
    ----------
    key
        Unique key; the same key with the same content is the same decision. See `decision_key`.
    customer
        Entity id as text.
    as_of
        Date of the customer's row.
    decided_at
        Time of the decision, set by the caller.
    policy
        Name of the policy: the registered name of a model or bandit.
    model, model_version, model_digest
        Model of the policy.
    period
        Period of the decision: ``"2026-11"``.
    action
        Name of the action; None for none.
    action_group, channel
        Group and channel of the action, which contact limits count.
    propensity
        Probability with which `policy` takes this action (or none) for this customer.
    eligible
        Names of the eligible actions.
    expected_gain, gain_low, gain_high, cost
        In money; None if unknown.
    holdout
        Holdout of the customer: ``"global"``, or the name of an action.
    explored
        True if exploration, not the plan, chose the action.
    reason
        Reason of the decision, as text.
    by
        ``"engine"``, or the name of a person.
    verdict
        ``"decide"``; or a person's ``"approve"``, ``"reject"`` or ``"snooze"`` of the decision
        with key `about`. Rejected and snoozed decisions are not contacts.
    about, why
        Key of the decision that a verdict is on, and the person's comment.
    detail
        Further JSON data: position in a slate, features of the options.

    Raises
    ------
    JournalError
        If a field is missing or out of range; the message names the field, not its value.

    Examples
    --------
    >>> from datetime import date
    >>> today = date(2026, 11, 1)
    >>> DecisionRecord("k1", "c1", today, today, "shop", action="call", propensity=0.9).action
    'call'

    """

    key: str
    customer: str
    as_of: date | datetime
    decided_at: date | datetime
    policy: str
    model: str | None = None
    model_version: str | None = None
    model_digest: str | None = None
    period: str | None = None
    action: str | None = None
    action_group: str | None = None
    channel: str | None = None
    propensity: float | None = None
    eligible: tuple[str, ...] = ()
    expected_gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    cost: float = 0.0
    holdout: str | None = None
    explored: bool = False
    reason: str | None = None
    by: str = "engine"
    verdict: Verdict = "decide"
    about: str | None = None
    why: str | None = None
    detail: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name in ("key", "customer", "policy", "by"):
            _check_text(f"decision: {name}", getattr(self, name))
        for name in ("as_of", "decided_at"):
            object.__setattr__(self, name, moment(f"decision: {name}", getattr(self, name)))
        object.__setattr__(self, "eligible", tuple(self.eligible))
        for name in ("expected_gain", "gain_low", "gain_high", "cost"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise JournalError(f"decision: {name} must be a finite number or None")
        if self.propensity is not None and not 0.0 < self.propensity <= 1.0:
            raise JournalError("decision: propensity must be above 0 and at most 1, or None")
        if self.verdict not in get_args(Verdict):
            raise JournalError("decision: verdict must be decide, approve, reject or snooze")
        if (self.verdict == "decide") != (self.about is None):
            raise JournalError(
                "decision: about must be set for approve, reject and snooze, and only for them"
            )

    def to_row(self) -> dict[str, Any]:
        """Return the row of the table, with the digest of its content."""
        row: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        for name in ("as_of", "decided_at"):
            row[name] = to_microseconds(row[name])
        row["eligible"] = json.dumps(self.eligible)
        row["detail"] = _to_json("decision", self.detail)
        row["digest"] = body_digest(row)
        row["capped"] = False
        return row


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """One outcome of a customer: a response, a payment, a cancellation.

    Parameters
    ----------
    key
        Unique key.
    kind
        Kind of outcome: ``"churned"``, ``"stayed"``, ``"accepted"``, ``"refused"``, ``"spend"``.
    value
        1 for an event, money for a payment.
    observed_at
        Time of the outcome.
    customer
        Entity id as text; optional with `decision`.
    decision
        Key of the decision that led to the outcome, if known.
    detail
        Further JSON data.

    Examples
    --------
    >>> from datetime import date
    >>> OutcomeRecord("o1", "refused", 1.0, date(2026, 11, 9), decision="k1").kind
    'refused'

    """

    key: str
    kind: str
    value: float
    observed_at: date | datetime
    customer: str | None = None
    decision: str | None = None
    detail: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name in ("key", "kind"):
            _check_text(f"outcome: {name}", getattr(self, name))
        if self.customer is None and self.decision is None:
            raise JournalError("outcome: set the customer, the decision, or both")
        for name in ("customer", "decision"):
            if getattr(self, name) is not None:
                _check_text(f"outcome: {name}", getattr(self, name))
        if not math.isfinite(self.value):
            raise JournalError("outcome: value must be a finite number")
        object.__setattr__(self, "observed_at", moment("outcome: observed_at", self.observed_at))

    def to_row(self) -> dict[str, Any]:
        """Return the row of the table, with the digest of its content."""
        row: dict[str, Any] = {
            "key": self.key,
            "kind": self.kind,
            "value": float(self.value),
            "observed_at": to_microseconds(cast("datetime", self.observed_at)),
            "customer": self.customer,
            "decision": self.decision,
            "detail": _to_json("outcome", self.detail),
        }
        row["digest"] = body_digest(row)
        return row


@dataclass(frozen=True, slots=True)
class WriteResult(Result):
    """Counts of written entries.

    Parameters
    ----------
    written
        Number of new entries.
    duplicates
        Number of entries that were already in the journal with the same content.
    capped
        Keys of decisions, new or duplicate, whose action would break a contact limit: they are
        in the journal without action and propensity, and the action must not be carried out.
    """

    written: int
    duplicates: int
    capped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-able data."""
        return {
            "written": self.written,
            "duplicates": self.duplicates,
            "capped": len(self.capped),
        }


def _check_text(field_name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise JournalError(f"{field_name} must be text and not empty")
    if len(value) > MAX_CHARACTERS:
        raise JournalError(
            f"{field_name} has {len(value)} characters; at most {MAX_CHARACTERS} are allowed"
        )
    if "\x00" in value:
        raise JournalError(f"{field_name} contains a zero byte, which PostgreSQL cannot store")


def _to_json(entry: str, detail: Mapping[str, Any] | None) -> str | None:
    if detail is None:
        return None
    try:
        return json.dumps(dict(detail), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise JournalError(f"{entry}: detail must be JSON with finite numbers") from None

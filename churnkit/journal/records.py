"""What the journal takes and gives back: decisions and outcomes as frozen records."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from churnkit.errors import JournalError
from churnkit.journal.entry_keys import body_digest, moment, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

__all__ = ["DecisionRecord", "OutcomeRecord", "Recorded", "Verdict"]

Verdict = Literal["decide", "approve", "reject", "snooze"]
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision for one customer: what was done or not, why, and with which probability.

    Parameters
    ----------
    key
        Unique; the same key with the same body is the same decision. See `decision_key`.
    customer
        The entity, as text.
    as_of
        The date of the customer's row that was decided on.
    decided_at
        When; given by the caller, since the library reads no clock.
    policy
        The name of what decided: a model's registered name, a bandit's.
    model, model_version, model_digest
        The model behind it.
    period
        The period that the decision is for: ``"2026-11"``.
    action
        The action's name; None for none.
    action_group, channel
        The action's own, which contact limits count.
    propensity
        The probability with which `policy` takes this very action (or none) for this customer.
    eligible
        The actions that were open to the customer.
    expected_gain, gain_low, gain_high, cost
        In money; None where nobody knows.
    holdout
        The holdout that the customer is in: ``"global"``, or an action's name.
    explored
        Whether chance, not the plan, chose.
    reason
        Why, in words.
    by
        ``"engine"``, or the person.
    verdict
        ``"decide"``; or a person's ``"approve"``, ``"reject"`` or ``"snooze"`` of the decision
        whose key is `about`. A decision that is rejected or snoozed is no contact.
    about, why
        Which decision the verdict is on, and the person's words.
    detail
        Anything else, as JSON: a slate's position, the options' features.

    Raises
    ------
    JournalError
        If a part is missing or out of range; the message names the part, not its value.

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
            _text(f"decision: {name}", getattr(self, name))
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
            raise JournalError("decision: a verdict names the decision that it is about, alone")

    def to_row(self) -> dict[str, Any]:
        """Give the row of the table, with the digest of its body."""
        row: dict[str, Any] = {name: getattr(self, name) for name in _DECISION_PLAIN}
        row["as_of"], row["decided_at"] = _micros(self.as_of), _micros(self.decided_at)
        row["eligible"] = json.dumps(self.eligible)
        row["detail"] = _json("decision", self.detail)
        row["digest"] = body_digest(row)
        row["capped"] = False
        return row


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """Something that happened to a customer: an answer, a payment, a departure.

    Parameters
    ----------
    key
        Unique, as a decision's.
    kind
        What happened: ``"churned"``, ``"stayed"``, ``"accepted"``, ``"refused"``, ``"spend"``.
    value
        How much: 1 for yes, money for a payment.
    observed_at
        When.
    customer
        The entity, as text; may be left out where `decision` is given.
    decision
        The key of the decision that it follows from, if one is known.
    detail
        Anything else, as JSON.

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
            _text(f"outcome: {name}", getattr(self, name))
        if self.customer is None and self.decision is None:
            raise JournalError("outcome: name the customer, the decision, or both")
        for name in ("customer", "decision"):
            if getattr(self, name) is not None:
                _text(f"outcome: {name}", getattr(self, name))
        if not math.isfinite(self.value):
            raise JournalError("outcome: value must be a finite number")
        object.__setattr__(self, "observed_at", moment("outcome: observed_at", self.observed_at))

    def to_row(self) -> dict[str, Any]:
        """Give the row of the table, with the digest of its body."""
        row: dict[str, Any] = {
            "key": self.key,
            "kind": self.kind,
            "value": float(self.value),
            "observed_at": _micros(self.observed_at),
            "customer": self.customer,
            "decision": self.decision,
            "detail": _json("outcome", self.detail),
        }
        row["digest"] = body_digest(row)
        return row


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the entries that were handed in.

    Parameters
    ----------
    written
        Entries that are new.
    known
        Entries that the journal had already, body and all.
    capped
        Keys of decisions, new or known, whose action a contact limit forbade: they stand in
        the journal without the action and without a propensity, and the action must not go out.
    """

    written: int
    known: int
    capped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-able data."""
        return {"written": self.written, "known": self.known, "capped": len(self.capped)}


_DECISION_PLAIN = (
    "key",
    "customer",
    "policy",
    "model",
    "model_version",
    "model_digest",
    "period",
    "action",
    "action_group",
    "channel",
    "propensity",
    "expected_gain",
    "gain_low",
    "gain_high",
    "cost",
    "holdout",
    "explored",
    "reason",
    "by",
    "verdict",
    "about",
    "why",
)


def _micros(value: Any) -> int:
    return to_microseconds(value)


def _text(said: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise JournalError(f"{said} must be text and not empty")
    if len(value) > _LONGEST:
        raise JournalError(f"{said} has {len(value)} characters; {_LONGEST} is the most")
    if "\x00" in value:
        raise JournalError(f"{said} holds a zero byte, which PostgreSQL cannot keep")


def _json(said: str, detail: Mapping[str, Any] | None) -> str | None:
    if detail is None:
        return None
    try:
        return json.dumps(dict(detail), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise JournalError(f"{said}: detail must be JSON, with finite numbers") from None

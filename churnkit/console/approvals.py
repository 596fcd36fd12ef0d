"""What people say of decisions, written to the journal once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.console.customer_list import period_of
from churnkit.errors import ChurnkitError
from churnkit.journal import DecisionRecord, decision_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from churnkit.console.customer_list import CustomerList
    from churnkit.journal import Journal

__all__ = ["VERDICTS", "Standing", "Verdicts"]

VERDICTS: Final = ("approve", "reject", "snooze")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the period's decisions stand.

    Parameters
    ----------
    decisions
        The engine's, by customer.
    verdicts
        The newest of a person, by customer.
    counts
        How many customers stand approved, rejected and snoozed.
    """

    decisions: Mapping[str, Mapping[str, Any]]
    verdicts: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, int]

    def of(self, customer: str) -> str:
        """Return the verdict that stands for a customer, or ``"open"``."""
        return str(self.verdicts[customer]["verdict"]) if customer in self.verdicts else "open"


class Verdicts:
    """The journal's decisions of one period, and what people say of them.

    Parameters
    ----------
    journal
        Where they are written.
    roster
        The decisions that people see.
    """

    def __init__(self, journal: Journal, roster: CustomerList) -> None:
        self.journal = journal
        self._roster = roster
        self._lock = threading.Lock()
        self.period = period_of(roster.day)

    def standing(self, customer: str | None = None) -> Standing:
        """Read how decisions stand: of everybody, or of one customer."""
        rows = self.journal.decisions(
            policy=self._roster.model.name,
            period=self.period,
            customers=None if customer is None else [customer],
        ).to_pylist()
        decided = {row["customer"]: row for row in rows if row["verdict"] == "decide"}
        said = {row["customer"]: row for row in rows if row["verdict"] != "decide"}
        counts = {name: sum(row["verdict"] == name for row in said.values()) for name in VERDICTS}
        return Standing(decided, said, counts)

    def say(
        self, customer: str, verdict: str, *, by: str, why: str, once: str, at: datetime
    ) -> bool:
        """Write a verdict, and before it the decision that it is about, if that is not there.

        Parameters
        ----------
        customer, verdict
            On whose action, and which of `VERDICTS`.
        by, why
            The person and their words.
        once
            The form's own mark: a form that is sent twice is written once.
        at
            Now.

        Returns
        -------
        Whether it is new.

        Raises
        ------
        ChurnkitError
            If who or why is missing, or there is no such verdict.
        """
        by, why = by.strip(), why.strip()
        if verdict not in VERDICTS:
            raise ChurnkitError(f"a verdict is one of {', '.join(VERDICTS)}")
        if not by or not why:
            raise ChurnkitError("say who decides, and why: both are kept in the journal")
        # Between looking and writing nobody else of this console writes.
        with self._lock:
            rows = self.journal.decisions(customers=[customer]).to_pylist()
            about = self._decision(customer, at)
            key = decision_key("console", about.key, once)
            if any(row["key"] == key for row in rows):
                return False
            limits = self._roster.model.catalogue.contact.limits
            if not any(row["key"] == about.key for row in rows):
                self.journal.record([about], limits=limits)
            self.journal.record(
                [
                    DecisionRecord(
                        key,
                        customer,
                        as_of=self._roster.day,
                        decided_at=at,
                        policy=about.policy,
                        model=about.model,
                        model_digest=about.model_digest,
                        period=self.period,
                        by=by,
                        verdict=verdict,  # type: ignore[arg-type]
                        about=about.key,
                        why=why,
                    )
                ]
            )
            return True

    def _decision(self, customer: str, at: datetime) -> DecisionRecord:
        """Make the record of what the console shows, under the key that a plan gives it."""
        from churnkit.decisions.eligibility.exclusions import assigned_holdouts

        roster = self._roster
        model, found, row = roster.model, roster.decisions, roster.places[customer]
        place = int(found.action[row])
        action = model.catalogue.actions[place] if place >= 0 else None
        chance = float(found.propensity[row])
        names = np.array(found.names, dtype=object)
        return DecisionRecord(
            decision_key(model.name, self.period, customer),
            customer,
            as_of=roster.day,
            decided_at=at,
            policy=model.name,
            model=model.name,
            model_digest=model.digest,
            period=self.period,
            action=action.name if action else None,
            action_group=action.group if action else None,
            channel=action.channel if action else None,
            propensity=min(1.0, chance) if chance > 0 else None,
            eligible=tuple(names[found.eligible[row]]),
            expected_gain=float(found.expected_gain[row]),
            gain_low=float(found.low[row]),
            gain_high=float(found.high[row]),
            cost=float(found.cost[row]),
            holdout=assigned_holdouts(model.catalogue, customer),
            explored=bool(found.explored[row]),
            reason=found.reason[row],
        )

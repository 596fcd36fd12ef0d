from .decision_context import who_from as who_from
from .entry_keys import decision_key as decision_key
from .journal import Journal as Journal
from .records import DecisionRecord as DecisionRecord
from .records import OutcomeRecord as OutcomeRecord
from .records import Recorded as Recorded

__all__ = ["DecisionRecord", "Journal", "OutcomeRecord", "Recorded", "decision_key", "who_from"]

from .decision_context import read_decision_context as read_decision_context
from .entry_keys import decision_key as decision_key
from .journal import Journal as Journal
from .outbox import Outbox as Outbox
from .prune import PruneResult as PruneResult
from .prune import Retention as Retention
from .records import DecisionRecord as DecisionRecord
from .records import OutcomeRecord as OutcomeRecord
from .records import WriteResult as WriteResult

__all__: list[str]

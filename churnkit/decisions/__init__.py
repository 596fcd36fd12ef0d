"""Which action pays for whom: the catalogue, expected gains, allocation, decisions.

>>> from churnkit.decisions import Action, Catalogue, Effect, Where
>>> offer = Action("offer", "20 % off", 40.0, Effect(0.1, 0.2, 0.3), (Where("age", ">=", 18),))
>>> Catalogue(actions=(offer,), periods=12).names
('offer',)
"""

from churnkit.decisions.action import Action
from churnkit.decisions.allocate import Allocator, Plan, allocate
from churnkit.decisions.catalogue import Catalogue
from churnkit.decisions.compiled_ranking import CompiledRanking, Ranked
from churnkit.decisions.contact import ContactLimit, ContactPolicy, CoolDown, Suppression
from churnkit.decisions.effect import Effect
from churnkit.decisions.eligibility import CompiledCatalogue
from churnkit.decisions.exploration import Exploration
from churnkit.decisions.gain import Gains, expected_gain
from churnkit.decisions.limits import Capacity, Floor
from churnkit.decisions.measured import MeasuredEffects
from churnkit.decisions.prices import ShadowPrices
from churnkit.decisions.rank import (
    Option,
    RankedSlate,
    ValueModel,
    rank,
    rank_values,
    slate_probabilities,
)
from churnkit.decisions.ranking import Ranking
from churnkit.decisions.reasons import REASONS
from churnkit.decisions.recommend import Decisions, decide
from churnkit.decisions.single import Decision, decide_one
from churnkit.decisions.streaming import BatchPlan, allocate_batches
from churnkit.decisions.what_if import WhatIf, what_if
from churnkit.decisions.where import Where
from churnkit.decisions.who import Event, History, Who

__all__ = [
    "REASONS",
    "Action",
    "Allocator",
    "BatchPlan",
    "Capacity",
    "Catalogue",
    "CompiledCatalogue",
    "CompiledRanking",
    "ContactLimit",
    "ContactPolicy",
    "CoolDown",
    "Decision",
    "Decisions",
    "Effect",
    "Event",
    "Exploration",
    "Floor",
    "Gains",
    "History",
    "MeasuredEffects",
    "Option",
    "Plan",
    "Ranked",
    "RankedSlate",
    "Ranking",
    "ShadowPrices",
    "Suppression",
    "ValueModel",
    "WhatIf",
    "Where",
    "Who",
    "allocate",
    "allocate_batches",
    "decide",
    "decide_one",
    "expected_gain",
    "rank",
    "rank_values",
    "slate_probabilities",
    "what_if",
]

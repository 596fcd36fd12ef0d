"""Which action pays for whom: the catalogue, expected gains, allocation, decisions.

>>> from churnkit.decisions import Action, Catalogue, Effect, Where
>>> offer = Action("offer", "20 % off", 40.0, Effect(0.1, 0.2, 0.3), (Where("age", ">=", 18),))
>>> Catalogue(actions=(offer,), periods=12).names
('offer',)
"""

from churnkit.decisions.allocate import Allocator, Plan, ShadowPrices, allocate
from churnkit.decisions.catalogue import Action, Catalogue, Effect
from churnkit.decisions.contact import ContactLimit, ContactPolicy, CoolDown, Suppression
from churnkit.decisions.eligibility import CompiledCatalogue
from churnkit.decisions.gain import Gains, expected_gain
from churnkit.decisions.measured import MeasuredEffects
from churnkit.decisions.reasons import REASONS
from churnkit.decisions.recommend import Decisions, decide
from churnkit.decisions.single import Decision, decide_one
from churnkit.decisions.what_if import WhatIf, what_if
from churnkit.decisions.where import Where

__all__ = [
    "REASONS",
    "Action",
    "Allocator",
    "Catalogue",
    "CompiledCatalogue",
    "ContactLimit",
    "ContactPolicy",
    "CoolDown",
    "Decision",
    "Decisions",
    "Effect",
    "Gains",
    "MeasuredEffects",
    "Plan",
    "ShadowPrices",
    "Suppression",
    "WhatIf",
    "Where",
    "allocate",
    "decide",
    "decide_one",
    "expected_gain",
    "what_if",
]

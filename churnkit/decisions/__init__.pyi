from churnkit.core.predicate import Where as Where

from .allocation.allocate import Allocator as Allocator
from .allocation.allocate import allocate as allocate
from .allocation.allocate_batches import BatchPlan as BatchPlan
from .allocation.allocate_batches import allocate_batches as allocate_batches
from .allocation.plan import Plan as Plan
from .allocation.shadow_prices import ShadowPrices as ShadowPrices
from .budget_curve import WhatIf as WhatIf
from .budget_curve import what_if as what_if
from .catalogue.action import Action as Action
from .catalogue.catalogue import Catalogue as Catalogue
from .catalogue.compiled import CompiledCatalogue as CompiledCatalogue
from .catalogue.compiled import compile_catalogue as compile_catalogue
from .catalogue.contact_policy import ContactLimit as ContactLimit
from .catalogue.contact_policy import ContactPolicy as ContactPolicy
from .catalogue.contact_policy import CoolDown as CoolDown
from .catalogue.contact_policy import Suppression as Suppression
from .catalogue.effect import Effect as Effect
from .catalogue.exploration import Exploration as Exploration
from .catalogue.limits import Capacity as Capacity
from .catalogue.limits import Floor as Floor
from .decide_row import Decision as Decision
from .decide_row import decide_one as decide_one
from .decide_table import Decisions as Decisions
from .decide_table import decide as decide
from .eligibility.context import DecisionContext as DecisionContext
from .eligibility.context import Event as Event
from .eligibility.context import History as History
from .gain import Gains as Gains
from .gain import expected_gain as expected_gain
from .measured_effects import MeasuredEffects as MeasuredEffects
from .ranking.compiled import CompiledRanking as CompiledRanking
from .ranking.compiled import RankingDecision as RankingDecision
from .ranking.compiled import compile_ranking as compile_ranking
from .ranking.ranking import Ranking as Ranking
from .ranking.slate import Option as Option
from .ranking.slate import RankedSlate as RankedSlate
from .ranking.slate import ValueModel as ValueModel
from .ranking.slate import rank as rank
from .ranking.slate import rank_values as rank_values
from .ranking.slate import slate_probabilities as slate_probabilities
from .reason_codes import REASONS as REASONS

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
    "DecisionContext",
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
    "RankedSlate",
    "Ranking",
    "RankingDecision",
    "ShadowPrices",
    "Suppression",
    "ValueModel",
    "WhatIf",
    "Where",
    "allocate",
    "allocate_batches",
    "compile_catalogue",
    "compile_ranking",
    "decide",
    "decide_one",
    "expected_gain",
    "rank",
    "rank_values",
    "slate_probabilities",
    "what_if",
]

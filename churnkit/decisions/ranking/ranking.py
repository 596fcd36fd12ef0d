"""Many options, ranked for each customer by what is learned of them: as data.

Examples
--------
>>> from churnkit.decisions import Action, Where
>>> ranking = Ranking(
...     options=(
...         Action("spa", "A day in the spa", features=(1.0, 0.0)),
...         Action("trainer", "An hour with a trainer", features=(0.0, 1.0)),
...         Action("pro", "A month of pro", eligible=(Where("plan", "!=", "pro"),), features=(0.0, 0.0)),
...     ),
...     outcome="accepted",
...     size=2,
... )
>>> Ranking.from_dict(ranking.to_dict()) == ranking
True
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnkit.core.parsing import exactly, listed, number, share
from churnkit.decisions.catalogue.action import Action
from churnkit.decisions.catalogue.catalogue import Catalogue
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.decisions.catalogue.effect import Effect
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.contracts import Column
    from churnkit.decisions.ranking.compiled import CompiledRanking

__all__ = ["RANKING_FORMAT", "Ranking"]

RANKING_FORMAT = 1
_NO_EFFECT = Effect(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Ranking:
    """Offers, contents, products, channels or hours, of which a customer is shown the best few.

    Where a `Catalogue` weighs whether an action pays, a ranking learns from what customers did
    which option suits whom; see `churnkit.decisions.ranking.slate`.

    Parameters
    ----------
    options
        With their rules, dates, consent and holdouts, as in a catalogue; all with as many
        features.
    outcome
        The kind of outcome that is the reward: ``"accepted"``, ``"clicked"``, ``"spend"``. Its
        values are summed up; none within `days` is a reward of zero.
    size
        How many places a list has.
    days
        How long after a decision its outcomes count; it is learned from when they are over.
    epsilon
        The probability that chance alone makes the list.
    columns
        The features of customers that it learns from; all if empty, but dates and categories of
        more than 50 levels.
    contact
        How often a customer may be approached; each option that is shown counts.
    holdout
        The share of customers who are never shown any.
    salt
        Chooses who is held out and what chance says: another salt, other customers.

    Raises
    ------
    RecipeError
        If there is no option, a name comes twice, or a number is out of range.
    """

    options: tuple[Action, ...]
    outcome: str
    size: int = 1
    days: float = 7.0
    epsilon: float = 0.05
    columns: tuple[str, ...] = ()
    contact: ContactPolicy = field(default_factory=ContactPolicy)
    holdout: float = 0.0
    salt: str = "churnkit"

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options or not all(isinstance(option, Action) for option in self.options):
            raise RecipeError("ranking: give at least one Action as an option")
        if len({len(option.features) for option in self.options}) > 1:
            raise RecipeError("ranking: the options differ in how many features they have")
        if not isinstance(self.outcome, str) or not self.outcome.strip():
            raise RecipeError("ranking: outcome names the kind that is the reward: 'accepted'")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise RecipeError("ranking: size must be a whole number, at least 1")
        object.__setattr__(self, "days", number("ranking: days", self.days))
        if self.days <= 0.0:
            raise RecipeError("ranking: days must be above zero")
        object.__setattr__(self, "epsilon", share("ranking: epsilon", self.epsilon))
        columns: Any = self.columns
        if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
            raise RecipeError("ranking: columns must be a tuple of columns' names")
        object.__setattr__(self, "columns", tuple(columns))
        _ = self.rules  # whatever a catalogue would refuse

    @cached_property
    def rules(self) -> Catalogue:
        """The options as a catalogue, for what both have: rules, contact policy, holdouts."""
        return Catalogue(
            tuple(replace(option, effect=option.effect or _NO_EFFECT) for option in self.options),
            contact=self.contact,
            holdout=self.holdout,
            salt=self.salt,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The options' names, in order."""
        return self.rules.names

    def compile(self, columns: Sequence[Column]) -> CompiledRanking:
        """Check the ranking against a contract's columns and make it ready.

        Parameters
        ----------
        columns
            The columns of the encoded matrix, in its order: ``contract.encoded("recommend")``.

        Raises
        ------
        RecipeError
            If a rule does not fit its column, or what it learns from is no feature.
        """
        from churnkit.decisions.ranking.compiled import compile_ranking

        return compile_ranking(self, columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the ranking as JSON-able data; `from_dict` is its inverse."""
        return {
            "format": RANKING_FORMAT,
            "options": [option.to_dict() for option in self.options],
            "outcome": self.outcome,
            "size": self.size,
            "days": self.days,
            "epsilon": self.epsilon,
            "columns": list(self.columns),
            "contact": self.contact.to_dict(),
            "holdout": self.holdout,
            "salt": self.salt,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ranking:
        """Rebuild a ranking from `to_dict`.

        Raises
        ------
        RecipeError
            If the data are of a newer format, incomplete, or no ranking at all.
        """
        said = data.get("format") if hasattr(data, "get") else None
        if isinstance(said, bool) or said != RANKING_FORMAT:
            raise RecipeError(
                f"ranking: format {said!r} is not {RANKING_FORMAT}, the one that this churnkit "
                "reads; upgrade churnkit"
            )
        parts = exactly(cls, {key: part for key, part in data.items() if key != "format"})
        options = listed("ranking: options", parts["options"])
        parts["options"] = tuple(Action.from_dict(option) for option in options)
        parts["columns"] = tuple(listed("ranking: columns", parts["columns"]))
        parts["contact"] = ContactPolicy.from_dict(parts["contact"])
        return cls(**parts)

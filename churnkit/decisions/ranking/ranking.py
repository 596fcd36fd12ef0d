"""Rankings of options, learned from outcomes.

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

from churnkit.core.parsing import Settings, check_fields, check_list, check_number, check_share
from churnkit.decisions.catalogue.action import Action
from churnkit.decisions.catalogue.catalogue import Catalogue
from churnkit.decisions.catalogue.contact_policy import ContactPolicy
from churnkit.decisions.catalogue.effect import Effect
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RANKING_FORMAT", "Ranking"]

RANKING_FORMAT = 1
_NO_EFFECT = Effect(0.0, 0.0, 0.0)
# Fields that the first rankings did not have.
_LATER_FIELDS = ("half_life", "reward_value")


@dataclass(frozen=True)
class Ranking(Settings):
    """Options (offers, contents, products, channels, times) to rank for each customer.

    A `Catalogue` compares expected gains of effects; a ranking learns from outcomes which options
    suit which customers, and compares rewards or, with `reward_value`, gains. See `churnkit.decisions.ranking.slate`.

    Parameters
    ----------
    options
        Actions with rules, dates, consent and holdouts, as in a catalogue; all with the same
        number of features.
    outcome
        Kind of outcome that is the reward: ``"accepted"``, ``"clicked"``, ``"spend"``. Values
        are summed; no outcome within `days` is a reward of zero.
    size
        Number of options in a slate.
    days
        Days after a decision in which its outcomes count; the bandit learns from it afterwards.
    epsilon
        Probability of a uniformly random slate.
    columns
        Customer features to learn from. Default: all features except dates and categories with
        more than 50 levels.
    contact
        Contact policy; each option of a slate counts as a contact.
    holdout
        Share of customers who are never shown an option.
    salt
        Seed of holdouts and random draws.
    half_life
        Number of later rewards after which an observation counts half for the bandit; None to
        forget nothing. Set it if tastes or offers change over time.
    reward_value
        Money that a reward of 1 brings: a margin for "accepted", 1 for "revenue". Options are
        then ranked by gain, ``reward_value x reward - cost``, and only those that bring more than
        they cost are shown. None to rank by rewards alone.

    Raises
    ------
    RecipeError
        If there is no option, a name is duplicated, or a number is out of range.
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
    half_life: float | None = None
    reward_value: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options or not all(isinstance(option, Action) for option in self.options):
            raise RecipeError("ranking: options must contain at least one Action")
        limited = [option.name for option in self.options if option.prevents]
        if limited:
            raise RecipeError(
                f"ranking: option '{limited[0]}' has prevents, which only a Catalogue reads: a "
                "ranking learns from outcomes, not from causes of churn"
            )
        if len({len(option.features) for option in self.options}) > 1:
            raise RecipeError("ranking: all options must have the same number of features")
        if not isinstance(self.outcome, str) or not self.outcome.strip():
            raise RecipeError("ranking: outcome must be a kind of outcome, such as 'accepted'")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise RecipeError("ranking: size must be a whole number, at least 1")
        object.__setattr__(self, "days", check_number("ranking: days", self.days))
        if self.days <= 0.0:
            raise RecipeError("ranking: days must be above zero")
        object.__setattr__(self, "epsilon", check_share("ranking: epsilon", self.epsilon))
        self._check_optional_numbers()
        columns: Any = self.columns
        if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
            raise RecipeError("ranking: columns must be a tuple of column names")
        object.__setattr__(self, "columns", tuple(columns))
        _ = self.rules  # raises what a catalogue refuses

    def _check_optional_numbers(self) -> None:
        if self.half_life is not None:
            half_life = check_number("ranking: half_life", self.half_life)
            if half_life < 1.0:
                raise RecipeError(
                    f"ranking: half_life must be at least 1 reward, got {half_life:g}"
                )
            object.__setattr__(self, "half_life", half_life)
        if self.reward_value is not None:
            worth = check_number("ranking: reward_value", self.reward_value)
            if worth <= 0.0:
                raise RecipeError(f"ranking: reward_value must be above zero, got {worth:g}")
            object.__setattr__(self, "reward_value", worth)

    @cached_property
    def rules(self) -> Catalogue:
        """The options as a catalogue, for its rules, contact policy and holdouts."""
        return Catalogue(
            tuple(replace(option, effect=option.effect or _NO_EFFECT) for option in self.options),
            contact=self.contact,
            holdout=self.holdout,
            salt=self.salt,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the options, in order."""
        return self.rules.names

    def to_dict(self) -> dict[str, Any]:
        """Return the ranking as JSON-able data; `from_dict` is its inverse."""
        stored = {"format": RANKING_FORMAT, **Settings.to_dict(self)}
        # Omitted if unset, so that rankings of earlier versions keep their digest.
        for name in _LATER_FIELDS:
            if stored[name] is None:
                del stored[name]
        return stored

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ranking:
        """Rebuild a ranking from `to_dict`.

        Raises
        ------
        RecipeError
            If the data have a newer format, are incomplete, or are not a ranking.
        """
        version = data.get("format") if hasattr(data, "get") else None
        if isinstance(version, bool) or version != RANKING_FORMAT:
            raise RecipeError(
                f"ranking: format {version!r:.40} is not supported, only {RANKING_FORMAT}: upgrade "
                "churnkit"
            )
        fields = {key: part for key, part in data.items() if key != "format"}
        parts = check_fields(cls, {**dict.fromkeys(_LATER_FIELDS), **fields})
        options = check_list("ranking: options", parts["options"])
        # Rankings of earlier versions have options without steps.
        options = [{"steps": [], **o} if isinstance(o, dict) else o for o in options]
        parts["options"] = tuple(map(Action.from_dict, options))
        parts["columns"] = tuple(check_list("ranking: columns", parts["columns"]))
        parts["contact"] = ContactPolicy.from_dict(parts["contact"])
        return cls(**parts)

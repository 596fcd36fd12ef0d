"""Translation of the sentences that training stored in a model's card in English."""

from __future__ import annotations

from typing import Final

from churnkit.core.translation import _, capitalize_first, mark_text, translate_stored

__all__ = ["CARD_TEXTS", "localize_card_text", "localize_cluster_name"]

CARD_TEXTS: Final = (
    mark_text(
        "Probabilities estimate churn, not the effect of an action. Drivers describe the model, not "
        "the effect of changing a feature."
    ),
    mark_text(
        "The churn rate is {table} in the table and {population} among all customers: metrics are "
        "weighted to all customers; slices and profit, which count customers, are not reported."
    ),
    mark_text(
        "Only {churners} of the test customers churned, so intervals are wide; at least {advised} "
        "are advised."
    ),
    mark_text("The table has no dates, so performance in a later period is not measured."),
    mark_text(
        "Tested on other customers at later dates ({first} to {last}, trained up to {trained}); "
        "performance after that is not measured."
    ),
    mark_text(
        "Tested on other customers at the same date ({first}); performance at a later date is not "
        "measured."
    ),
    mark_text(
        "Tested on other customers of the same period ({first} to {last}); performance in a later "
        "period is not measured."
    ),
    mark_text(
        "In {outside} of {groups} groups of equal size the predicted churn rate is outside the 95% "
        "interval of the observed one."
    ),
    mark_text("yes"),
    mark_text("no"),
    mark_text("left out: {count} rows without a customer"),
    mark_text("left out: {count} rows without a label"),
    mark_text("left out: {count} rows that duplicate an earlier row"),
    mark_text("No column separates churners: churn is {rate}."),
    mark_text("Churn is {high} where {name} is {high_values}, and {low} where it is {low_values}."),
    mark_text("not missing"),
    mark_text("missing"),
    mark_text("not known"),
    mark_text("below {edge}"),
    mark_text("{edge} or more"),
    mark_text("from {low} to below {high}"),
    mark_text("{low} to below {high}"),
)


def localize_card_text(text: str) -> str:
    """Return a sentence of a model card in the language of the active locale.

    Parameters
    ----------
    text
        Sentence that training wrote; other sentences, such as a recipe's own, stay as they are.

    Examples
    --------
    >>> from churnkit.core.translation import use_locale
    >>> with use_locale("de"):
    ...     localize_card_text("left out: 1,204 rows without a label")
    'ausgelassen: 1.204 Zeilen ohne Zielwert'
    """
    return translate_stored(text, CARD_TEXTS)


_CLUSTER_TEXTS: Final = (
    mark_text("high {feature}"), mark_text("low {feature}"), mark_text("early {feature}"),
    mark_text("late {feature}"),
)  # fmt: skip


def localize_cluster_name(name: str) -> str:
    """Return the name of a behavior segment, which training stored, in the active language.

    Examples
    --------
    >>> localize_cluster_name("High monthly fee, low tenure")
    'High monthly fee, low tenure'
    """
    if name == "Average in all features":
        return _("Average in all features")
    first, *others = (name[:1].lower() + name[1:]).split(", ")
    traits = (first, *others)
    texts = tuple(translate_stored(trait, _CLUSTER_TEXTS) for trait in traits)
    return name if texts == traits else capitalize_first(", ".join(texts))

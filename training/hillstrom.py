"""Effects of two emails, from Hillstrom's experiment with three arms of equal probability.

The model predicts visits without an email, from customers of the control arm. The effects of the
emails are estimated from all arms. ``kind="money", outcome="spend"`` estimates them in spend, with
wider intervals, as 1% of customers buy.
"""

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.datasets import load
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.pipeline import Experiment, Recipe
from schemas.hillstrom import Hillstrom

# Mean spend per visit over all customers, in dollars.
VISIT_VALUE = 7.0


def experiment() -> pa.Table:
    """Return the experiment with numbered customers and propensities."""
    table = load("hillstrom")
    rows = table.num_rows
    return (
        table.drop_columns(["history_segment"])
        .append_column("customer", pa.array(range(rows)))
        .append_column("chance", pa.array([1 / 3] * rows))
        .append_column("visit_worth", pa.array([VISIT_VALUE] * rows))
    )


def not_mailed() -> pa.Table:
    """Return the control arm."""
    table = experiment()
    return table.filter(pc.equal(table["segment"], "No E-Mail"))


# Replaced by the estimated effects; they would apply to an action without past treatments.
actions = Catalogue(
    actions=(
        Action("mens", "Email with men's merchandise", cost=0.1, effect=Effect(0.0, 0.05, 0.1)),
        Action("womens", "Email with women's merchandise", cost=0.1, effect=Effect(0.0, 0.05, 0.1)),
    ),
    periods=1,
    margin=0.5,
)

recipe = Recipe(
    schema=Hillstrom,
    data=not_mailed,
    actions=actions,
    uplift=Experiment(
        outcome="visit",
        kind="stayed",
        data=experiment,
        treatment="segment",
        propensity="chance",
        control="No E-Mail",
        actions={"Mens E-Mail": "mens", "Womens E-Mail": "womens"},
    ),
)

"""Whom to mail: effects measured by Hillstrom's real experiment, three arms drawn alike.

The model says who does not come by himself: it learns from customers who got no mail. What the
mails do is measured on all. ``kind="money", outcome="spend"`` measures it in spend instead, with
wider intervals, since one customer in a hundred buys.
"""

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.datasets import load
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.pipeline import Experiment, Recipe
from schemas.hillstrom import Hillstrom

# What a visit brought on average over all customers, in dollars of spend.
VISIT_WORTH = 7.0


def experiment() -> pa.Table:
    """Read the experiment, with the customers numbered."""
    table = load("hillstrom")
    rows = table.num_rows
    return (
        table.drop_columns(["history_segment"])
        .append_column("customer", pa.array(range(rows)))
        .append_column("chance", pa.array([1 / 3] * rows))
        .append_column("visit_worth", pa.array([VISIT_WORTH] * rows))
    )


def not_mailed() -> pa.Table:
    """Keep the customers to whom nothing was done."""
    table = experiment()
    return table.filter(pc.equal(table["segment"], "No E-Mail"))


# The effects are measured; those stated here would hold for an action that nobody has tried.
actions = Catalogue(
    actions=(
        Action("mens", "An e-mail on men's goods", cost=0.1, effect=Effect(0.0, 0.05, 0.1)),
        Action("womens", "An e-mail on women's goods", cost=0.1, effect=Effect(0.0, 0.05, 0.1)),
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

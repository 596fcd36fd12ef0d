"""
What is a customer worth who never says goodbye?
================================================

CDNOW sold CDs without a subscription: a customer who has left looks like one who takes a break.
How many purchases will the customers of 1997 make in the following half year?
"""

# %%
# Purchases until October 1997 are summarized for each customer: how many came after the first, when
# the last was, and how long the customer has been known, in weeks.
import pandas as pd

import churnkit
from churnkit.models.value import GammaGamma, ParetoNBD, lifetime_value, summarize

orders = churnkit.datasets.load("cdnow")["transactions"].to_pandas()
orders = orders[orders["dollar_value"] > 0]  # free CDs are no spend
orders["date"] = pd.to_datetime(orders["date"].astype(str))
base = summarize(orders, as_of="1997-10-01", value="dollar_value")

# %%
# The model of Schmittlein, Morrison and Colombo: customers buy at random at a rate of their own,
# until they leave at a time of their own.
buying = ParetoNBD().fit(base.frequency, base.recency, base.T)
buying.params_

# %%
# Is it right? The purchases after the first of October are known, and the model did not see them.
# Customers are put into tenths by the prediction.
figures = churnkit.models.value.rolling_holdout(
    orders, {"Pareto/NBD": ParetoNBD()}, as_of=["1997-10-01"], horizon_days=182
)
figures.to_frame()

# %%
# With the spend of a purchase (Gamma-Gamma), the value of the next year at a margin of 30%. Most of
# it lies in few customers.
spending = GammaGamma().fit(base.frequency, base.monetary)
worth = lifetime_value(
    buying,
    spending,
    base.frequency,
    base.recency,
    base.T,
    base.monetary,
    rate=0.002,
    horizon=52,
    margin=0.3,
)
display = worth.plot()
tenth = display.share_of_value[len(worth.value) // 10]
print(f"a tenth of the customers has {tenth:.0%} of the value")

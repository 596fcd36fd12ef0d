"""
Does my own LightGBM model pay, and why does it flag this customer?
===================================================================

A provider of subscription television has 9,379 customers, and for each of them the cost of a
retention offer and the loss if the customer leaves. The model is an ordinary LightGBM model that was
made without churnkit.
"""

# %%
# Half of the customers train the model, the others judge it.
import lightgbm
import numpy as np

import churnkit

table = churnkit.datasets.load("tv_subscription").to_pandas()
names = [f"x{number}" for number in range(1, 47)]
X, left = table[names].to_numpy(), table["target"].to_numpy()
train = np.random.default_rng(0).random(len(X)) < 0.5
booster = lightgbm.train(
    {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "verbose": -1, "seed": 0},
    lightgbm.Dataset(X[train], left[train]),
    num_boost_round=100,
)

# %%
# The compiled trees give the same scores, without LightGBM.
trees = churnkit.trees.compile_booster(booster)
test = X[~train]
print(
    "same bits:",
    np.array_equal(trees.predict(test, raw_score=True), booster.predict(test, raw_score=True)),
)

# %%
# Are its probabilities right?
probability = trees.predict(test)
curve = churnkit.evaluation.calibration_curve(left[~train], probability)
curve.plot(name="my model")

# %%
# Profit per customer if the offer goes to those at the highest risk, with each customer's own
# costs. A wrong offer costs 50 to 100 dollars, a lost customer about a thousand.
customers = table[~train]
costs = churnkit.evaluation.CustomerCosts(
    false_positive=customers["C_FP"],
    false_negative=customers["C_FN"],
    true_positive=customers["C_TP"],
    true_negative=customers["C_TN"],
)
profit = churnkit.evaluation.profit_curve(left[~train], probability, costs)
profit.plot(name="my model")

# %%
# Why is the customer at the highest risk flagged? Exact Shapley values, from the mean customer to
# this one.
contributions = trees.contributions(test)
display = churnkit.displays.ShapDisplay(
    contributions[:, :-1], test, names, base=contributions[0, -1]
)
display.plot(kind="waterfall", row=int(probability.argmax()), max_features=8)

# %%
# And what drives the model as a whole?
display.plot()

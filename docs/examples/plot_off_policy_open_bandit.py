"""
Would another policy have earned more?
======================================

A fashion shop showed items at random to some of its visitors, and logged what they clicked. Would its
Thompson sampling policy be clicked more? The answer needs no experiment, and here it can be checked:
the shop ran that policy too.
"""

# %%
# A decision is one item at one of three positions; the propensity is the probability with which
# the random policy chose it.
import numpy as np

import churnkit
from churnkit.evaluation import PolicyLog, evaluate_policy, may_replace

tables = churnkit.datasets.load("open_bandit")
uniform, thompson = (tables[name].to_pandas() for name in ("random", "bts"))
log = PolicyLog.from_columns(
    uniform["item_id"],
    uniform["propensity_score"],
    uniform["click"],
    arms=34,
    position=uniform["position"] - 1,
)

# %%
# The new policy as probabilities of the 34 items at each position. It does not look at the visitor.
policy = np.zeros((1, 34, 3))
np.add.at(policy[0], (thompson["item_id"], thompson["position"] - 1), 1.0)
policy /= policy.sum(axis=1, keepdims=True)

# %%
# Estimates of its click rate from the random policy's log alone, with 95% intervals.
evaluation = evaluate_policy(log, policy, seed=0)
display = churnkit.displays.OffPolicyDisplay.from_result(evaluation)
truth = thompson["click"].mean()
display.ax_.axvline(truth, color="#b3261e", linestyle=":", label="measured afterwards")
display.ax_.legend()

# %%
# The measured rate lies inside the intervals. They are wide: 10,000 random decisions are few where
# one in 200 is clicked, so the verdict is that the evidence does not suffice.
print(f"measured {truth:.4f}")
print(may_replace(log, policy, seed=0))

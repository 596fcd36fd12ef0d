"""
Who will leave, and whom to call?
=================================

A provider of telephone and internet has 7,043 customers, 27% of whom left last month. Which of the
others are worth a call, if a call costs 25 dollars and the budget is 10,000 dollars?
"""

# %%
# Text columns stay text. Eleven customers of less than a month have a blank instead of a total.
# A quarter of the customers is set aside, and no model sees them before the end.
import pandas as pd
from sklearn.model_selection import train_test_split

import churnkit

telco = churnkit.datasets.load("telco").to_pandas()
telco["TotalCharges"] = pd.to_numeric(telco["TotalCharges"], errors="coerce")
X, y = telco.drop(columns=["customerID", "Churn"]), telco["Churn"] == "Yes"
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# The classifier compares a regression with several kinds of trees, blends them, and calibrates
# the result.
model = churnkit.models.ChurnClassifier("fast", seed=0).fit(X_train, y_train)
probability = model.predict_proba(X_test)[:, 1]
churnkit.evaluation.evaluate(y_test, probability)

# %%
# Are the probabilities true? Of the customers with a risk of 40%, four in ten should leave.
churnkit.displays.CalibrationDisplay.from_estimator(model, X_test, y_test)

# %%
# How many of those who leave are among the first customers on the list?
churnkit.displays.GainsDisplay.from_estimator(model, X_test, y_test)

# %%
# A call is assumed to keep a quarter of the customers who would leave, for 24 months at a margin
# of one half. That assumption, and not the model, is the weakest part: an experiment replaces it
# (see the example on whom to mail).
cost = 25.0
gain = 0.25 * probability * X_test["MonthlyCharges"].to_numpy() * 24 * 0.5 - cost
plan = churnkit.decisions.allocate(gain, cost, budget=10_000)
called = plan.action >= 0
print(f"{called.sum()} calls for ${plan.cost:,.0f}: ${plan.value:,.0f} expected")
print(f"no other list within the budget gains {plan.gap:.2%} more")

# %%
# What would another budget bring? The curve flattens where the next call gains little.
import matplotlib.pyplot as plt

budgets = range(0, 40_001, 2_000)
plans = [churnkit.decisions.allocate(gain, cost, budget=budget) for budget in budgets]
figure, ax = plt.subplots(layout="constrained")
ax.plot([part.cost for part in plans], [part.value for part in plans], marker=".")
ax.set(title="Expected gain by budget", xlabel="spent on calls ($)", ylabel="expected gain ($)")
ax.grid(alpha=0.3)
plt.show()

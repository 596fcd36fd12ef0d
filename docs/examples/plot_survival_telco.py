"""
When will they leave?
=====================

A risk without a date does not say when to act. The public Telco table has each customer's months
with the provider, and whether they have left.
"""

# %%
# The share that is still there, by contract, without any model (Kaplan and Meier). Customers who
# have not left are counted for as long as they were seen.
import numpy as np
from sklearn.model_selection import train_test_split

import churnkit

telco = churnkit.datasets.load("telco").to_pandas()
telco = telco[telco["tenure"] > 0]
months, left = telco["tenure"].to_numpy(), (telco["Churn"] == "Yes").to_numpy()
churnkit.displays.SurvivalDisplay.from_durations(months, left, group=telco["Contract"])

# %%
# A hazard model gives each customer a curve of their own. TotalCharges is left out: it grows with
# the months, so that it would tell the model the answer. After 40 months the mean of the curves is
# lower than what was observed: the table has today's contract of each customer, and not the one of
# each month. A table with one row per month would mend that (see the guide on timelines).
X = telco.drop(columns=["customerID", "Churn", "tenure", "TotalCharges"])
parts = train_test_split(X, months, left, stratify=left, random_state=0)
X_train, X_test, months_train, months_test, left_train, left_test = parts
model = churnkit.models.HazardModel(seed=0).fit(X_train, months_train, left_train)
churnkit.displays.SurvivalDisplay.from_estimator(model, X_test, months_test, left_test)

# %%
# In how many pairs of customers did the one leave first who was predicted to? 0.5 is chance.
survival = model.predict_survival(X_test, [12.0])[:, 0]
concordance = churnkit.evaluation.concordance(months_test, left_test, 1 - survival)
print(f"concordance {concordance:.3f}")

# %%
# The new customers of next month, by their chance of still being there after a year.
chance = np.quantile(survival, [0.1, 0.5, 0.9])
print("a year from the start, at the 10th, 50th and 90th percentile:", chance.round(2))

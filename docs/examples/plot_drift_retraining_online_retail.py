"""
Does the model still hold, and is it worth retraining?
======================================================

A model of an online shop's buyers was trained on dates of the spring. It is the second of September:
have the buyers changed, are the probabilities still right, and would a newer model be better?
"""

# %%
# One row for each buyer and month, as it was known then. The example on what was known on the day
# explains the timeline.
import numpy as np

import churnkit
from churnkit.timeline import (
    ActiveWithin,
    DistinctDays,
    InactivityChurn,
    Recency,
    Snapshots,
    Sum,
    Table,
    Tenure,
    Timeline,
    Where,
)

log = churnkit.datasets.load("online_retail").to_pandas()
log = log[log["StockCode"].str.match(r"\d{5}") & (log["UnitPrice"] > 0) & log["CustomerID"].notna()]
log["amount"] = log["Quantity"] * log["UnitPrice"]
bought = Where("Quantity", ">", 0)
columns = {"Quantity": "integer", "amount": "number"}
timeline = Timeline(
    tables=(Table("lines", "CustomerID", happened="InvoiceDate", columns=columns),),
    features={
        "days_since_purchase": Recency("lines", where=bought),
        "days_since_first": Tenure("lines", where=bought),
        "days_90d": DistinctDays("lines", window_days=90, where=bought),
        "days_ever": DistinctDays("lines", where=bought),
        "spend_90d": Sum("lines", "amount", window_days=90, where=bought),
    },
    snapshots=Snapshots(every="1 month", start="2011-03-02", end="2011-09-02"),
    eligible=ActiveWithin("lines", days=180, where=bought),
    label=InactivityChurn("lines", horizon_days=90, where=bought),
)
table = churnkit.timeline.build(timeline, {"lines": log}).to_pandas()
features = list(timeline.features)
month = table["as_of"].dt.month
spring, summer, now = month.isin([3, 4]), month.isin([3, 4, 5, 6]), month == 9

# %%
# The model of the spring, and the buyers of today. In the first months of the log everybody was
# new; in September many are known for long.
model = churnkit.models.ChurnClassifier("fast", seed=0)
model.fit(table.loc[spring, features], table.loc[spring, "churned"])
profile = churnkit.evaluation.Profile.fit(
    table.loc[spring, features].to_numpy(dtype=float),
    model.held_out_probability_,
    names=features,
)
today = table.loc[now, features]
churnkit.displays.DriftDisplay.from_profile(profile, today.to_numpy(dtype=float))

# %%
# Before any outcome is known, the probabilities themselves say how good the model should be, as
# long as they are right.
old = model.predict_proba(today)[:, 1]
churnkit.evaluation.estimate_performance(old)

# %%
# 90 days later the outcomes are known. The rate is as expected, but the order of the buyers is worse
# than the probabilities said: they are too sure of themselves, as the curve is flatter than the line.
churned = table.loc[now, "churned"].to_numpy()
print(f"churn rate expected {old.mean():.1%}, observed {churned.mean():.1%}")
print(f"AUC {churnkit.evaluation.auc(churned, old):.3f}")
churnkit.displays.CalibrationDisplay.from_predictions(churned, old, name="model of the spring")

# %%
# On the second of September, outcomes of the dates until June were known. A model that learned from
# them is compared on the same buyers. It takes over only if the interval of the gain is above zero.
newer = churnkit.models.ChurnClassifier("fast", seed=0)
newer.fit(table.loc[summer, features], table.loc[summer, "churned"])
new = newer.predict_proba(today)[:, 1]
for metric in ("log_loss", "auc"):
    print(churnkit.evaluation.compare(churned, new, old, metric=metric))

# %%
# It does not: months between, in which few came back, taught it little about the autumn. Large drift
# is a reason to look; whether a new model takes over is decided by outcomes.
print(f"mean change of a buyer's probability: {np.abs(new - old).mean():.3f}")

"""
What was known on the day?
==========================

An online shop has a log of its invoices from December 2010 to December 2011. Which buyers will not
return within 90 days? A model can learn that from earlier dates, if the table of each date holds
only what was known then.
"""

# %%
# Lines without a customer, postage and fees are left out. Returns have a negative quantity.
import pandas as pd

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
log["InvoiceDate"] = pd.to_datetime(log["InvoiceDate"])
log["amount"] = log["Quantity"] * log["UnitPrice"]
log = log[["CustomerID", "InvoiceNo", "InvoiceDate", "Quantity", "amount"]]

# %%
# First a look without any model: of the buyers of each month, the share that bought again later.
metrics = churnkit.insights.retention_metrics({"orders": log}, as_of="2011-12-01")
metrics.order_cohorts.plot()

# %%
# A timeline states features, dates and the outcome. It gives one row for each buyer and month.
bought = Where("Quantity", ">", 0)
timeline = Timeline(
    tables=(
        Table(
            "lines",
            "CustomerID",
            happened="InvoiceDate",
            time_zone="Europe/London",
            columns={"Quantity": "integer", "amount": "number"},
        ),
    ),
    features={
        "days_since_purchase": Recency("lines", where=bought),
        "days_since_first": Tenure("lines", where=bought),
        "days_90d": DistinctDays("lines", window_days=90, where=bought),
        "days_ever": DistinctDays("lines", where=bought),
        "spend_90d": Sum("lines", "amount", window_days=90, where=bought),
        "spend_ever": Sum("lines", "amount", where=bought),
    },
    snapshots=Snapshots(every="1 month", start="2011-03-02", end="2011-09-02"),
    eligible=ActiveWithin("lines", days=180, where=bought),
    label=InactivityChurn("lines", horizon_days=90, where=bought),
)
table = churnkit.timeline.build(timeline, {"lines": log}).to_pandas()
table.groupby("as_of")["churned"].agg(["size", "mean"]).round(3)

# %%
# The model learns from dates whose outcome was known on the second of September, and is tested on
# the buyers of that day.
features = list(timeline.features)
known = table["as_of"] <= pd.Timestamp("2011-06-02", tz="UTC")
today = table["as_of"] == table["as_of"].max()
model = churnkit.models.ChurnClassifier("fast", seed=0)
model.fit(table.loc[known, features], table.loc[known, "churned"])
honest = model.predict_proba(table.loc[today, features])[:, 1]
outcome = table.loc[today, "churned"]
churnkit.displays.RocDisplay.from_predictions(outcome, honest, name="known on the day")

# %%
# The usual mistake: features from the log as it is on the first of December. "Days since the last
# purchase" then is the answer itself, and the test is perfect.
december = log[(log["Quantity"] > 0) & (log["InvoiceDate"] < "2011-12-01")]
last = table["CustomerID"].map(december.groupby("CustomerID")["InvoiceDate"].max())
leaking = table.assign(days_since_last=(pd.Timestamp("2011-12-01") - last).dt.days)[today]
for name, score in {
    "known on the day": honest,
    "counted in December": leaking["days_since_last"] / leaking["days_since_last"].max(),
}.items():
    print(f"AUC, {name}: {churnkit.evaluation.auc(outcome, score):.3f}")

# %%
# ``find_leaks`` reports such columns in tables that were made elsewhere.
for leak in churnkit.timeline.find_leaks(
    leaking, label="churned", entity="CustomerID", as_of="as_of"
):
    print(leak)

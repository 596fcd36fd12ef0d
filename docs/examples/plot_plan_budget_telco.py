"""
Which action for whom, within a budget?
=======================================

A provider of telephone and internet can offer a credit for a one-year contract, free tech support,
or a credit for automatic payment. Who gets which offer, if 5,000 dollars may be spent and the call
center can make 150 calls?
"""

# %%
# The risk of customers that the model has not seen.
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

import churnkit
from churnkit.contracts import Column
from churnkit.decisions import Action, Catalogue, Effect, Where

telco = churnkit.datasets.load("telco").to_pandas()
telco["TotalCharges"] = pd.to_numeric(telco["TotalCharges"], errors="coerce")
X, y = telco.drop(columns=["customerID", "Churn"]), telco["Churn"] == "Yes"
X_train, customers, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
model = churnkit.models.ChurnClassifier("fast", seed=0).fit(X_train, y_train)
risk = model.predict_proba(customers)[:, 1]

# %%
# The offers. An effect is the share of churn that the offer prevents, with its range: assumed here,
# until an experiment has measured it. Plans count the low end.
catalogue = Catalogue(
    actions=(
        Action(
            "contract",
            "A credit for a one-year contract",
            cost=25.0,
            effect=Effect(0.10, 0.25, 0.40),
            channel="phone",
            capacity=150,
            eligible=(Where("Contract", "==", "Month-to-month"),),
        ),
        Action(
            "support",
            "Free tech support",
            cost=12.0,
            effect=Effect(0.03, 0.08, 0.15),
            eligible=(Where("TechSupport", "==", "No"),),
        ),
        Action(
            "autopay",
            "A credit for automatic payment",
            cost=5.0,
            effect=Effect(0.01, 0.03, 0.06),
            eligible=(Where("PaymentMethod", "in", ("Electronic check", "Mailed check")),),
        ),
    ),
    periods=24,
    margin=0.5,
)

# %%
# The catalogue reads columns of the customers: texts as positions in the list of their levels. (A
# project's schema declares them once, and ``model.recommend`` does all of this page.)
texts = ("Contract", "TechSupport", "PaymentMethod")
levels = {name: tuple(sorted(customers[name].unique())) for name in texts}
columns = [Column(name, "string", ("feature",), levels=levels[name]) for name in texts]
columns.append(Column("MonthlyCharges", "number", ("value",)))
codes = [pd.Categorical(customers[name], levels[name]).codes for name in texts]
matrix = np.column_stack([*codes, customers["MonthlyCharges"]]).astype(float)
rules = churnkit.decisions.compile_catalogue(catalogue, columns)

# %%
# Gain by budget, with the range that the uncertain effects allow, and the bound that no other plan
# within the same limits can exceed.
curve = churnkit.decisions.what_if(risk, matrix, rules, budgets=range(0, 8_001, 500))
curve.plot(currency="dollars")

# %%
# The plan for 5,000 dollars.
decisions = churnkit.decisions.decide(risk, matrix, rules, budget=5_000)
chosen = pd.Series(decisions.plan.action).map(dict(enumerate(catalogue.names))).fillna("none")
chosen.value_counts()

# %%
# What would more budget, or one more call, bring?
decisions.plan.shadow_prices.plot(actions=catalogue.names)

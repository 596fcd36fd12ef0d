"""
Whom to mail, and why the answer is everyone
============================================

A retailer mailed a random third of 64,000 customers about men's merchandise, another third about
women's, and left the last third alone. Would it pay to choose whom to mail?
"""

# %%
# The arms were drawn by chance, so that the difference of means is the effect of the email.
import numpy as np

import churnkit

table = churnkit.datasets.load("hillstrom").to_pandas()
arms = ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
treatment = table["segment"].map(arms.index).to_numpy()
visited = table["visit"].to_numpy()
X = table[["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]]
for number in (1, 2):
    effect = visited[treatment == number].mean() - visited[treatment == 0].mean()
    print(f"{arms[number]}: {100 * effect:+.1f} points of visits")

# %%
# A model of each customer's effect, from half of the customers. An email costs 10 cents; a visit
# brings 7 dollars, half of which remains.
half = np.random.default_rng(0).random(len(X)) < 0.5
price = 0.10 / (7.0 * 0.5)
model = churnkit.models.UpliftModel(seed=0).fit(
    X[half],
    visited[half],
    treatment=treatment[half],
    propensity=np.full(half.sum(), 1 / 3),
    cost=[price, price],
)

# %%
# The other half judges it: customers in the order of the predicted effect of the men's email. The
# straight line is a random order.
judged = ~half & (treatment != 2)
churnkit.displays.QiniDisplay.from_estimator(
    model, X[judged], visited[judged], treatment[judged], name="men's email"
)

# %%
# The curve hardly leaves the line: customers differ little in how they react. And even those who
# react least react enough, as the smallest predicted effect is worth more than the 10 cents.
smallest = model.predict(X[~half]).max(axis=1).min()
print(f"smallest effect {100 * smallest:.1f} points, an email pays from {100 * price:.1f} points")
print(model.verdict_)

# %%
# So the best plan without a budget mails everyone. Choosing pays where an email, a call or a credit
# costs so much that it does not pay for everyone, or where the budget is short.

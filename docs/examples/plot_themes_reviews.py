"""
What do customers complain about?
=================================

A shop of women's clothing has 23,486 reviews. In most the customer recommends the product. What are
the others about, and in which words?
"""

# %%
# 5,000 reviews, to be quick.
import matplotlib.pyplot as plt

import churnkit

reviews = churnkit.datasets.load("clothing_reviews").to_pandas()
reviews = reviews[reviews["Review Text"].notna()].sample(5_000, random_state=0)
recommended = reviews["Recommended IND"].to_numpy(dtype=float)
print(f"{1 - recommended.mean():.0%} do not recommend the product")

# %%
# Themes are groups of words that occur together; a review counts for its strongest theme. Whether
# the product is recommended says how positive a theme is.
themes = churnkit.insights.find_themes(
    reviews["Review Text"].tolist(), positive=recommended, number=8, seed=0
)
table = themes.to_frame().sort_values("positive")
table[["name", "texts", "share", "positive"]]

# %%
# The most negative themes are at the top.
figure, ax = plt.subplots(layout="constrained")
bars = ax.barh(table["name"], 1 - table["positive"], color="#1f5fa8")
ax.bar_label(bars, [f"{count} reviews" for count in table["texts"]], padding=3)
ax.axvline(1 - recommended.mean(), color="#767676", linestyle="--", label="all reviews")
ax.set(title="Reviews without a recommendation, by theme", xlabel="share, by the words of a review")
ax.invert_yaxis()
ax.margins(x=0.2)
ax.legend(loc="lower right")
plt.show()

# %%
# Typical short texts of a theme of sizes: names, addresses and numbers would be masked.
sizes = next(theme for theme in themes.themes if "small" in theme.terms)
for text in sizes.examples:
    print("-", text)

# %%
# Is the difference of the most negative theme real? The share of recommendations among the reviews
# that use its strongest word, against the others, with its interval.
word = table["name"].iloc[0].split(",")[0].strip()
uses = reviews["Review Text"].str.contains(word, case=False, regex=False).to_numpy()
readout = churnkit.evaluation.read_experiment(recommended, uses)
print(f"'{word}': {uses.sum()} reviews, difference of the share {readout.effect:+.3f}")

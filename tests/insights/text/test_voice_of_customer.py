"""Surveys compared with pandas, themes and sentiment of public reviews, and masking."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnkit.errors import DataError
from churnkit.insights.metrics.risk_ratio import risk_ratio
from churnkit.insights.metrics.subscriptions import prepare_subscriptions
from churnkit.insights.metrics.surveys import measure_satisfaction, nps
from churnkit.insights.sql_session import open_session
from churnkit.insights.text.redaction import Masker
from churnkit.insights.text.sentiment import Sentiment
from churnkit.insights.text.topics import find_themes

END = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def found(company):
    tables = {name: company.tables[name] for name in ("subscriptions", "surveys")}
    with open_session(tables, as_of="2026-01-01", threads=1) as opened:
        prepare_subscriptions(opened)
        return measure_satisfaction(opened)


@pytest.fixture(scope="module")
def surveys(company):
    frame = company.tables["surveys"].to_pandas()
    for name in ("sent_at", "answered_at"):
        frame[name] = frame[name].dt.tz_convert(None)
    return frame


def test_scores_and_response_equal_pandas(found, surveys):
    figures = {figure.name: figure for figure in found.figures}
    recent = surveys[surveys["sent_at"] >= END - pd.Timedelta(days=90)]
    asked = recent[recent["kind"] == "NPS"]
    score = asked["score"].dropna()
    assert figures["nps"].value == pytest.approx(100 * ((score >= 9).mean() - (score <= 6).mean()))
    assert figures["nps_response"].value == pytest.approx(asked["score"].notna().mean())
    csat = recent.loc[recent["kind"] == "CSAT", "score"].dropna()
    assert figures["csat"].value == pytest.approx((csat >= 4).mean())
    ces = recent.loc[recent["kind"] == "CES", "score"].dropna()
    assert figures["ces"].value == pytest.approx(ces.mean())
    half = 1.959964 * ces.std() / len(ces) ** 0.5
    assert figures["ces"].high - figures["ces"].value == pytest.approx(half, rel=1e-4)


def test_detractors_churn_at_the_rate_that_pandas_computes_and_more_than_promoters(
    found, surveys, company
):
    subscriptions = company.tables["subscriptions"].to_pandas()
    for name in ("started_at", "ended_at"):
        subscriptions[name] = subscriptions[name].dt.tz_convert(None)
    answered = surveys[(surveys["kind"] == "NPS") & surveys["score"].notna()]
    until = END - pd.Timedelta(days=90)
    mature = answered[answered["answered_at"] < until].sort_values("answered_at")
    counts = {"detractors": [0, 0], "promoters": [0, 0]}
    by_customer = dict(iter(subscriptions.groupby("customer_id")))
    for customer, row in mature.groupby("customer_id").tail(1).set_index("customer_id").iterrows():
        own, at = by_customer[customer], row["answered_at"]
        there = (own["started_at"] < at) & ~(own["ended_at"] < at)
        group = "promoters" if row["score"] >= 9 else "detractors" if row["score"] <= 6 else None
        if not there.any() or group is None:
            continue
        # Follow the versions of the stay to its end.
        end = own.loc[there, "ended_at"].max() if own.loc[there, "ended_at"].notna().all() else None
        while end is not None and (own["started_at"] == end).any():
            following = own.loc[own["started_at"] == end, "ended_at"].iloc[0]
            end = None if pd.isna(following) else following
        gone = end is not None and end < END and (end - at) < pd.Timedelta(days=90)
        counts[group][0] += 1
        counts[group][1] += gone
    ratio = next(one for one in found.churn_ratios if one.name == "detractors")
    assert (ratio.customers, ratio.left) == tuple(counts["detractors"])
    assert (ratio.other_customers, ratio.other_left) == tuple(counts["promoters"])
    assert ratio.low > 1.0


def test_customers_who_do_not_answer_churn_more(found):
    silent = next(one for one in found.churn_ratios if one.name == "silent")
    assert silent.value > 1.0


def test_the_interval_of_nps_has_its_nominal_coverage():
    rng = np.random.default_rng(0)
    truth = 100 * (0.45 - 0.25)
    held = 0
    for _ in range(400):
        promoters, _passives, detractors = rng.multinomial(200, [0.45, 0.30, 0.25])
        found: Any = nps(promoters, detractors, 200)
        held += found["low"] <= truth <= found["high"]
    assert 0.92 < held / 400 < 0.98


def test_a_risk_ratio_without_churn_in_a_group_is_defined():
    # The exact test (mid-p) of none against three of fifty finds no difference, against eight it does.
    found: Any = risk_ratio("x", 50, 0, 50, 3, formula="")
    assert 0 < found.low < found.value < 1 < found.high
    found = risk_ratio("x", 50, 0, 50, 8, formula="")
    assert 0 < found.low < found.value < found.high < 1
    assert risk_ratio("x", 0, 0, 50, 5, formula="").value is None


REVIEWS = [
    "The sync fails and my notes get lost",
    "Sync stopped again, notes were lost",
    "The price is high for what we pay",
    "We pay a high price each month",
    "Support was kind and answered fast",
    "A kind answer came fast from support",
]


def many(texts, times=20):
    return [f"{text} {'!' * (n % 3)}" for n in range(times) for text in texts]


def test_names_mails_numbers_and_rare_words_are_masked():
    texts = [
        *many(REVIEWS),
        "Zelda Quux (zelda@quux.example, +41 79 555 01 02) says the sync fails",
    ]
    masker = Masker(texts)
    shown = masker.mask(texts[-1])
    for secret in ("Zelda", "Quux", "zelda@", "555", "41"):
        assert secret not in shown
    assert "the sync fails" in shown
    themes = find_themes(texts, number=4).themes
    assert not any("Quux" in example or "@" in example for t in themes for example in t.examples)


def test_themes_are_the_same_for_the_same_seed_and_add_up():
    texts = many(REVIEWS)
    one, two = find_themes(texts, number=4), find_themes(texts, number=4)
    assert one == two
    assert sum(theme.texts for theme in one.themes) <= len(texts)


def test_themes_of_churned_customers_are_identified():
    texts = many(REVIEWS)
    left = np.array(["sync" in text.lower() for text in texts], dtype=float)
    found: Any = find_themes(texts, churned=left, number=4)
    worst = max(found.themes, key=lambda theme: theme.churned_share)
    assert "sync" in worst.terms
    assert "later churn" in found.sentiment


def test_too_few_texts_are_refused():
    with pytest.raises(DataError, match="at least 60 texts"):
        find_themes(["short", "too short"])


def test_a_sentiment_model_survives_json_exactly():
    texts = many(REVIEWS)
    content = ["kind" in text for text in texts]
    model = Sentiment.fit(texts, content)
    again = Sentiment.from_dict(model.to_dict())
    assert np.array_equal(model.score(texts), again.score(texts))


def test_sentiment_scores_equal_those_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from churnkit.insights.text.tokenize import tokens

    texts = many(REVIEWS)
    content = np.array(["kind" in text for text in texts])
    vectorizer = TfidfVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2,
        max_features=30_000, sublinear_tf=True,
    )  # fmt: skip
    matrix = vectorizer.fit_transform(texts)
    expected = LogisticRegression(C=4.0, max_iter=500).fit(matrix, content)
    asked = [*texts[:6], "support lost the sync", ""]
    got = Sentiment.fit(texts, content).score(asked)
    wanted = expected.predict_proba(vectorizer.transform(asked))[:, 1]
    assert got == pytest.approx(wanted, abs=1e-6)


@pytest.mark.data
def test_on_clothing_reviews_sentiment_ranks_recommendations(data_dir):
    from sklearn.metrics import roc_auc_score

    from churnkit.datasets import load

    frame = load("clothing_reviews").to_pandas().dropna(subset=["Review Text"])
    texts, recommended = frame["Review Text"].tolist(), frame["Recommended IND"].to_numpy()
    held_out = np.arange(len(frame)) % 4 == 0
    train = [text for text, out in zip(texts, held_out, strict=True) if not out]
    test = [text for text, out in zip(texts, held_out, strict=True) if out]
    model = Sentiment.fit(train, recommended[~held_out])
    assert roc_auc_score(recommended[held_out], model.score(test)) >= 0.90


@pytest.mark.data
def test_on_clothing_reviews_the_themes_are_of_fit_fabric_and_garments(data_dir):
    from churnkit.datasets import load

    frame = load("clothing_reviews").to_pandas().dropna(subset=["Review Text"]).head(8_000)
    found = find_themes(frame["Review Text"].tolist(), number=8)
    terms = {term for theme in found.themes for term in theme.terms}
    assert {"size", "fabric", "dress"} <= terms


def test_the_kind_of_a_survey_is_inferred_from_its_scale():
    sent = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    rows = [{"customer": f"c{n}", "sent_at": sent, "score": n % 11} for n in range(44)]
    with open_session({"surveys": rows}, as_of="2025-04-01", threads=1) as opened:
        found: Any = measure_satisfaction(opened)
    assert found.figures[0].name == "nps"
    assert found.figures[0].value == pytest.approx(100 * (8 / 44 - 28 / 44))

"""The card as a page."""

from __future__ import annotations

from churnkit.bundle.card_markdown import render_card


def test_a_thin_card_of_an_older_bundle_is_a_page_too():
    page = render_card(
        {
            "evaluation": {
                "rows": 10,
                "churners": 2,
                "metrics": {"auc": {"value": 0.75, "low": 0.5, "high": 1.0}},
                "baseline": None,
            },
            "winner": "trees",
        }
    )
    assert "| AUC | 0.750 (0.500 to 1.000) |  |" in page


def test_a_test_on_all_customers_says_how_each_was_scored():
    metrics = {"auc": {"value": 0.75, "low": 0.7, "high": 0.8}}
    evaluation = {"rows": 500, "churners": 120, "metrics": metrics, "baseline": None}
    page = render_card({"evaluation": evaluation, "test_folds": 5, "registered_rows": 500})
    assert "Each customer was scored by one of 5 models that were fitted without it" in page
    one = render_card({"evaluation": evaluation, "test_folds": 1, "registered_rows": 500})
    assert "The measured model was fitted without them" in one


def test_words_of_a_table_cannot_become_markup():
    page = render_card({"use": "<b>|x|</b>\n# y", "limits": ["*a* [b](c)"]})
    assert r"\<b\>\|x\|\</b\> \# y" in page
    assert r"- \*a\* \[b\](c)" in page


def test_an_empty_card_has_a_title_alone():
    assert render_card({}) == "# Model card\n"

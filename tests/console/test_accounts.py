"""Accounts and parents: figures from their customers, pages, filters and access."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import numpy as np
import pytest

from churnkit.console.pages.context import account_link
from churnkit.server.auth.api_keys import add_key

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

SCRIPT = "<script>a</script>"


def rows_of(customers, column, name):
    texts = [(value or "").strip() for value in customers.table[column].to_pylist()]
    return np.array([text == name for text in texts])


@pytest.mark.parametrize(
    ("role", "column", "name"), [("account", "company", "Acme"), ("parent", "holding", "North")]
)
def test_figures_are_those_of_a_direct_computation(account_list, role, column, name):
    found = account_list.groups(role).figures(name)
    rows = rows_of(account_list, column, name)
    risk, value = account_list.probability[rows], account_list.value[rows]
    assert found.users == rows.sum() == (10 if role == "account" else 20)
    assert found.risk == pytest.approx((risk * value).sum() / value.sum())
    assert found.health == pytest.approx(100 - 100 * found.risk)
    assert found.churning == pytest.approx(risk.sum())
    assert found.at_risk == pytest.approx(account_list.at_risk[rows].sum())
    assert found.actions == (account_list.decisions.action[rows] >= 0).sum()
    assert found.expected_gain == pytest.approx(account_list.decisions.expected_gain[rows].sum())


def test_blank_accounts_are_no_group_and_names_are_ordered(account_list):
    groups = account_list.accounts
    names = [groups.names[code] for code in groups.order("name", descending=False)]
    assert names == [SCRIPT, "=Calc", "Acme", "Bolt & Co"]
    risks = [part.risk for part in groups.page(groups.order("risk"))]
    assert risks == sorted(risks, reverse=True)
    assert groups.figures("") is None
    assert groups.order("risk", text="bOLT") == [names_position(groups, "Bolt & Co")]


def names_position(groups, name):
    return groups.names.index(name)


def test_pages_list_accounts_and_their_customers_and_hold_no_markup(work, account_list):
    browser, _ = work(customers=account_list)
    page = browser.get("/accounts").text
    links = [unescape(link) for link in re.findall(r'href="(/accounts/account/[^"]*)"', page)]
    assert sorted(links) == sorted(
        account_link("account", name) for name in ("Acme", "Bolt & Co", SCRIPT, "=Calc")
    )
    for link in links:
        shown = browser.get(link)
        assert shown.status_code == 200
        assert "<script>" not in shown.text
        assert shown.text.count('href="/customers/') == 10
    assert 'href="/accounts/parent/North"' in browser.get(account_link("account", "Acme")).text
    parent = browser.get("/accounts/parent/North").text
    assert 'href="/accounts/account/Bolt%20%26%20Co"' in parent
    assert "South / &lt;b&gt;" in browser.get("/accounts?by=parent").text
    assert browser.get(account_link("parent", "South / <b>")).status_code == 200
    assert browser.get("/accounts/account/nobody").status_code == 404
    assert browser.get("/accounts/person/Acme").status_code == 404
    assert browser.get("/accounts?sort=password").status_code == 400
    assert "No account matches" in browser.get(f"/accounts?q={SCRIPT}x").text


def test_the_list_is_filtered_and_searched_by_account(work, account_list):
    browser, _ = work(customers=account_list)

    def companies(query):
        text = browser.get(f"/customers.csv?{query}").text
        return [row["account"] for row in csv.DictReader(io.StringIO(text))]

    assert companies("account=Acme") == ["Acme"] * 10
    assert set(companies("parent=North")) == {"Acme", "Bolt & Co"}
    assert companies("q=bolt") == ["Bolt & Co"] * 10
    assert companies("account=nobody") == []
    assert set(companies("q=calc")) == {"'=Calc"}
    page = browser.get("/?account=Acme").text
    assert '<option value="Acme" selected>' in page
    assert "Search by id, company, e-mail" in page


def test_a_viewer_sees_accounts_without_personal_data(work, account_list, tmp_path):
    keys = tmp_path / "keys.json"
    key = add_key(keys, name="Kim", scopes=("recommend",))
    browser, _ = work(keys, key, customers=account_list)
    page = browser.get("/accounts/account/Acme").text
    assert "idcanary" in page
    assert "mailcanary" not in page


def test_without_an_account_column_there_is_no_page_and_no_link(work):
    browser, _ = work()
    assert browser.get("/accounts").status_code == 404
    assert "Accounts" not in browser.get("/").text

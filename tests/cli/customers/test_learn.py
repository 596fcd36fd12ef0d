"""A project with a ranking: train, learn and rank from the command line."""

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from churnkit.journal import DecisionRecord, Journal, OutcomeRecord

# MLflow's own imports warn of other packages' deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = '''"""Who leaves the shop, and what to show whom."""

from churnkit.decisions import Action, Ranking
from churnkit.models import ChurnClassifier
from churnkit.pipeline import Recipe
from schemas.shop import Shop

recipe = Recipe(
    schema=Shop,
    data="customers.csv",
    model=ChurnClassifier(profile="fast"),
    actions=Ranking((Action("news", "News"), Action("gift", "A gift", 5.0)), outcome="clicked"),
)
'''


@pytest.fixture
def ranking_shop(make_shop, tmp_path):
    from churnkit.pipeline import load_recipe, train

    project = make_shop(tmp_path / "ranking", recipe=RECIPE)
    train(load_recipe(project.root / "training" / "shop.py"))
    return project


def test_a_ranking_is_trained_learned_and_cannot_be_planned(churnkit, ranking_shop, customers):
    folder = ranking_shop.root
    long_ago = datetime.now(UTC) - timedelta(days=9)
    url = f"sqlite:///{folder / 'j.db'}"
    with Journal.open(url) as journal:
        row = {"plan": "pro", "city": None, "tenure_months": 3, "mrr": 9.0}
        journal.record(
            [
                DecisionRecord(
                    f"k{index}",
                    f"c{index}",
                    long_ago,
                    long_ago,
                    "shop",
                    action=("news", "gift")[index % 2],
                    propensity=0.5,
                    detail={"row": row, "features": []},
                )
                for index in range(20)
            ]
        )
        journal.record_outcomes([OutcomeRecord("o", "clicked", 1.0, long_ago, decision="k1")])
    code, out, err = churnkit("learn", "--journal", url, folder=folder)
    assert code == 0
    assert "gift" in out
    assert "0.1" in out
    assert "state 1" in err
    assert (folder / ".churnkit" / "bandits" / "shop" / "000001" / "manifest.json").is_file()
    code, out, err = churnkit("learn", "--journal", url, "--json", folder=folder)
    assert (code, json.loads(out)["decisions"]) == (0, 0)
    assert "no new decisions" in err
    code, _, err = churnkit("plan", customers, folder=folder)
    assert (code, "ranks options" in err, "churnkit rank" in err) == (1, True, True)
    code, out, err = churnkit("rank", customers, "-o", folder / "lists.csv", folder=folder)
    assert code == 0
    assert "000001" in err
    with (folder / "lists.csv").open() as stream:
        lists = list(csv.DictReader(stream))
    assert len(lists) == 30
    assert {line["action"] for line in lists} <= {"news", "gift"}
    arguments = ("rank", customers, "--journal", url, "--period", "w48", "--json")
    code, out, err = churnkit(*arguments, folder=folder)
    assert (code, json.loads(out)["shown"], json.loads(out)["before"]) == (0, 30, 0)
    code, out, err = churnkit(*arguments, folder=folder)
    assert (code, json.loads(out)["before"]) == (0, 30)
    assert churnkit("report", customers, "-o", folder / "r.html", folder=folder)[0] == 0
    code, _, err = churnkit("models", "card", "shop", folder=folder)
    assert code == 0


def test_a_model_without_a_ranking_is_refused_before_a_journal_is_made(churnkit, shop_copy):
    code, _, err = churnkit("learn", folder=shop_copy.root)
    assert code == 1
    assert "ranks nothing" in err
    assert not (shop_copy.store / "journal.db").exists()
